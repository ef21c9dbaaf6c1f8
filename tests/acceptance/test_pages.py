"""The pages in a real Chromium: a phone rings, a board is tried and watched, a flood is released, a post is traced."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.resources import now
from scripts.board.server import LISTING_SELECTORS
from scripts.local.embedded_redis import free_port
from storage import sites
from storage.models import Post
from tests.acceptance.installation import Installation, token_of
from tests.support.api import answers
from tests.support.chromium import browser, check, open_page, picture  # noqa: F401 - a fixture

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


def reload_until(page: Page, installation: Installation, condition: Callable[[], object], what: str) -> None:
    def look() -> object:
        page.reload()
        return condition()

    installation.wait_until(look, what)


@pytest.mark.full
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
    page.get_by_role("main").get_by_role("button", name="Sign in").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Now", exact=True)).to_have_attribute("aria-current", "page")

    # When they try the board, the posts come out; with another element for the title, other titles do
    page.get_by_role("link", name="Try").click()
    page.get_by_label("Address").fill(installation.board.url)
    page.get_by_role("button", name="Find posts").click()
    expect(page.get_by_role("alert")).to_contain_text("private")
    page.get_by_label("It is on this machine or in a private network").check()
    page.get_by_role("button", name="Find posts").click()
    posts = page.get_by_role("region", name="posts come out").get_by_role("rowheader")
    expect(posts.first).to_be_visible()
    titles = posts.all_inner_texts()
    assert any("처음부터 있던 특강초청" in title for title in titles)
    guessed = page.get_by_label("title", exact=True).input_value()
    page.get_by_label("title", exact=True).fill(LISTING_SELECTORS["date"])
    page.get_by_label("link", exact=True).fill(guessed)
    page.get_by_role("button", name="Read it like this").click()
    expect(posts.first).not_to_have_text(titles[0])
    check(page)
    page.get_by_label("title", exact=True).fill(guessed)
    page.get_by_role("button", name="Read it like this").click()
    expect(posts.filter(has_text="처음부터 있던 특강초청")).to_be_visible()
    picture(page, "try")

    # And when they save it, it is watched, beginning with a silent baseline
    page.get_by_label("Name").fill("board")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("board")
    reload_until(page, installation, lambda: page.get_by_text("baseline").count(), "the baseline")
    assert installation.sends() == 0

    # When a post appears that is meant for them, both phones show it, as a text
    installation.board.add_post(HOSTILE)
    page.get_by_role("button", name="Crawl now").click()
    expect(page.get_by_role("status")).to_contain_text("is queued")
    expect(phones.get_by_role("heading", name=HOSTILE)).to_have_count(2)
    picture(phones, "phones", height=860)
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
    page.get_by_role("link", name="Held", exact=True).click()
    typed = page.get_by_label("to release or drop them")
    held = page.locator("ol.titles li")
    check(page)
    count, sends = held.count(), installation.sends()
    assert count > 20
    expect(page.get_by_text(f"They would be {2 * count} notifications.")).to_be_visible()
    typed.fill(str(count - 1))
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{count} posts of board are held")
    page.get_by_role("link", name="Held", exact=True).click()
    typed.fill(str(count))
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("Nothing is held.")).to_be_visible()
    installation.wait_until(lambda: installation.sends() == sends + 2 * count, "the released posts")
    expect(phones.get_by_text("18 older ones below")).to_have_count(2)

    # Then a post tells whom it reached, and a person why one did not come
    page.get_by_role("link", name="Posts", exact=True).click()
    page.get_by_role("link", name=HOSTILE).click()
    outcomes = page.get_by_role("region", name="Phones").get_by_role("rowheader")
    expect(outcomes).to_contain_text(["delivered", "delivered"])
    check(page)
    page.get_by_label("Why did this person not get it?").fill("sora")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("status")).to_contain_text("sora got it at")
    check(page)
    page.get_by_role("link", name="Changes").click()
    expect(page.get_by_text("crawlpush sites release --yes board")).to_be_visible()
    expect(page.get_by_text("minji").first).to_be_visible()
    check(page)
    page.goto(f"{base}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("All is well", timeout=60_000)
    picture(page, "now")
    check(page)
    page.goto(f"{base}/sites")
    check(page)
    page.get_by_role("link", name="board", exact=True).click()
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
    expect(heading).to_have_text("모두 정상입니다", timeout=60_000)
    page.get_by_role("link", name="English").click()
    expect(heading).to_have_text("All is well")
    page.get_by_role("link", name="Sites", exact=True).click()
    expect(heading).to_have_text("Sites")
    page.get_by_role("button", name="Sign out").click()
    expect(heading).to_have_text("Sign in")
    page.goto(f"{base}/sites")
    expect(heading).to_have_text("Sign in")
    assert page.said == []  # type: ignore[attr-defined]
