"""What the drill's reader takes for right, for an excuse, and for wrong, of a server that answers as it is told."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from scripts.drill.api_reader import ApiReader
from scripts.local.embedded_redis import free_port
from scripts.local.supervisor import wait_until
from tests.support.http_server import Asked, Said, http_server

INBOX = {"items": [], "next_cursor": None}
UNAVAILABLE = (503, {"Retry-After": "1"})


@pytest.fixture
def told() -> Iterator[SimpleNamespace]:
    """A server: `answer` is (status, headers) of what it says to everything but the inbox, `pid` its process."""
    told = SimpleNamespace(answer=UNAVAILABLE, pid=1, badge=0)

    def answer(asked: Asked) -> Said:
        if "notifications" in asked.path:
            return Said(json.dumps(INBOX))
        status, headers = told.answer
        return Said(json.dumps({"badge": told.badge}), status, tuple(headers.items()))

    with http_server(answer) as origin:
        told.port = int(origin.rpartition(":")[2])
        yield told


def reader(told: SimpleNamespace, port: int | None = None) -> ApiReader:
    made = ApiReader(port or told.port, "key", {"minji": {1}}, "somebody", lambda: told.pid)
    made.start()
    return made


def test_503_that_says_when_to_come_again_is_no_fault(told):
    asking = reader(told)
    assert wait_until(lambda: asking.unavailable >= 2, 60)
    asking.stop()
    assert (asking.wrong, asking.unanswered) == ([], 0)


@pytest.mark.parametrize("answer", [(503, {}), (500, {}), (404, {})])
def test_other_refusals_are_wrong(told, answer):
    told.answer = answer
    asking = reader(told)
    assert wait_until(lambda: asking.wrong, 60)
    asking.stop()


def test_a_badge_that_no_inbox_explains_is_wrong(told):
    told.answer, told.badge = (200, {}), 3
    asking = reader(told)
    assert wait_until(lambda: any("the badge is 3" in sentence for sentence in asking.wrong), 60)
    asking.stop()


@pytest.mark.parametrize(("pid_after", "frozen", "excused"), [(1, False, False), (1, True, True), (None, False, True)])
def test_silence_is_wrong_of_a_process_that_answered_and_was_left_alone(told, pid_after, frozen, excused):
    asking = reader(told)
    assert wait_until(lambda: asking.unavailable, 60)
    # When it answers no more: nobody listens on the port from now on.
    told.pid = pid_after
    if frozen:
        asking.expect_silence()
    asking._port = free_port()
    assert wait_until(lambda: asking.unanswered >= 2, 60)
    asking.stop()
    assert (not asking.wrong) == excused
