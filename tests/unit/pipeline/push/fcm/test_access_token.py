import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import google.auth.exceptions
import pytest

from pipeline.push.channel import CLOSED, NOT_SENT
from pipeline.push.clock import Clock
from pipeline.push.fcm import access_token
from pipeline.push.fcm.access_token import AccessTokens, TokenError
from pipeline.push.outcome import OutcomeKind
from scripts.local.supervisor import wait_until


class Credentials:
    """Google's credentials without Google: counts how often it is asked, and can be told to fail."""

    def __init__(self, lifetime_s=3600):
        self.lifetime_s = lifetime_s
        self.fetched = 0
        self.error = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.token = self.expiry = None

    def with_claims(self, claims):
        return self

    def refresh(self, request):
        self.fetched += 1
        assert self.may_answer.wait(60)
        if self.error:
            raise self.error
        self.token = f"token {self.fetched}"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=self.lifetime_s)


def tokens_of(credentials):
    return AccessTokens(credentials, None, Clock())


def get(tokens, within_s=60.0, instead_of=None):
    return tokens.get(time.monotonic() + within_s, instead_of)


def renewed(tokens):
    """Wait for the fetch that is under way."""
    return tokens._fetch.exception(60)


def many(tokens, count, instead_of=None):
    with ThreadPoolExecutor(count) as pool:
        return set(pool.map(lambda _: get(tokens, instead_of=instead_of), range(count)))


def test_many_who_ask_at_once_cause_one_fetch():
    credentials = Credentials()
    assert many(tokens_of(credentials), 50) == {"token 1"}
    assert credentials.fetched == 1


def test_one_who_gives_up_does_not_take_the_token_from_the_others():
    credentials = Credentials()
    credentials.may_answer.clear()
    tokens = tokens_of(credentials)
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(get, tokens)
        with pytest.raises(TokenError) as caught:
            get(tokens, within_s=0.05)
        credentials.may_answer.set()
        assert patient.result(60) == "token 1"
    assert caught.value.outcome == NOT_SENT


def test_closed_it_is_waited_for_by_nobody():
    credentials = Credentials()
    credentials.may_answer.clear()
    tokens = tokens_of(credentials)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(get, tokens)
        assert wait_until(lambda: credentials.fetched, 60)
        tokens.close()
        assert waits.exception(60).outcome == CLOSED
    credentials.may_answer.set()


def test_a_token_is_renewed_ahead_of_time_while_the_old_one_is_still_used():
    credentials = Credentials(lifetime_s=access_token.RENEW_AHEAD_S - 5)
    tokens = tokens_of(credentials)
    assert get(tokens) == "token 1"
    credentials.may_answer.clear()
    assert [get(tokens) for _ in range(10)] == ["token 1"] * 10
    credentials.may_answer.set()
    renewed(tokens)
    assert get(tokens) == "token 2"
    # The second one is as short-lived, so it is being renewed by now as well; never twice at once.
    assert credentials.fetched <= 3


def test_a_renewal_that_fails_leaves_the_old_token_in_use():
    credentials = Credentials(lifetime_s=access_token.RENEW_AHEAD_S - 5)
    tokens = tokens_of(credentials)
    get(tokens)
    credentials.error = google.auth.exceptions.TransportError("no route")
    assert get(tokens) == "token 1"
    assert isinstance(renewed(tokens), TokenError)
    assert [get(tokens) for _ in range(10)] == ["token 1"] * 10
    assert credentials.fetched == 2


def test_a_token_near_its_end_is_not_used():
    tokens = tokens_of(Credentials())
    get(tokens)
    tokens._expires_at -= 3600 - access_token.MARGIN_S + 1
    assert get(tokens) == "token 2"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (
            google.auth.exceptions.RefreshError("invalid_grant: Invalid JWT Signature.", retryable=False),
            OutcomeKind.CHANNEL_DOWN,
            "credentials_refused",
        ),
        (
            google.auth.exceptions.RefreshError("internal_failure", retryable=True),
            OutcomeKind.RETRY,
            "token_unavailable",
        ),
        (google.auth.exceptions.TransportError("no route"), OutcomeKind.RETRY, "token_unavailable"),
        (ValueError("something new"), OutcomeKind.RETRY, "token_unavailable"),
    ],
)
def test_a_fetch_that_fails_is_an_outcome_and_is_not_repeated_by_everybody(error, kind, code):
    credentials = Credentials()
    credentials.error = error
    tokens = tokens_of(credentials)
    for _ in range(20):
        with pytest.raises(TokenError) as caught:
            get(tokens)
        assert (caught.value.outcome.kind, caught.value.outcome.code) == (kind, code)
        assert str(error) in caught.value.outcome.detail
    assert credentials.fetched == 1


def test_after_a_failure_it_is_tried_again_later():
    credentials = Credentials()
    credentials.error = google.auth.exceptions.TransportError("no route")
    tokens = tokens_of(credentials)
    with pytest.raises(TokenError):
        get(tokens)
    credentials.error = None
    tokens._failed_until = 0.0
    assert get(tokens) == "token 2"


def test_a_refused_token_is_replaced_unless_it_is_new():
    credentials = Credentials()
    tokens = tokens_of(credentials)
    first = get(tokens)
    # A token that was made a moment ago and is refused: another one would be refused as well.
    assert get(tokens, instead_of=first) == first
    tokens._fetched_at -= access_token.MIN_REPLACE_S + 1
    assert many(tokens, 50, instead_of=first) == {"token 2"}
    # Somebody whose answer comes late finds the new one.
    assert get(tokens, instead_of=first) == "token 2"
    assert credentials.fetched == 2
