"""A person's calls over HTTP, for a phone and for a back end."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select, update

from storage import inbox, sites, users
from storage.models import Keyword, Notification
from tests.support.api import Api
from tests.support.builders import a_post

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
PHONE = {"platform": "fcm", "token": "registration-token-of-minji", "locale": "ko-KR", "timezone": "Asia/Seoul"}


def owe(api: Api, user: str, titles: list[str], *, phrase: str | None = None) -> list[int]:
    """Notifications that were sent to a user because of a phrase or of the site, oldest first."""
    with api.context.database.writing() as session:
        site = next((s for s in sites.all_sites(session) if s.name == "board"), None) or sites.add(
            session, name="board", spider="listing", now=NOW
        )
        owner = users.by_external_id(session, user)
        keyword_id = session.scalar(select(Keyword.id).where(Keyword.text == phrase)) if phrase else None
        found = []
        for title in titles:
            post = a_post(site.id, f"{user}-{title}", title=title, url=f"https://board.test/{title}", fanout="done")
            session.add(post)
            session.flush()
            notification = Notification(
                post_id=post.id,
                user_id=owner.id,
                keyword_id=keyword_id,
                status="sent",
                created_at=NOW,
                next_attempt_at=NOW,
                sent_at=NOW,
            )
            session.add(notification)
            session.flush()
            found.append(notification.id)
        return found


@pytest.fixture
def minji(api: Api) -> str:
    """The token of a user with a phone."""
    token = api.token("minji")
    assert api.call("PUT", "/v1/me/devices/phone-1", token, json=PHONE).status_code == 200
    return token


def test_a_phone_registers_itself_and_its_token_is_in_no_answer(api, minji):
    answer = api.call("GET", "/v1/me/devices", minji)
    (device,) = answer.json()
    assert (device["installation"], device["platform"], device["locale"]) == ("phone-1", "fcm", "ko-KR")
    assert PHONE["token"] not in answer.text
    assert api.call("GET", "/v1/me", minji).json()["timezone"] == "Asia/Seoul"


def test_the_same_installation_replaces_its_old_token(api, minji):
    (before,) = api.call("GET", "/v1/me/devices", minji).json()
    for _ in range(2):
        api.call("PUT", "/v1/me/devices/phone-1", minji, json={**PHONE, "token": "a-new-token"})
    (after,) = api.call("GET", "/v1/me/devices", minji).json()
    assert after["id"] == before["id"]


def test_a_token_that_another_row_holds_already_moves_to_the_installation(api, minji):
    api.call("PUT", "/v1/me/devices/tablet", minji, json={**PHONE, "token": "token-of-the-tablet"})
    moved = api.call("PUT", "/v1/me/devices/phone-1", minji, json={**PHONE, "token": "token-of-the-tablet"})
    assert moved.status_code == 200
    assert [d["installation"] for d in api.call("GET", "/v1/me/devices", minji).json()] == ["phone-1"]


def test_inbox_and_badge_cost_two_statements_and_no_transaction(api, minji):
    """The credential's and their own. On SQLite there is no server to spare trips to."""
    owe(api, "minji", ["one", "two"])
    sent: list[tuple[str, bool]] = []

    def note(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        sent.append((statement[:6], getattr(connection.connection.dbapi_connection, "autocommit", True) is not False))

    event.listen(api.context.database.engine, "before_cursor_execute", note)
    for path in ("/v1/me/badge", "/v1/me/notifications"):
        sent.clear()
        assert api.call("GET", path, minji).status_code == 200
        assert [each for each in sent if each[0] != "BEGIN "] == [("SELECT", True)] * 2
    event.remove(api.context.database.engine, "before_cursor_execute", note)
    for path in ("badge", "notifications"):
        assert api.call("GET", f"/v1/users/nobody/{path}", "app").status_code == 404


def test_subscribing_twice_makes_one_subscription(api, minji):
    first = api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "  장학금 ", "exclude": ["마감"]})
    again = api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "장학금", "exclude": ["마감"]})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["phrase"], first.json()["exclude"]) == ("장학금", ["마감"])


