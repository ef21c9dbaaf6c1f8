"""An app's whole story over HTTP alone: no Python of ours, no command but the one that makes the first keys."""

import json
from typing import Any

import pytest
import requests

from scripts.local.embedded_redis import free_port
from tests.acceptance.installation import PROCESSES, Installation
from tests.support.api import answers

PHRASE = "특강초청"
TITLE = "[특강초청] 국가 신청 안내"
TIMEOUT_S = 100


class App:
    """A phone's app, or the back end behind it."""

    def __init__(self, url: str, credential: str) -> None:
        self._url = url
        self.credential = credential

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that goes well, and return its answer."""
        headers = {"Authorization": f"Bearer {self.credential}"}
        answer = requests.request(method, self._url + path, json=body, headers=headers, timeout=TIMEOUT_S)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


def key(installation: Installation, scope: str) -> str:
    return str(json.loads(installation.command("keys", "add", scope, "--scope", scope, "--json"))["key"])


@pytest.mark.parametrize("installation", ["sqlite", "postgres"], indirect=True)
def test_from_the_first_start_of_an_app_to_its_removal(installation):
    # Given everything runs, and the keys that an operator made
    port = free_port()
    # It asks over and over what an app asks once.
    installation.environment |= {"PORT": str(port), "API_USER_PER_MINUTE": "100000"}
    installation.start(*PROCESSES, "web")
    url = f"http://127.0.0.1:{port}"
    installation.wait_until(lambda: answers(f"{url}/readyz"), "the API is ready")
    operator, store = App(url, key(installation, "sites")), App(url, key(installation, "install"))
    back_end = App(url, key(installation, "app"))

    # When the operator watches a board
    params = installation.board.listing_params()
    site = {"name": "board", "spider": "listing", "url": params.pop("url"), "timezone": params.pop("timezone", "UTC")}
    operator.call("POST", "/v1/sites", {**site, "params": params, "allow_private": True, "schedule": "1h"})
    installation.wait_until(
        lambda: [run["status"] for run in operator.call("GET", "/v1/sites/board/runs")] == ["finished"], "the baseline"
    )

    # And a phone without a login registers and subscribes
    installed = store.call("POST", "/v1/installations", {"timezone": "Asia/Seoul"})
    phone = App(url, installed["token"])
    phone.call("PUT", "/v1/me/devices/phone-1", {"platform": "fcm", "token": "token-of-a-phone", "locale": "ko-KR"})
    phone.call("POST", "/v1/me/subscriptions", {"phrase": PHRASE})
    assert phone.call("POST", "/v1/me/devices/phone-1/test")["delivered"]

    # Then a new post rings once, and stands in the inbox
    installation.board.add_post(TITLE)
    operator.call("POST", "/v1/sites/board/crawl")
    installation.wait_until(lambda: phone.call("GET", "/v1/me/badge")["badge"] == 1, "the push is out")
    assert installation.shown()["token-of-a-phone", TITLE] == 1
    (item,) = phone.call("GET", "/v1/me/notifications?unread=true")["items"]
    assert (item["post"]["title"], item["phrase"], item["status"]) == (TITLE, PHRASE, "sent")
    pushed = next(p for p in installation.gateway.received() if TITLE in json.dumps(p, ensure_ascii=False))
    assert f'"notification_id": "{item["id"]}"' in json.dumps(pushed)

    # And opening it reads it
    phone.call("POST", f"/v1/me/notifications/{item['id']}/events", {"event": "opened"})
    assert phone.call("GET", "/v1/me/badge")["badge"] == 0

    # When somebody logs in on the phone, the known user keeps all of it
    minji = App(url, back_end.call("POST", "/v1/users/minji/tokens", {})["token"])
    assert minji.call("POST", "/v1/me/claim", {"secret": installed["secret"]}) == {
        "devices": 1,
        "subscriptions": 1,
        "notifications": 1,
    }
    installation.board.add_post(f"둘째 {PHRASE}")
    operator.call("POST", "/v1/sites/board/crawl")
    installation.wait_until(lambda: minji.call("GET", "/v1/me/badge")["badge"] == 1, "the second push is out")
    assert installation.shown()["token-of-a-phone", f"둘째 {PHRASE}"] == 1

    # And all that is kept can be had, and then be forgotten
    kept = minji.call("GET", "/v1/me/export")
    assert [len(kept[part]) for part in ("devices", "subscriptions", "notifications")] == [1, 1, 2]
    minji.call("DELETE", "/v1/me")
    assert installation.listed("users", "list") == []
    assert not any("token-of-a-phone" in log.read_text(errors="replace") for log in installation.folder.glob("*.log"))
