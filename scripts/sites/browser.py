"""`crawlpush sites try URL --browser`: open a page once, in a browser, to find the JSON that holds what it shows.

Only at design time: what comes out is a definition of the spider json, which is tried without the browser before it is
proposed, so that no crawl needs one.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pipeline.basics.access import masked
from pipeline.resources import now
from scripts.errors import CommandError
from scripts.sites.proxy import Proxy
from spiders.guessing.json_guess import Shown, guess_json
from spiders.reading.json_text import NotJSONError, read_json

if TYPE_CHECKING:
    from playwright.sync_api import BrowserType, Page, Response

OPEN_S: Final = 60
"""For the browser to start, and for what is done with the page."""
QUIET_S: Final = 10
"""So long is waited until the page asks for nothing more."""
ANSWERS: Final = 100
ANSWER_BYTES: Final = 8_000_000
CHROMIUMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_LINKS: Final = "links => links.slice(0, 5000).map(link => [link.href, link.innerText.replace(/\\s+/g, ' ').trim()])"


class BrowserError(CommandError):
    """There is no browser, or the page could not be opened in it, or none of its JSON is what it shows."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a page's script asked for, and got."""

    method: str
    url: str
    # What was sent, and as what.
    sent: str = ""
    media_type: str = ""
    body: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a browser saw of a page."""

    shown: Shown
    answers: tuple[Answer, ...]
    # Hosts that may not be connected to.
    refused: tuple[str, ...]


def definitions(seen: Seen) -> Iterator[dict[str, Any]]:
    """The parameters for the answers that hold what the page shows, those with the most of it first; each again with
    the header that many servers tell scripts by, in case it is asked for."""
    found = []
    for answer in seen.answers:
        try:
            value = read_json(answer.body).value
        except NotJSONError:
            continue
        guess = guess_json(value, answer.url, now(), seen.shown)
        if guess is not None:
            found.append((guess.seen, {"url": answer.url, **_request(answer), **guess.params}))
    for _, params in sorted(found, key=lambda each: -each[0]):
        yield params
        yield {**params, "headers": ["X-Requested-With: XMLHttpRequest"]}


def _request(answer: Answer) -> Mapping[str, Any]:
    """The parameters that ask as the script did."""
    if answer.method == "GET":
        return {}
    if "json" in answer.media_type:
        return {"json": answer.sent}
    return {"form": answer.sent.split("&")} if answer.sent else {"method": answer.method}


def look(url: str, *, allow_private: bool, user_agent: str) -> Seen:
    """Open a page, and see what it shows and what its scripts got. Raises BrowserError."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise BrowserError(
            "--browser needs the extra: `pip install 'crawlpush[browser]'`, and a Chromium (`apt-get install chromium`)"
        ) from None
    executable = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if executable is None:
        raise BrowserError(f"--browser needs a Chromium, and none of {', '.join(CHROMIUMS)} is installed")
    with Proxy(allow_private=allow_private) as proxy, sync_playwright() as playwright:
        try:
            return _look(playwright.chromium, executable, url, proxy, user_agent)
        except Error as error:
            refused = f"; {', '.join(sorted(proxy.refused))} may not be connected to" if proxy.refused else ""
            reason = str(error).splitlines()[0]
            raise BrowserError(f"{masked(url)} could not be opened in a browser: {reason}{refused}") from error


def _look(chromium: "BrowserType", executable: str, url: str, proxy: Proxy, user_agent: str) -> Seen:
    browser = chromium.launch(
        executable_path=executable,
        timeout=OPEN_S * 1000,
        # Chromium's own sandbox does not work for root.
        chromium_sandbox=os.geteuid() != 0,
        # Loopback goes through the proxy too, and nothing beside it.
        proxy={"server": proxy.address, "bypass": "<-loopback>"},
        args=["--disable-quic", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp"],
    )
    try:
        page = browser.new_page(user_agent=user_agent, service_workers="block")
        page.set_default_timeout(OPEN_S * 1000)
        answers: list[Response] = []
        page.on("response", lambda response: answers.append(response) if _may_hold_rows(response) else None)
        page.goto(url, wait_until="domcontentloaded")
        _wait(page)
        shown = Shown(
            text=" ".join(page.inner_text("body").split()),
            links=[(str(address), str(text)) for address, text in page.eval_on_selector_all("a[href]", _LINKS)],
        )
        kept = tuple(filter(None, map(_answer, answers[:ANSWERS])))
        return Seen(shown=shown, answers=kept, refused=tuple(sorted(proxy.refused)))
    finally:
        browser.close()


def _wait(page: "Page") -> None:
    from playwright.sync_api import TimeoutError as TooLongError

    try:
        page.wait_for_load_state("networkidle", timeout=QUIET_S * 1000)
    except TooLongError:
        # It goes on asking, for news perhaps: what came until now must do.
        return


def _may_hold_rows(response: "Response") -> bool:
    kind = (response.headers.get("content-type") or "").lower()
    return response.status == 200 and response.request.resource_type in {"xhr", "fetch"} and "html" not in kind


def _answer(response: "Response") -> Answer | None:
    from playwright.sync_api import Error

    request = response.request
    try:
        body = response.body()
    except Error:
        return None
    if len(body) > ANSWER_BYTES or urlsplit(response.url).scheme not in {"http", "https"}:
        return None
    return Answer(
        method=request.method,
        url=request.url,
        sent=request.post_data or "",
        media_type=(request.headers.get("content-type") or "").lower(),
        body=body.decode("utf-8", "replace"),
    )


def words(seen: Seen) -> str:
    """What to say where no answer holds what the page shows."""
    asked = ", ".join(masked(each.url)[:100] for each in seen.answers[:5]) or "nothing"
    refused = f"; {', '.join(seen.refused)} may not be connected to" if seen.refused else ""
    return f"none of the JSON that the page's scripts asked for holds what it shows (they got {asked}){refused}"