def test_one_subscription_is_to_any_of_several_phrases(api, minji):
    listed = {"phrases": ["internship", "인턴 모집"], "title_only": True}
    first = api.call("POST", "/v1/me/subscriptions", minji, json=listed)
    again = api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "모집 인턴|INTERNSHIP", "title_only": True})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["phrase"] == "internship | 모집 인턴"
    assert (first.json()["phrases"], first.json()["title_only"]) == (["internship", "모집 인턴"], True)


def test_a_subscription_is_changed_and_ended(api, minji):
    number = api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "internship"}).json()["id"]
    changed = api.call("PATCH", f"/v1/me/subscriptions/{number}", minji, json={"body": True, "exclude": ["unpaid"]})
    assert (changed.json()["body"], changed.json()["exclude"]) == (True, ["unpaid"])
    assert api.call("DELETE", f"/v1/me/subscriptions/{number}", minji).status_code == 204
    assert api.call("GET", "/v1/me/subscriptions", minji).json() == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"phrase": "a"}, "only single characters"),
        ({}, "neither a phrase nor a site"),
        ({"phrase": "장학금", "phrases": ["알바"]}, "give phrase or phrases, not both"),
        ({"phrases": []}, "neither a phrase nor a site"),
        ({"phrases": ["알바", "책"]}, "single character"),
        ({"phrase": "알바", "body": True, "title_only": True}, "choose one of the two"),
        ({"site": "nowhere"}, "there is no site named 'nowhere'"),
        ({"phrase": "장학금", "colour": "red"}, "colour: extra inputs are not permitted"),
        ({"phrase": "nul\x00"}, "must not hold NUL"),
    ],
)
def test_what_cannot_be_a_subscription_is_said_in_a_sentence(api, minji, body, sentence):
    refused = api.call("POST", "/v1/me/subscriptions", minji, json=body)
    assert refused.status_code in {404, 422}
    assert refused.headers["content-type"] == "application/problem+json"
    assert sentence in refused.json()["detail"]


def test_pages_of_the_inbox_stay_while_new_ones_come(api, minji):
    old = owe(api, "minji", [f"old {n}" for n in range(5)])
    first = api.call("GET", "/v1/me/notifications?limit=2", minji).json()
    owe(api, "minji", ["new"])
    second = api.call("GET", f"/v1/me/notifications?limit=2&cursor={first['next_cursor']}", minji).json()
    last = api.call("GET", f"/v1/me/notifications?limit=2&cursor={second['next_cursor']}", minji).json()
    shown = [item["id"] for page in (first, second, last) for item in page["items"]]
    assert shown == old[::-1]
    assert last["next_cursor"] is None
    assert first["items"][0]["post"]["url"] == "https://board.test/old 4"


