"""The pictures of the README: `PICTURES=docs/pictures pytest --full tests/acceptance/test_pictures.py`."""

import random
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy.orm import Session

from pipeline.resources import now
from storage import sites
from storage.models import Delivery, Device, Notification, Post
from tests.acceptance.installation import Installation, token_of
from tests.acceptance.test_pages import serve_pages, sign_in
from tests.support.chromium import PICTURES, browser, check, open_page, picture  # noqa: F401 - a fixture

LARGEST = 150_000
"""Bytes of a picture: the README is read over mobile networks, too."""
PHONES = {("sora", "apns"): "장학", ("james", "fcm"): "library", ("minji", "fcm"): "기숙사"}
OTHERS = ("수강신청", "internship", "특강", "python")
"""What the many other people want."""
POSTS = (
    ("장학 공지", "2027학년도 1학기 국가장학금 1차 신청 안내 (12월 22일까지)"),
    ("City Library", "The library is open all night in the week of exams"),
    ("생활관", "2027학년도 기숙사 신입생 입사 신청 일정"),
    ("장학 공지", "교내 근로장학생 추가 모집: 중앙도서관, 국제교류팀"),
    ("City Library", "New in the library: 320 books on data and AI"),
    ("생활관", "기숙사 난방 점검 (11월 30일 오전 10시, 2동과 3동)"),
    ("장학 공지", "이공계 우수 장학생 면접 대상자 발표"),
)
QUIET = ("학사 공지", "Job Board", "Python Releases", "컴퓨터공학과", "국제교류팀")


def add_sites(session: Session) -> None:
    for name in dict.fromkeys([*(site for site, _ in POSTS), *QUIET]):
        site = sites.add(session, name=name, spider="listing", now=now(), baseline_done=True)
        site.next_crawl_at = now() + timedelta(minutes=random.randint(4, 60))
        site.params = {"url": "https://www.example.org/board"}


def add_post(session: Session, site: str, title: str, number: int, **columns: object) -> Post:
    values = {"site_id": sites.by_name(session, site).id, "external_id": str(number), "title": title, **columns}
    post = Post(url="https://www.example.org/1", content_hash="x", **{"first_seen_at": now(), **values})
    session.add(post)
    session.flush()
    return post


def add_an_hour(session: Session) -> None:
    """What came and went in the hour before, as a small school has it in the morning."""
    chance = random.Random(7)
    devices = {device.user_id: device.id for device in session.query(Device)}
    for number in range(90):
        at = now() - timedelta(minutes=chance.triangular(0.5, 59, 16))
        post = add_post(session, chance.choice(QUIET), f"Post {number}", number, fanout="done", first_seen_at=at)
        for user in chance.sample(sorted(devices), chance.randint(2, 16)):
            sent = {"status": "sent", "created_at": at, "next_attempt_at": at, "sent_at": at}
            notification = Notification(post_id=post.id, user_id=user, **sent)
            session.add(notification)
            session.flush()
            status = chance.choices(("delivered", "retry", "failed"), (96, 3, 1))[0]
            session.add(
                Delivery(notification_id=notification.id, device_id=devices[user], platform="fcm", status=status, at=at)
            )


@pytest.mark.full
@pytest.mark.skipif(not PICTURES, reason="PICTURES names no folder")
def test_the_pictures_of_the_readme(sqlite_installation: Installation, browser: Browser) -> None:  # noqa: F811
    installation = sqlite_installation
    for (user, platform), phrase in PHONES.items():
        installation.add_user(user, phrase, platform)
    for number in range(40):
        installation.add_user(f"reader-{number}", OTHERS[number % len(OTHERS)], "fcm")
    installation.gateway.set_owners({(platform, token_of(user, platform)): user for user, platform in PHONES})
    with installation.database.writing() as session:
        add_sites(session)
    serve_pages(installation)
    installation.start()

    # Three phones ring, one post after another.
    for number, (site, title) in enumerate(POSTS):
        with installation.database.writing() as session:
            add_post(session, site, title, number, fanout="ready", fanout_enqueued_at=now() - timedelta(days=1))
        installation.wait_until(lambda n=number: installation.sends() > n, "the post is pushed")
    phones = open_page(browser)
    phones.goto(installation.gateway.admin_url)
    expect(phones.get_by_role("heading", name=POSTS[-1][1])).to_be_visible()
    picture(phones, "phones", height=800)
    check(phones)

    with installation.database.writing() as session:
        add_an_hour(session)
    for language, name in (("en", "now"), ("ko", "now.ko")):
        page = open_page(browser, locale=language)
        if language == "en":
            sign_in(page, installation)
        else:
            page.goto(installation.command("web", "link").strip())
            page.get_by_role("main").get_by_role("button").click()
        expect(page.locator("h1.verdict.good")).to_be_visible()
        expect(page.locator("#h-sites + p")).to_have_text("8")
        picture(page, name, height=640)
        check(page)

    page = open_page(browser)
    sign_in(page, installation)
    page.get_by_role("link", name="Try").click()
    page.get_by_label("Address").fill(installation.board.url)
    page.get_by_label("It is on this machine or in a private network").check()
    page.get_by_role("button", name="Find posts").click()
    expect(page.frame_locator("iframe").locator(".title").first).to_be_visible()
    page.get_by_label("Name").fill("notices")
    page.get_by_role("heading", level=1).scroll_into_view_if_needed()
    picture(page, "try", width=1024, height=800)
    check(page)

    for path in Path(PICTURES or ".").glob("*.png"):
        assert path.stat().st_size < LARGEST, path
