"""`sites try --browser`: a page that a script fills, and the rules on private addresses inside the browser."""

import json
import shutil
import socket
from urllib.parse import urlsplit

import pytest

from scripts.sites.browser import CHROMIUMS, BrowserError, look
from scripts.sites.proxy import Proxy
from tests.support.cli import crawlpush
from tests.support.faulty_site import FaultySite, faulty_site, response

TITLES = [f"{n}차 국가장학금 신청 안내" for n in range(1, 6)]
ITEMS = [{"no": 70 + n, "subject": title, "regDate": f"2026-11-0{n}"} for n, title in enumerate(TITLES, 1)]
LIST = {"total": 5, "items": ITEMS}
PAGE = """<!doctype html><meta charset=utf-8><title>Notices</title><div id=app></div><script>
fetch('/api/list', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"page": 1}'})
  .then(answer => answer.json()).then(found => {
    app.innerHTML = found.items.map(each => `<p><a href="/view/${each.no}">${each.subject}</a></p>`).join('')
  })
fetch('http://10.0.0.1/inside').catch(() => 0)
</script>"""


@pytest.fixture
def site() -> FaultySite:
    with faulty_site() as serving:
        serving.answers = {
            "/notices": response("200 OK", PAGE.encode(), "Content-Type: text/html; charset=utf-8"),
            "/api/list": response("200 OK", json.dumps(LIST).encode(), "Content-Type: application/json"),
            "/away": response("302 Found", b"", f"Location: {serving.url('/notices')}"),
        }
        yield serving


@pytest.fixture
def _chromium() -> None:
    pytest.importorskip("playwright.sync_api")
    if not any(map(shutil.which, CHROMIUMS)):
        pytest.skip("no Chromium is installed")


@pytest.mark.usefixtures("_chromium")
def test_the_json_that_a_page_loads_is_found_and_read_without_a_browser(site: FaultySite, sqlite_url: str) -> None:
    result = crawlpush("sites", "try", site.url("/notices"), "--browser", "--allow-private")
    assert "crawlpush sites add NAME --spider json" in result.output
    shown = result.output.replace("\\", "").replace("'", '"')
    for part in ('rows = "items"', 'title = "subject"', 'id = "no"', 'date = "regDate"', "view/{no}", '{"page": 1}'):
        assert part in shown, (part, shown)
    assert all(title in result.output for title in TITLES)


@pytest.mark.usefixtures("_chromium")
def test_a_private_address_is_refused_inside_the_browser_also_behind_a_redirect(site: FaultySite) -> None:
    for path in ("/notices", "/away"):
        with pytest.raises(BrowserError, match=r"be opened in a browser: .*127\.0\.0\.1 may not be connected to"):
            look(site.url(path), allow_private=False, user_agent="tests")
    assert site.requests == []


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_the_proxy_connects_to_public_addresses_alone(site: FaultySite, method: str) -> None:
    for allow_private in (False, True):
        with Proxy(allow_private=allow_private) as proxy:
            answer = asked(proxy, method, site)
            assert (b"403 Forbidden" in answer) is not allow_private
            assert (b"Notices" in answer) is allow_private
            assert proxy.refused == (set() if allow_private else {"127.0.0.1"})


def asked(proxy: Proxy, method: str, site: FaultySite) -> bytes:
    parts = urlsplit(proxy.address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        if method == "CONNECT":
            connection.sendall(f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\n\r\n".encode())
            if b"200" not in (answer := connection.recv(4096)):
                return answer
            connection.sendall(b"GET /notices HTTP/1.1\r\nHost: a\r\n\r\n")
        else:
            connection.sendall(f"GET {site.url('/notices')} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer
