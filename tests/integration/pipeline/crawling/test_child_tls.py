"""Certificates are verified: who vouches for them, and whose name they hold."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.crawling.child import CrawlOrder
from tests.support.certificates import self_signed
from tests.support.faulty_site import faulty_site
from tests.support.parent import Parent

OrderFor = Callable[..., CrawlOrder]
pytestmark = pytest.mark.usefixtures("_faulty_spiders")


@pytest.mark.parametrize(
    ("host", "trusted", "ok"), [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)]
)
def test_a_certificate(
    order_for: OrderFor, parent_of: Callable[..., Parent], tmp_path: Path, host: str, trusted: bool, ok: bool
) -> None:
    certificate, context = self_signed(tmp_path, "localhost")
    with faulty_site(tls=context) as site:
        params = {"url": f"https://{host}:{site.port}/board", "row": "tr.row", "title": "a"}
        environment = {"SSL_CERT_FILE": str(certificate)} if trusted else {}

        report = parent_of(order_for(spider="listing", params=params, obey_robots=False), **environment).read()

        assert report["report"]["ok"] is ok
        assert bool(site.requests) is ok
    if not ok:
        words = "VerificationError" if trusted else "certificate verify failed"
        assert words in report["report"]["first_error"]
