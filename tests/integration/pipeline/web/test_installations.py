"""Phones without a login, and the login that comes later."""

from tests.integration.pipeline.web.test_person import PHONE, owe
from tests.support.api import Api


def installed(api: Api) -> dict[str, str]:
    answer = api.call("POST", "/v1/installations", "install", json={"timezone": "Asia/Seoul"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_an_anonymous_phone_reaches_what_is_its_own(api: Api) -> None:
    phone = installed(api)
    assert api.call("PUT", "/v1/me/devices/p", phone["token"], json=PHONE).status_code == 200
    assert api.call("GET", "/v1/me", phone["token"]).json()["user"] == phone["user"]


def test_the_secret_gives_new_tokens_and_a_wrong_one_gives_none(api: Api) -> None:
    phone = installed(api)
    renewed = api.call("POST", "/v1/installations/token", json={"secret": phone["secret"]}).json()
    assert api.call("GET", "/v1/me", renewed["token"]).json()["user"] == phone["user"]
    assert api.call("POST", "/v1/installations/token", json={"secret": "cpi_wrong"}).status_code == 401


def test_a_login_takes_over_phone_keywords_and_inbox_and_loses_none_of_its_own(api: Api) -> None:
    phone = installed(api)
    anonymous, token = phone["user"], phone["token"]
    api.call("PUT", "/v1/me/devices/p", token, json=PHONE)
    for phrase in ("장학금", "internship"):
        api.call("POST", "/v1/me/subscriptions", token, json={"phrase": phrase})
    owe(api, anonymous, ["one", "two"])
    minji = api.token("minji")
    api.call("POST", "/v1/me/subscriptions", minji, json={"phrase": "장학금"})
    api.call("PUT", "/v1/me/devices/p", minji, json={**PHONE, "token": "of-an-earlier-login"})

    joined = api.call("POST", "/v1/me/claim", minji, json={"secret": phone["secret"]})
    assert joined.json() == {"devices": 1, "subscriptions": 1, "notifications": 2}
    again = api.call("POST", "/v1/me/claim", minji, json={"secret": phone["secret"]})
    assert again.json() == {"devices": 0, "subscriptions": 0, "notifications": 0}
    kept = api.call("GET", "/v1/me/export", minji).json()
    assert sorted(s["phrase"] for s in kept["subscriptions"]) == ["internship", "장학금"]
    assert [n["post"]["title"] for n in kept["notifications"]] == ["two", "one"]
    assert len(kept["devices"]) == 1
    assert api.call("GET", "/v1/me", token).status_code == 404


def test_what_was_claimed_by_one_person_is_not_the_next_ones(api: Api) -> None:
    phone = installed(api)
    api.call("POST", "/v1/me/claim", api.token("minji"), json={"secret": phone["secret"]})
    refused = api.call("POST", "/v1/me/claim", api.token("juno"), json={"secret": phone["secret"]})
    assert (refused.status_code, "another user" in refused.json()["detail"]) == (422, True)


def test_a_post_that_both_were_owed_stays_one_notification(api: Api) -> None:
    phone = installed(api)
    api.call("PUT", "/v1/me/devices/p", phone["token"], json=PHONE)
    minji = api.token("minji")
    api.call("PATCH", "/v1/me", minji, json={})
    (mine,) = owe(api, phone["user"], ["same"])
    with api.context.database.writing() as session:
        from storage import users
        from storage.models import Notification

        sent = session.get_one(Notification, mine)
        session.add(
            Notification(
                post_id=sent.post_id,
                user_id=users.by_external_id(session, "minji").id,
                status="pending",
                created_at=sent.created_at,
                next_attempt_at=sent.created_at,
            )
        )
    api.call("POST", "/v1/me/claim", minji, json={"secret": phone["secret"]})
    assert len(api.call("GET", "/v1/me/notifications", minji).json()["items"]) == 1
