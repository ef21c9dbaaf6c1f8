import pytest
from celery import Celery
from redis import Redis
from sqlalchemy.exc import OperationalError

from pipeline.upkeep import failed_tasks
from pipeline.worker.lifecycle import _record_failure
from scripts.local.embedded_redis import free_port

STRANGE = [b"", b"no json", b"[" * 100_000, b"{}", b"[]", b"1", b"null", b'{"times": "x"}', b"\xff\xfe"]


def test_a_reason_that_many_share_is_one_line(redis: Redis) -> None:
    for post in range(3):
        failed_tasks.record(redis, "fan_out_post", (post,), ValueError("no such thing\nand more"))
    failed_tasks.record(redis, "crawl_site", (9,), KeyError())
    crawl, fan_out = failed_tasks.recent(redis)
    assert (crawl.task, crawl.reason, crawl.ids) == ("crawl_site", "KeyError", (9,))
    assert (fan_out.reason, fan_out.times, fan_out.ids) == ("ValueError: no such thing", 3, (2,))


def test_reasons_without_end_do_not_fill_redis(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_tasks, "MOST", 5)
    for number in range(9):
        failed_tasks.record(redis, "notify_user", (1, number), ValueError(f"reason {number}"))
    # What is new takes the place of what is old.
    assert [failed.reason for failed in failed_tasks.recent(redis)] == [
        f"ValueError: reason {number}" for number in (8, 7, 6, 5, 4)
    ]


def test_what_somebody_else_wrote_there_hides_no_record(redis: Redis) -> None:
    for number, strange in enumerate(STRANGE):
        redis.hset(failed_tasks.KEY, f"strange {number}", strange)
    failed_tasks.record(redis, "crawl_site", (9,), KeyError())
    assert [failed.task for failed in failed_tasks.recent(redis)] == ["crawl_site"]


def test_a_redis_that_is_away_does_not_make_a_failure_worse() -> None:
    with Redis(port=free_port(), socket_connect_timeout=1) as away:
        failed_tasks.record(away, "notify_user", (1, 2), ValueError("no"))


def test_the_reason_of_a_statement_holds_none_of_its_values() -> None:
    error = OperationalError(
        "UPDATE devices SET token = ?", {"token": "secret"}, Exception("gone"), hide_parameters=True
    )
    assert "secret" not in failed_tasks.reason_of(error)


def test_a_task_that_fails_for_good_is_recorded(redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.resources.redis", lambda: redis)
    assert redis_url

    def broken(number: int) -> None:
        raise ValueError(f"broken {number}")

    task = Celery("test", set_as_current=False).task(broken, name="broken", shared=False)
    assert _record_failure is not None
    task.apply((7,))
    assert [(f.task, f.ids, f.reason) for f in failed_tasks.recent(redis)] == [("broken", (7,), "ValueError: broken 7")]