def test_an_unchanged_inbox_is_not_sent_again(api, minji):
    owe(api, "minji", ["one"])
    etag = api.call("GET", "/v1/me/notifications", minji).headers["etag"]
    same = api.call("GET", "/v1/me/notifications", minji, headers={"If-None-Match": etag})
    assert (same.status_code, same.content) == (304, b"")
    owe(api, "minji", ["two"])
    assert api.call("GET", "/v1/me/notifications", minji, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(("body", "left"), [({"ids": [1]}, 2), ({"up_to": 2}, 1), ({"all": True}, 0), ({"ids": []}, 3)])
def test_reading_lowers_the_badge(api, minji, body, left):
    ids = owe(api, "minji", ["a", "b", "c"])
    assert ids == [1, 2, 3]
    for _ in range(2):
        assert api.call("POST", "/v1/me/notifications/read", minji, json=body).json()["badge"] == left
    assert api.call("GET", "/v1/me/badge", minji).json() == {"badge": left}
    unread = api.call("GET", "/v1/me/notifications?unread=true", minji).json()["items"]
    assert len(unread) == left


def test_an_opened_notification_is_read_and_the_first_time_counts(api, minji):
    (number,) = owe(api, "minji", ["one"])
    path = f"/v1/me/notifications/{number}/events"
    assert api.call("POST", path, minji, json={"event": "opened"}).status_code == 204
    (first,) = api.call("GET", "/v1/me/notifications", minji).json()["items"]
    api.call("POST", path, minji, json={"event": "opened"})
    api.call("POST", path, minji, json={"event": "dismissed"})
    (item,) = api.call("GET", "/v1/me/notifications", minji).json()["items"]
    assert item["opened_at"] == first["opened_at"] == first["read_at"]
    assert item["dismissed_at"] is not None


def test_a_person_says_when_and_how_often_they_want_to_hear(api, minji):
    before = api.call("GET", "/v1/me", minji).json()
    assert (before["quiet_hours"], before["daily_cap"], before["defaults"][0]) == ("none", None, "quiet_hours")
    wanted = {"quiet_hours": "22:00-8:00", "digest": "18:00 8:00", "daily_cap": 20, "urgent_passes": True}
    said = api.call("PATCH", "/v1/me", minji, json={**wanted, "snooze": "until 2130-12-01T09:00+09:00"})
    assert said.status_code == 422
    assert "longer than 366 days" in said.json()["detail"]
    assert api.call("GET", "/v1/me", minji).json() == before
    after = api.call("PATCH", "/v1/me", minji, json={**wanted, "snooze": "2h"}).json()
    assert after.items() >= {**wanted, "quiet_hours": "22:00-08:00", "digest": "08:00,18:00", "defaults": []}.items()
    assert after["snooze_until"] > before["created_at"]
    again = api.call("PATCH", "/v1/me", minji, json={"quiet_hours": "default", "daily_cap": "none", "snooze": "off"})
    assert (again.json()["defaults"], again.json()["daily_cap"], again.json()["digest"]) == (
        ["quiet_hours"],
        None,
        "08:00,18:00",
    )
    assert again.json()["snooze_until"] is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"quiet_hours": "22-8"}, "quiet_hours: '22-8' is not understood"),
        ({"digest": "24:00"}, "digest: '24:00' is no time of day"),
        ({"daily_cap": 0}, "daily_cap: a cap is from 1"),
        ({"daily_cap": "many"}, "daily_cap: 'many' is no cap"),
        ({"snooze": "tomorrow"}, "snooze 'tomorrow' is not understood"),
        ({"timezone": "Mars"}, "'Mars' is not an IANA time zone"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_its_name(api, minji, body, named):
    refused = api.call("PATCH", "/v1/me", minji, json={"paused": True, **body})
    assert refused.status_code == 422
    assert named in refused.json()["detail"]
    assert api.call("GET", "/v1/me", minji).json()["paused"] is False


def test_a_subscription_has_a_pace_of_its_own(api, minji):
    made = api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "internship", "pace": "daily"}).json()
    assert made["pace"] == "daily"
    path = f"/v1/me/subscriptions/{made['id']}"
    assert api.call("PATCH", path, minji, json={"body": True}).json()["pace"] == "daily"
    assert api.call("PATCH", path, minji, json={"pace": "default"}).json()["pace"] is None
    assert api.call("PATCH", path, minji, json={"pace": "yearly"}).status_code == 422


def test_the_action_read_lowers_the_badge(api, minji):
    number, _ = owe(api, "minji", ["one", "two"])
    for _ in range(2):
        assert api.call("POST", f"/v1/me/notifications/{number}/events", minji, json={"event": "read"}).ok
        assert api.call("GET", "/v1/me/badge", minji).json() == {"badge": 1}


def test_what_is_done_with_a_digest_is_done_with_all_that_it_tells_of(api, minji):
    told = owe(api, "minji", ["one", "two"])
    owe(api, "minji", ["three"])
    with api.context.database.writing() as session:
        session.execute(update(Notification).where(Notification.id.in_(told)).values(digest_id=7))
    for done, badge in (("opened", 3), ("dismissed", 3), ("read", 1), ("read", 1)):
        assert api.call("POST", "/v1/me/digests/7/events", minji, json={"event": done}).status_code == 204
        assert api.call("GET", "/v1/me/badge", minji).json() == {"badge": badge}
    assert api.call("POST", "/v1/me/digests/8/events", minji, json={"event": "read"}).status_code == 404
    looks = api.call("POST", "/v1/users/minji/digests/7/events", "read", json={"event": "read"})
    assert looks.status_code == 403


def test_the_inbox_says_until_when_something_waits_and_why(api, minji):
    owe(api, "minji", ["one"])
    waiting = {"status": "pending", "reason": "quiet hours", "deferred": "quiet hours"}
    at = datetime(datetime.now(UTC).year + 2, 12, 1, 23, 10, tzinfo=UTC)
    with api.context.database.writing() as session:
        session.execute(update(Notification).values(next_attempt_at=at, **waiting))
    (item,) = api.call("GET", "/v1/me/notifications", minji).json()["items"]
    assert item["says"] == f"waits until {at.year}-12-02 08:10: quiet hours"
    assert datetime.fromisoformat(item["waits_until"]) == at


