import re
import ssl
from pathlib import Path

import pytest
from celery.schedules import crontab

from pipeline.celery import (
    CRAWL_QUEUE,
    FANOUT_QUEUE,
    NOTIFY_QUEUE,
    app,
    check_visibility,
    create_app,
    process_type_for,
    process_types,
    redis_options,
)
from pipeline.settings import SettingsError, load
from pipeline.tasks.fanout import WAIT_S
from pipeline.tasks.retries import RETRIES

QUEUES = (CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE)


def test_no_task_can_outlive_its_messages_visibility():
    for kind in process_types(load()):
        assert kind.visibility_timeout_s >= kind.longest_task_s + 30


def test_a_longer_crawl_limit_makes_the_crawlers_messages_wait_longer(monkeypatch):
    monkeypatch.setenv("CRAWL_HARD_LIMIT_S", "3600")
    assert process_type_for([CRAWL_QUEUE], load()).visibility_timeout_s > 3600


def test_each_type_of_process_keeps_its_unacknowledged_messages_apart():
    kinds = [process_type_for([queue], load()) for queue in QUEUES] + [process_type_for(QUEUES, load())]
    for key in ("unacked_key", "unacked_index_key", "unacked_mutex_key"):
        assert len({redis_options(kind)[key] for kind in kinds}) == len(kinds)


def test_a_worker_of_all_queues_is_as_patient_as_the_longest_needs():
    together = process_type_for(QUEUES, load())
    assert together.visibility_timeout_s == max(kind.visibility_timeout_s for kind in process_types(load()))


def test_a_worker_of_all_queues_batches_pushes_beyond_its_threads_and_leaves_them_room():
    settings = load()
    together = process_type_for(QUEUES, settings)
    assert together.batch == settings.notify_concurrency > together.concurrency
    # A full window of crawls and of fan-outs, a thread for each, still leaves two batches to be taken.
    assert sum(together.windows.values()) == together.concurrency
    assert set(together.windows) == {CRAWL_QUEUE, FANOUT_QUEUE}
    assert together.concurrency * together.prefetch >= together.concurrency + 2 * together.batch


@pytest.mark.parametrize("other", [{"notify_transport": "stock"}, {"broker_url": "amqp://guest@127.0.0.1/"}])
def test_a_reader_that_knows_no_windows_takes_few_messages_ahead(other):
    together = process_type_for(QUEUES, load().model_copy(update=other))
    assert (together.prefetch, together.windows, together.batch) == (1, {}, 0)


def test_an_unknown_queue_is_refused_by_name():
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
        ("look_at_edits", FANOUT_QUEUE),
    ],
)
def test_each_task_has_its_queue(task, queue):
    made = create_app(load())
    assert made.amqp.router.route({}, task)["queue"].name == queue


def test_upkeep_overtakes_fan_outs_on_their_queue():
    made = create_app(load())
    # On Redis the smaller number goes first.
    assert made.amqp.router.route({}, "sweep")["priority"] < made.amqp.router.route({}, "fan_out_post")["priority"]


def test_every_beat_message_expires_before_the_next_tick():
    for entry in create_app(load()).conf.beat_schedule.values():
        rule = entry["schedule"]
        # The one crontab line is hourly.
        assert entry["options"]["expires"] <= (3600 if isinstance(rule, crontab) else rule)


@pytest.mark.parametrize(
    ("url", "insecure", "expected"),
    [
        ("redis://host", "false", None),
        ("rediss://:secret@host:6380", "false", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("rediss://:secret@host:6380", "true", {"ssl_cert_reqs": ssl.CERT_NONE}),
    ],
)
def test_a_certificate_is_checked_unless_that_is_switched_off(monkeypatch, url, insecure, expected):
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_TLS_INSECURE", insecure)
    assert create_app(load()).conf.broker_use_ssl == expected


def test_only_json_is_accepted_and_results_are_ignored():
    conf = create_app(load()).conf
    assert (list(conf.accept_content), conf.task_serializer, conf.task_ignore_result) == (["json"], "json", True)


def test_a_worker_whose_tasks_could_outlive_their_messages_does_not_start(monkeypatch):
    kind = process_type_for([CRAWL_QUEUE], load())
    check_visibility(kind, redis_options(kind))
    with pytest.raises(SettingsError, match=r"crawler may take 180 s, but the broker's visibility_timeout is 60 s"):
        check_visibility(kind, {"visibility_timeout": 60})


def test_on_rabbitmq_upkeep_overtakes_fan_outs_too(monkeypatch):
    monkeypatch.setenv("BROKER_URL", "amqp://guest@localhost//")
    made = create_app(load())
    # There the larger number goes first, in a queue that was declared with priorities.
    assert made.amqp.router.route({}, "sweep")["priority"] > made.amqp.router.route({}, "fan_out_post")["priority"]
    assert made.amqp.queues[FANOUT_QUEUE].queue_arguments == {"x-max-priority": 9}
    assert not made.conf.broker_transport_options


def test_no_task_waits_for_longer_than_a_minute():
    assert RETRIES["retry_backoff_max"] <= 60
    assert RETRIES["max_retries"] is not None
    assert WAIT_S <= 60
    for path in Path("pipeline").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"\beta=", text), path
        for value in re.findall(r"(?:countdown|default_retry_delay|retry_backoff_max)\W+(\d+)", text):
            assert int(value) <= 60, path


def test_every_task_that_beat_sends_is_there():
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks


def test_each_queue_has_an_exchange_and_a_key_of_its_own_and_is_sent_to_by_name():
    app = create_app(load())
    bound = {
        name: (queue.exchange.name, queue.exchange.type, queue.routing_key) for name, queue in app.amqp.queues.items()
    }
    assert bound == {
        "crawl_tasks": ("crawl", "topic", "crawl.#"),
        "fanout_tasks": ("fanout", "topic", "fanout.#"),
        "notify_tasks": ("notify", "topic", "notify.#"),
    }
    assert all(route["exchange_type"] == "direct" for route in app.conf.task_routes.values())
