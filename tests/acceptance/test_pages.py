"""The pages in a real Chromium: a phone rings, a board is tried and watched, a flood is released, a post is traced."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline.resources import now
from scripts.board.pages import LISTING_SELECTORS
from scripts.local.embedded_redis import free_port
from storage import sites
from storage.models import Post
from tests.acceptance.installation import Installation, token_of
from tests.support.api import answers
from tests.support.chromium import browser, check, open_page  # noqa: F401 - a fixture
from tests.support.http_server import Asked, Said, http_server

MOST_STOPS = 80
"""Fewer than the texts of a snapshot, each of which is one: the link before it leads over them."""
PHRASE = "특강초청"
"""A phrase that stands in none of the board's own posts."""
HOSTILE = f"{PHRASE} <script>alert(1)</script><img src=x onerror=alert(2)>"


def serve_pages(installation: Installation) -> str:
    port = free_port()
    installation.environment |= {"PORT": str(port)}
    installation.start("web")
    installation.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the web process is ready")
    return f"http://127.0.0.1:{port}/ops"


def sign_in(page: Page, installation: Installation) -> None:
    page.goto(installation.command("web", "link", "--name", "minji").strip())
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def reach(wanted: Locator) -> None:
    """Go there by the Tab key alone."""
    wanted.wait_for()
    for _ in range(MOST_STOPS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        wanted.page.keyboard.press("Tab")
    pytest.fail(f"the Tab key does not come to {wanted}")


def press(wanted: Locator, key: str = "Enter") -> None:
    reach(wanted)
    wanted.page.keyboard.press(key)


def write(wanted: Locator, text: str) -> None:
    reach(wanted)
    wanted.page.keyboard.press("ControlOrMeta+a")
    wanted.page.keyboard.type(text)


def reload_until(page: Page, installation: Installation, condition: Callable[[], object], what: str) -> None:
    def look() -> object:
        page.reload()
        return condition()

    installation.wait_until(look, what)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_from_a_board_to_a_phone(sqlite_installation: Installation, browser: Browser) -> None:  # noqa: F811
    installation = sqlite_installation
    installation.add_user("sora", PHRASE, "fcm")
    installation.add_user("james", PHRASE, "apns")
    owners = {("fcm", token_of("sora", "fcm")): "sora", ("apns", token_of("james", "apns")): "james"}
    installation.gateway.set_owners(owners)
    base = serve_pages(installation)
    installation.start()

    # Given the phones, which show nothing yet
    phones = open_page(browser)
    phones.goto(installation.gateway.admin_url)
    expect(phones.get_by_text("Nothing yet")).to_have_count(2)

    # And somebody who signs in by the keyboard alone
    page = open_page(browser)
    page.goto(installation.command("web", "link", "--name", "minji").strip())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press(page.get_by_role("main").get_by_role("button", name="Sign in"))
    expect(page.get_by_role("link", name="Now", exact=True)).to_have_attribute("aria-current", "page")

    # When they try the board, the posts come out; with another element for the title, other titles do
    press(page.get_by_role("link", name="Try"))
    write(page.get_by_label("Address"), installation.board.url)
    press(page.get_by_role("button", name="Find posts"))
    expect(page.get_by_role("alert")).to_contain_text("private")
    press(page.get_by_label("It is on this machine or in a private network"), "Space")
    press(page.get_by_role("button", name="Find posts"))
    posts = page.get_by_role("region", name="posts come out").get_by_role("rowheader")
    expect(posts.first).to_be_visible()
    titles = posts.all_inner_texts()
    assert any("처음부터 있던 특강초청" in title for title in titles)
    guessed = page.get_by_label("title", exact=True).input_value()
    press(page.get_by_role("link", name="Skip the page"))
    write(page.get_by_label("title", exact=True), LISTING_SELECTORS["date"])
    write(page.get_by_label("link", exact=True), guessed)
    press(page.get_by_role("button", name="Read it like this"))
    expect(posts.first).not_to_have_text(titles[0])
    check(page)
    press(page.get_by_role("link", name="Skip the page"))
    write(page.get_by_label("title", exact=True), guessed)
    page.keyboard.press("Enter")
    expect(posts.filter(has_text="처음부터 있던 특강초청")).to_be_visible()

    # And when they save it, it is watched, beginning with a silent baseline
    press(page.get_by_role("link", name="Skip the page"))
    write(page.get_by_label("Name"), "board")
    press(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("board")
    reload_until(page, installation, lambda: page.get_by_text("baseline").count(), "the baseline")
    assert installation.sends() == 0

    # When a post appears that is meant for them, both phones show it, as a text
    installation.board.add_post(HOSTILE)
    press(page.get_by_role("button", name="Crawl now"))
    expect(page.get_by_role("status")).to_contain_text("is queued")
    expect(phones.get_by_role("heading", name=HOSTILE)).to_have_count(2)
    check(phones)

    # When far more posts came than usual, they are held, until somebody types their number
    with installation.database.writing() as session:
        post = {
            "site_id": sites.by_name(session, "board").id,
            "url": "https://x",
            "content_hash": "x",
            "fanout": "held",
        }
        for number in range(25):
            title = f"{PHRASE} {number}"
            session.add(Post(external_id=f"flood-{number}", title=title, first_seen_at=now(), **post))
    page.reload()
    expect(page.get_by_role("link", name="posts are held")).to_be_visible()
    press(page.get_by_role("link", name="Held", exact=True))
    typed = page.get_by_label("to release or drop them")
    held = page.locator("ol.titles li")
    check(page)
    count, sends = held.count(), installation.sends()
    assert count > 20
    expect(page.get_by_text(f"They would be {2 * count} notifications.")).to_be_visible()
    write(typed, str(count - 1))
    press(page.get_by_role("button", name="Release"))
    expect(page.get_by_role("alert")).to_contain_text(f"{count} posts of board are held")
    press(page.get_by_role("link", name="Held", exact=True))
    write(typed, str(count))
    press(page.get_by_role("button", name="Release"))
    expect(page.get_by_text("Nothing is held.")).to_be_visible()
    installation.wait_until(lambda: installation.sends() == sends + 2 * count, "the released posts")
    expect(phones.get_by_text("18 older ones below")).to_have_count(2)

    # Then a post tells whom it reached, and a person why one did not come
    press(page.get_by_role("link", name="Posts", exact=True))
    press(page.get_by_role("link", name=HOSTILE))
    outcomes = page.get_by_role("region", name="Phones").get_by_role("rowheader")
    expect(outcomes).to_contain_text(["delivered", "delivered"])
    check(page)
    write(page.get_by_label("Why did this person not get it?"), "sora")
    press(page.get_by_role("button", name="Ask"))
    expect(page.get_by_role("status")).to_contain_text("sora got it at")
    check(page)
    press(page.get_by_role("link", name="Changes"))
    expect(page.get_by_text("crawlpush sites release --yes board")).to_be_visible()
    expect(page.get_by_text("minji").first).to_be_visible()
    check(page)
    page.goto(f"{base}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("All is well")
    check(page)
    page.goto(f"{base}/sites")
    check(page)
    press(page.get_by_role("link", name="board", exact=True))
    check(page)


def test_the_pages_refresh_by_themselves_and_speak_korean(
    sqlite_installation: Installation,
    browser: Browser,  # noqa: F811
) -> None:
    installation = sqlite_installation
    base = serve_pages(installation)
    page = open_page(browser, locale="ko-KR")
    page.goto(f"{base}/sites")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("로그인")
    page.goto(installation.command("web", "link").strip())
    page.get_by_role("main").get_by_role("button", name="로그인").click()
    # Nothing ticks here, so a person is needed.
    expect(heading).to_have_text("사람이 봐야 할 일이 하나 있습니다")
    installation.start("dispatcher", "beat")
    expect(heading).to_have_text("모두 정상입니다")
    page.get_by_role("link", name="English").click()
    expect(heading).to_have_text("All is well")
    page.get_by_role("link", name="Sites", exact=True).click()
    expect(heading).to_have_text("Sites")
    page.get_by_role("button", name="Sign out").click()
    expect(heading).to_have_text("Sign in")
    page.goto(f"{base}/sites")
    expect(heading).to_have_text("Sign in")
    assert page.said == []  # type: ignore[attr-defined]


HOSTILE_PAGE = """<!DOCTYPE html><html lang="en"><head><title>x</title><base href="{0}/base/" target="_self">
<meta http-equiv="refresh" content="600;url={0}/refreshed"><link rel="stylesheet" href="{0}/style.css">
<style>@import "{0}/import.css"; * {{ background: url({0}/css.png); position: fixed; inset: 0 }}</style>
<script>top.location = "{0}/script"</script></head>
<body onload="fetch('{0}/onload')"><img src="{0}/image.png" onerror="alert(1)"><svg onload="alert(2)"></svg>
<iframe src="{0}/iframe"></iframe><form action="{0}/form"><button>Send this form</button></form>
<a href="javascript:top.document.title='ran'">A link that is a script</a>
<table class="board">{1}</table><object data="{0}/object"></object><video autoplay src="{0}/video"></video></body>"""
HOSTILE_ROW = """<tr onclick="alert(3)"><td>{0}<td class="subject"><a href="javascript:alert(4)" ping="/ping"
style="background:url(/inline.png)" data-href="/posts/{0}" onmouseover="alert(5)">A <b>title</b> of post number {0}</a>
<td class="writer">writer {0}<td class="when">2026-05-0{0}"""


@contextmanager
def hostile_site() -> Iterator[tuple[str, list[str]]]:
    """A board that tries everything, and the paths that were asked for."""
    paths: list[str] = []

    def answer(asked: Asked) -> Said:
        paths.append(asked.path)
        rows = "".join(HOSTILE_ROW.format(n) for n in range(1, 9))
        page = HOSTILE_PAGE.format(f"http://{asked.headers['Host']}", rows)
        return Said(page) if asked.path == "/board" else Said(status=404)

    with http_server(answer) as origin:
        yield origin, paths


def test_a_hostile_page_is_tried_by_clicks_and_by_keys(
    sqlite_installation: Installation,
    browser: Browser,  # noqa: F811
) -> None:
    base = serve_pages(sqlite_installation)
    page = open_page(browser)
    sign_in(page, sqlite_installation)
    requested: list[str] = []
    page.context.on("request", lambda request: requested.append(request.url))
    with hostile_site() as (site, asked):
        page.goto(f"{base}/try")
        page.get_by_label("Address").fill(f"{site}/board")
        page.get_by_label("It is on this machine or in a private network").check()
        page.get_by_role("button", name="Find posts").press("Enter")
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("link", name="Send this form")).to_be_visible()
        title, date = (page.get_by_label(name, exact=True) for name in ("title", "date"))
        expect(title).to_have_value("td.subject a")

        # A click in the frame, which has no session: the page goes on with it.
        frame.get_by_role("link", name="date", exact=True).click()
        expect(frame.get_by_role("link", name="date", exact=True)).to_have_attribute("aria-current", "true")
        frame.get_by_role("link", name="writer 3").click()
        expect(date).to_have_value("td.writer")
        expect(page.get_by_role("heading", level=1)).to_have_text("Try")
        check(page)

        # The same by keys: the role stays chosen, and each text is a stop.
        link = frame.get_by_role("link", name="2026-05-04")
        link.focus()
        page.keyboard.press("Enter")
        expect(date).to_have_value("td.when")
        expect(page.get_by_role("region", name="posts come out").get_by_role("row").nth(1)).to_contain_text("2026-05-0")

        # And from the list beside it, without any frame.
        page.get_by_text("The texts of the first row, as a list").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Name").fill("kept")
        page.get_by_role("button", name="author: writer 1").press("Enter")
        expect(page.get_by_label("author", exact=True)).to_have_value("td.writer")
        expect(page.get_by_label("Name")).to_have_value("kept")
        check(page)

    # Nothing of the page ran, and the browser asked nobody but us; the site was asked for its page alone.
    assert page.evaluate("document.title").startswith("Try")
    assert [url for url in requested if not url.startswith(f"{base}/")] == []
    assert set(asked) <= {"/board", "/robots.txt"}
    assert page.said == []  # type: ignore[attr-defined]