def test_the_action_unsubscribe_ends_the_phrase_on_every_site_and_nothing_else(api, minji):
    (number,) = owe(api, "minji", ["the site exists"])
    for body in ({"phrase": "scholarship"}, {"phrase": "scholarship", "site": "board"}, {"phrase": "dorm"}):
        api.call("POST", "/v1/me/subscriptions", minji, json=body)
    api.call("POST", "/v1/users/juno/subscriptions", "app", json={"phrase": "scholarship"})
    (number,) = owe(api, "minji", ["a scholarship"], phrase="scholarship")
    for _ in range(2):
        assert api.call("POST", f"/v1/me/notifications/{number}/events", minji, json={"event": "unsubscribe"}).ok
    assert [row["phrase"] for row in api.call("GET", "/v1/me/subscriptions", minji).json()] == ["dorm"]
    assert len(api.call("GET", "/v1/users/juno/subscriptions", "app").json()) == 1
    (item,) = [i for i in api.call("GET", "/v1/me/notifications", minji).json()["items"] if i["id"] == number]
    assert item["read_at"] is not None
    assert api.call("POST", "/v1/me/notifications/999/events", minji, json={"event": "unsubscribe"}).status_code == 404


def test_of_a_post_that_came_without_a_phrase_unsubscribe_ends_the_site(api, minji):
    (number,) = owe(api, "minji", ["anything"])
    api.call("POST", "/v1/me/subscriptions", minji, json={"site": "board"})
    api.call("POST", "/v1/me/subscriptions", minji, json={"site": "board", "phrase": "dorm"})
    assert api.call("POST", f"/v1/me/notifications/{number}/events", minji, json={"event": "unsubscribe"}).ok
    assert [row["phrase"] for row in api.call("GET", "/v1/me/subscriptions", minji).json()] == ["dorm"]


def test_what_is_kept_can_be_exported_and_forgotten(api, minji):
    api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "장학금"})
    owe(api, "minji", ["one"])
    kept = api.call("GET", "/v1/me/export", minji)
    assert [len(kept.json()[part]) for part in ("devices", "subscriptions", "notifications")] == [1, 1, 1]
    assert PHONE["token"] not in kept.text
    for _ in range(2):
        assert api.call("DELETE", "/v1/me", minji).status_code == 204
    assert api.call("GET", "/v1/me", minji).status_code == 404


def test_a_back_end_does_all_of_this_for_a_named_user(api):
    assert api.call("PUT", "/v1/users/juno/devices/p", "app", json=PHONE).status_code == 200
    assert api.call("POST", "/v1/users/juno/subscriptions", "app", json={"phrase": "internship"}).status_code == 201
    assert api.call("PATCH", "/v1/users/juno", "app", json={"paused": True}).json()["paused"] is True
    assert api.call("GET", "/v1/users/juno/badge", "read").json() == {"badge": 0}
    assert api.call("DELETE", "/v1/users/juno", "read").status_code == 403


def test_thousands_are_registered_at_once_and_each_refused_line_says_why(api):
    lines = '{"user": "a", "timezone": "Asia/Seoul"}\n{"user": "b", "timezone": "Mars"}\nno json\n{"user": "a"}\n'
    answer = api.call("POST", "/v1/users:import", "app", data=lines).json()
    assert (answer["read"], answer["added"]) == (4, 1)
    assert [line["line"] for line in answer["rejected"]] == [2, 3]
    assert "Mars" in answer["rejected"][0]["reason"]


def test_a_body_that_is_too_long_is_refused(api, minji):
    refused = api.call("POST", "/v1/me/subscriptions", minji, data=b"x" * 70_000)
    assert (refused.status_code, refused.json()["status"]) == (413, 413)


def test_the_badge_of_a_push_is_that_of_the_api(api, minji):
    owe(api, "minji", ["one", "two"])
    with api.context.database.reading() as session:
        user = users.by_external_id(session, "minji")
        assert inbox.unread(session, user.id) == api.call("GET", "/v1/me/badge", minji).json()["badge"] == 2
