"""Whether this machine's clock agrees with the vendors': signed tokens carry the time, and a wrong one is refused."""

import http.client
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pipeline.push.channel import CredentialsError
from pipeline.push.channels import Finding, Level
from pipeline.push.config import PushConfig
from pipeline.push.credentials import tls_context

MAX_SKEW_S = 120.0
"""Google and Apple refuse tokens from the future or an hour old; a clock off by minutes is on its way there."""
TIMEOUT_S = 5.0


def check_clock(config: PushConfig) -> Finding:
    """Ask FCM's end point what time it is (its Date header) and compare. Needs the network, but no credentials."""
    host = urlsplit(config.fcm_endpoint).netloc
    try:
        skew = _skew(host, tls_context(config.ca_file or None))
    except CredentialsError as error:
        return Finding(level=Level.FAIL, sentence=str(error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        sentence = f"{host} does not say what time it is ({type(error).__name__}); the clock is not checked."
        return Finding(level=Level.WARN, sentence=sentence)
    return judge_skew(skew)


def judge_skew(skew_s: float) -> Finding:
    """Say in words what a difference means; positive when this machine is ahead. Pure."""
    if abs(skew_s) <= MAX_SKEW_S:
        return Finding(level=Level.OK, sentence=f"The clock is right to within {abs(skew_s):.0f} s.")
    direction = "ahead" if skew_s > 0 else "behind"
    sentence = f"The clock is {abs(skew_s):.0f} s {direction}: FCM and APNs will refuse our tokens; set up NTP."
    return Finding(level=Level.FAIL, sentence=sentence)


def _skew(host: str, context: ssl.SSLContext) -> float:
    connection = http.client.HTTPSConnection(host, timeout=TIMEOUT_S, context=context)
    try:
        started = time.monotonic()
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
        took = time.monotonic() - started
    finally:
        connection.close()
    if date is None:
        raise ValueError("no Date header")
    moment = parsedate_to_datetime(date)
    theirs = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (datetime.now(UTC) - theirs).total_seconds() - took / 2
