"""Certificates are verified, each refusal says what is wrong, and a site may be forgiven what it has wrong, no more."""

import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.crawling.child import forkserver
from pipeline.crawling.order import CrawlReport
from tests.integration.pipeline.crawling.conftest import Crawl
from tests.support.certificates import Issued, issue, self_signed, server_context
from tests.support.faulty_site import faulty_site

pytestmark = pytest.mark.usefixtures("_faulty_spiders")


@pytest.mark.parametrize(
    ("host", "trusted", "ok"), [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)]
)
def test_a_certificate(order_for, parent_of, tmp_path, host, trusted, ok):
    certificate, context = self_signed(tmp_path, "localhost")
    with faulty_site(tls=context) as site:
        params = {"url": f"https://{host}:{site.port}/board", "row": "tr.row", "title": "a"}
        environment = {"SSL_CERT_FILE": str(certificate)} if trusted else {}
        report = parent_of(order_for(spider="listing", params=params, obey_robots=False), **environment).read()
        assert report["report"]["ok"] is ok
        assert bool(site.requests) is ok
    if not ok:
        words = "its certificate is for localhost, not for 127.0.0.1" if trusted else "signed by nobody but itself"
        assert words in report["report"]["first_error"]


@dataclass(frozen=True)
class Wrong:
    """A server that has something wrong: what it shows, what is said of it, and what forgives it."""

    chain: tuple[Issued, ...]
    words: str
    tls: list[str]
    old: bool = False


ROOT = issue("Root of the tests", ca=True)
MIDDLE = issue("Intermediate of the tests", ROOT, ca=True)
GOOD = issue("localhost", MIDDLE)
ENDED = issue("localhost", ROOT, ended=True)
WEAK = issue("localhost", ROOT, rsa_bits=1024)
OTHER = issue("other.example", ROOT)
ALONE = issue("localhost")

WRONG = {
    "expired": Wrong((ENDED,), "its certificate expired on ", ["expired"]),
    "self-signed": Wrong((ALONE,), "signed by nobody but itself", [f"sha256:{ALONE.fingerprint}"]),
    "no intermediate": Wrong((GOOD,), "the one of 'Intermediate of the tests' is missing", ["ca:middle.pem"]),
    "another name": Wrong((OTHER,), "is for other.example, not for localhost", [f"sha256:{OTHER.fingerprint.upper()}"]),
    "weak key": Wrong((WEAK,), "too weak", ["old"]),
    "old protocol": Wrong((issue("localhost", ROOT),), "only old TLS", ["old"], old=True),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates as files."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, issued in (("root", ROOT), ("middle", MIDDLE), ("other", issue("Somebody else", ca=True))):
        (folder / f"{name}.pem").write_bytes(issued.pem)
    return folder


@pytest.fixture(scope="module")
def _root_is_known(_faulty_spiders: None, folder: Path) -> Iterator[None]:
    """Crawls on a machine that knows ROOT and nobody else; children inherit it from the forkserver."""
    forkserver.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "root.pem"))
        forkserver.start()
    yield
    forkserver.stop()


@pytest.fixture
def crawl(_root_is_known: None, crawl_board: Crawl) -> Crawl:
    def crawled(url: str, *tls: str) -> CrawlReport:
        return crawl_board(url, params={"tls": list(tls)}, obey_robots=False)

    return crawled


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_the_way_out_and_the_way_out_works(crawl, folder, name):
    wrong = WRONG[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TLS 1.0 is deprecated, which is the point
        context = server_context(folder, *wrong.chain, old=wrong.old)
    with faulty_site(tls=context) as site:
        url = f"https://localhost:{site.port}/board"
        refused = crawl(url)
        taken = crawl(url, *(each.replace("ca:", f"ca:{folder}/") for each in wrong.tls))
    assert refused.ok is False
    assert wrong.words in refused.first_error
    assert f"tls={wrong.tls[0].partition(':')[0]}" in refused.first_error
    assert (taken.ok, taken.items_seen, taken.first_error) == (True, 3, None)


@pytest.mark.parametrize(
    ("shown", "tls", "words"),
    [
        (ALONE, f"sha256:{GOOD.fingerprint}", f"another than the pinned one: it is sha256:{ALONE.fingerprint}"),
        (ALONE, "expired", "signed by nobody but itself"),
        (ENDED, "ca:other.pem", "expired on"),
        (OTHER, "old", "is for other.example"),
        (GOOD, "ca:other.pem", "is missing"),
        (GOOD, "ca:nowhere.pem", "is not there, or cannot be read"),
    ],
    # Fingerprints differ from run to run, and from one process of a run to the next.
    ids=["another", "alone", "ended", "other name", "missing", "no file"],
)
def test_nothing_else_is_forgiven(crawl, folder, shown, tls, words):
    with faulty_site(tls=server_context(folder, shown)) as site:
        report = crawl(f"https://localhost:{site.port}/board", tls.replace("ca:", f"ca:{folder}/"))
        assert (report.ok, site.requests) == (False, [])
        assert words in (report.first_error or "")


def test_another_host_is_not_forgiven(crawl, folder):
    with faulty_site(tls=server_context(folder, ALONE)) as private, faulty_site() as site:
        url = f"http://localhost:{site.port}/to?url={private.url('/board')}"
        report = crawl(url, f"sha256:{ALONE.fingerprint}")
        assert (report.ok, private.requests) == (False, [])
        assert "signed by nobody but itself" in (report.first_error or "")


def test_a_server_without_tls_is_named(crawl):
    def answer(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with suppress(OSError), connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        report = crawl(f"https://127.0.0.1:{listener.getsockname()[1]}/board")
    assert "it does not speak TLS there" in (report.first_error or "")
