import ssl

import pytest

from pipeline.celery import (
    CRAWL_QUEUE,
    FANOUT_QUEUE,
    NOTIFY_QUEUE,
    create_app,
    process_type_for,
    process_types,
    redis_options,
)
from pipeline.settings import SettingsError, load

QUEUES = (CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE)


def test_no_task_can_outlive_its_messages_visibility() -> None:
    for kind in process_types(load()):
        assert kind.visibility_timeout_s >= kind.longest_task_s + 30


def test_a_longer_crawl_limit_makes_the_crawlers_messages_wait_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAWL_HARD_LIMIT_S", "3600")
    assert process_type_for([CRAWL_QUEUE], load()).visibility_timeout_s > 3600


def test_each_type_of_process_keeps_its_unacknowledged_messages_apart() -> None:
    kinds = [process_type_for([queue], load()) for queue in QUEUES] + [process_type_for(QUEUES, load())]
    for key in ("unacked_key", "unacked_index_key", "unacked_mutex_key"):
        assert len({redis_options(kind)[key] for kind in kinds}) == len(kinds)


def test_a_worker_of_all_queues_is_as_patient_as_the_longest_needs() -> None:
    together = process_type_for(QUEUES, load())
    assert together.visibility_timeout_s == max(kind.visibility_timeout_s for kind in process_types(load()))
    assert together.prefetch == 1


def test_an_unknown_queue_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"nowhere.*crawl_tasks, fanout_tasks, notify_tasks"):
        process_type_for(["nowhere"], load())


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("crawl_site", CRAWL_QUEUE),
        ("fan_out_post", FANOUT_QUEUE),
        ("notify_user", NOTIFY_QUEUE),
        ("crawl_sites", FANOUT_QUEUE),
        ("sweep", FANOUT_QUEUE),
        ("send_due", FANOUT_QUEUE),
    ],
)
def test_each_task_has_its_queue(task: str, queue: str) -> None:
    app = create_app(load())
    assert app.amqp.router.route({}, task)["queue"].name == queue


def test_upkeep_overtakes_fan_outs_on_their_queue() -> None:
    app = create_app(load())
    # On Redis the smaller number goes first.
    assert app.amqp.router.route({}, "sweep")["priority"] < app.amqp.router.route({}, "fan_out_post")["priority"]


def test_every_beat_message_expires_before_the_next_tick() -> None:
    for entry in create_app(load()).conf.beat_schedule.values():
        assert entry["options"]["expires"] <= entry["schedule"]


@pytest.mark.parametrize(
    ("url", "insecure", "expected"),
    [
        ("redis://host", "false", None),
        ("rediss://:secret@host:6380", "false", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("rediss://:secret@host:6380", "true", {"ssl_cert_reqs": ssl.CERT_NONE}),
    ],
)
def test_a_certificate_is_checked_unless_that_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, url: str, insecure: str, expected: object
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_TLS_INSECURE", insecure)
    assert create_app(load()).conf.broker_use_ssl == expected


def test_only_json_is_accepted_and_results_are_ignored() -> None:
    conf = create_app(load()).conf
    assert (list(conf.accept_content), conf.task_serializer, conf.task_ignore_result) == (["json"], "json", True)
