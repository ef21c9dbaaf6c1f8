"""What the operators see of running processes: logs, metrics, alerts, Sentry, Flower."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote_plus

import brotli
import pytest
import redis
from cryptography.fernet import Fernet
from sqlalchemy import select

from pipeline.celery import create_app
from pipeline.scheduling import heartbeat
from pipeline.settings import get_settings
from scripts.local.embedded_redis import free_port
from storage.models import Notification
from tests.acceptance.installation import PROCESSES, Installation, token_of
from tests.support.api_board import Answer, ApiBoard, api_board
from tests.support.http_server import Asked, Said, http_server

PHRASE = "특강초청"


@contextmanager
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    """A loopback HTTP server that keeps what is posted to it: its address without the scheme, and the bodies."""
    bodies: list[bytes] = []

    def take(asked: Asked) -> Said:
        # Sentry's SDK compresses with Brotli where that is installed, as the lock has it.
        bodies.append(brotli.decompress(asked.body) if asked.headers.get("Content-Encoding") == "br" else asked.body)
        return Said("{}")

    with http_server(take) as origin:
        yield origin.removeprefix("http://"), bodies


def age_the_heartbeat(installation: Installation) -> None:
    with redis.Redis.from_url(installation.redis.url) as client:
        for beat, raw in client.hgetall(heartbeat.KEY).items():  # type: ignore[union-attr]
            value = json.loads(raw)
            value["at"] -= heartbeat.STALE_AFTER.total_seconds()
            client.hset(heartbeat.KEY, beat, json.dumps(value))


def sent(installation: Installation) -> bool:
    with installation.database.reading() as session:
        return session.scalars(select(Notification.status)).all() == ["sent"]


def test_logs_are_json_without_secrets_and_metrics_count_what_happened(sqlite_installation):
    # Given JSON logs, and a user with a dead and a living phone
    installation = sqlite_installation
    installation.environment["LOG_FORMAT"] = "json"
    installation.environment["LOG_LEVEL"] = "DEBUG"
    installation.add_board("board", "--schedule", "1h", "--notify-existing")
    installation.add_user("minji", PHRASE, "fcm", "apns")
    installation.gateway.set_faults(dead_tokens=[token_of("minji", "fcm")])
    installation.start()
    installation.wait_until(lambda: sent(installation), "the push")
    wanted = [
        'crawlpush_crawls_total{outcome="finished"} 1.0',
        'crawlpush_pushes_total{outcome="failed",platform="fcm"} 1.0',
        'crawlpush_pushes_total{outcome="sent",platform="apns"} 1.0',
        'crawlpush_post_to_push_seconds_bucket{le="+Inf"} 1.0',
        "crawlpush_notifications_total 1.0",
        'crawlpush_new_posts_total{fate="ready"} 11.0',
        'crawlpush_up{server="broker"} 1.0',
    ]

    # Then the exporter has what the processes counted
    def missing() -> list[str]:
        # The order of labels is nobody's business.
        shown = {_sorted_labels(line) for line in installation.command("metrics", "show").splitlines()}
        return [line for line in wanted if _sorted_labels(line) not in shown]

    installation.wait_until(lambda: not missing(), "the counts in Redis")

    # And every line of every process is an object with an event, of which none holds a secret or a title
    codes = installation.terminate()
    assert set(codes.values()) == {0}
    secrets = [token_of("minji", platform) for platform in ("fcm", "apns")]
    secrets += [installation.redis.url.partition("@")[0].rpartition(":")[2], PHRASE]
    for name in PROCESSES:
        text = installation.log(name).read_text()
        assert not [secret for secret in secrets if secret in text], name
        entries = [json.loads(line) for line in text.splitlines()]
        assert all(entry["event"] for entry in entries)
        if name == "crawler":
            (finished,) = [entry for entry in entries if entry["event"] == "crawl finished"]
            assert (finished["task"], finished["site"]) == ("crawl_site", "board")
            assert finished["task_id"]


def _sorted_labels(line: str) -> tuple[str, ...]:
    return tuple(sorted(line.replace("{", " ").replace("}", " ").replace(",", " ").split()))


def test_the_workers_tell_that_beat_has_stopped_and_that_it_is_back(sqlite_installation):
    installation = sqlite_installation
    with receiver() as (address, bodies):
        installation.environment |= {"ALERT_URLS": f"json://{address}/S3CRET", "ALERT_S": "1"}

        def told(text: str) -> Callable[[], bool]:
            return lambda: any(text in json.loads(body)["message"] for body in bodies)

        assert "json: sent" in installation.command("alerts", "test")
        # Beat first: the others would tell that there is none
        installation.start("beat")
        with redis.Redis.from_url(installation.redis.url) as client:
            installation.wait_until(lambda: heartbeat.beats(client), "beat's heartbeat")
            installation.start("dispatcher", "notifier")
            installation.wait_until_ready_on("fanout_tasks", "notify_tasks")
            installation.kill("beat")
            # A tick that is still under way would tell of a beat that lives
            installation.wait_until(lambda: not (client.keys("fanout_tasks*") or client.exists("unacked")), "its ticks")
        # When its heartbeat is half a minute old, which is stale
        age_the_heartbeat(installation)
        installation.wait_until(told("heartbeat"), "the alert")
        installation.start("beat")
        installation.wait_until(told("beat runs again"), "the end of it")
        # A change is one letter, whoever looked.
        letters = [json.loads(body)["message"] for body in bodies]
        assert sum("heartbeat" in letter for letter in letters) == 1
        assert sum("runs again" in letter for letter in letters) == 1
    assert "S3CRET" not in "".join(installation.log(name).read_text() for name in ("dispatcher", "notifier"))


# Every day without processes: tests/unit/pipeline/test_sentry.py
@pytest.mark.full
def test_sentry_gets_a_failed_task_without_its_payload_and_messages_pass(sqlite_installation):
    # Given workers with a DSN, and a message whose argument is no id
    installation = sqlite_installation
    with receiver() as (address, bodies):
        installation.environment["SENTRY_DSN"] = f"http://public@{address}/1"
        installation.add_board("board", "--schedule", "1h", "--notify-existing")
        installation.add_user("minji", PHRASE, "fcm")
        installation.start()
        app = create_app(get_settings())
        app.conf.broker_url = installation.redis.url
        app.send_task("notify_user", ("S3CRET" * 20, 1))

        # Then Sentry hears of it, and the pushes go out as ever
        installation.wait_until(lambda: any(b"BadMessageError" in body for body in bodies), "the event")
        installation.wait_until(lambda: sent(installation), "the push")
        everything = b"\n".join(bodies).decode(errors="replace")
        for secret in ("S3CRET", token_of("minji", "fcm"), PHRASE):
            assert secret not in everything
        assert set(installation.terminate().values()) == {0}


@pytest.mark.full
def test_sentry_gets_no_secret_of_crawls_that_used_them(sqlite_installation):
    # Given a site with a key and a login by JSON, whose server says back what it was told
    installation = sqlite_installation
    secrets = {
        "BOARD_KEY": "k3y&S3CRET/1",
        "BOARD_PASSWORD": "pa&S3CRET=wört",
        "SESSION_KEY": Fernet.generate_key().decode(),
    }
    with receiver() as (address, bodies), api_board(ApiBoard(password=secrets["BOARD_PASSWORD"])) as board:
        installation.environment |= {**secrets, "SENTRY_DSN": f"http://public@{address}/1", "LOG_LEVEL": "DEBUG"}
        installation.command(
            *("sites", "add", "members", "--spider", "json", "--url", board.url("/api/rows"), "--rows", "rows"),
            *("--title", "title", "-p", "id=id", "--schedule", "1h", "--allow-private", "--no-check"),
            *("-p", f"login_url={board.url('/api/login')}", "-p", "login_token=data.token", "-p", "logged_in=user"),
            *("-p", 'login_json={"id": "me", "pw": "secret:BOARD_PASSWORD"}', "-p", "headers=X-Key: secret:BOARD_KEY"),
        )
        installation.start("crawler", "dispatcher", "beat")

        def wait_for(*statuses: str) -> None:
            installation.wait_until(
                lambda: tuple(run["status"] for run in installation.listed("sites", "runs", "members")) == statuses,
                f"crawls that are {statuses}",
            )

        # When it is crawled well, when each answer holds the secrets and is an error, and when a task fails
        wait_for("finished")
        (token,) = board.sessions
        told = f"{secrets['BOARD_KEY']} {secrets['BOARD_PASSWORD']}"
        where = f"/no?{quote_plus(f'{told} {token}')}"
        board.answers["/api/rows"] = Answer(f"<h1>{told}</h1>", 302, {"Location": where})
        installation.command("crawl", "members", "--queue")
        wait_for("failed", "finished")
        board.answers["/api/rows"] = Answer(told, 401)
        board.answers["/api/login"] = Answer(json.dumps({"error": told}), 401, {"Content-Type": "application/json"})
        installation.command("crawl", "members", "--queue")
        wait_for("failed", "failed", "finished")
        app = create_app(get_settings())
        app.conf.broker_url = installation.redis.url
        app.send_task("crawl_site", (told,))

        # Then Sentry hears of it, and neither it nor a log, a run or an export has a secret
        installation.wait_until(lambda: any(b"BadMessageError" in body for body in bodies), "the event")
        everything = "".join(
            [
                b"\n".join(bodies).decode(errors="replace"),
                *(installation.log(name).read_text() for name in ("crawler", "dispatcher", "beat")),
                installation.command("sites", "runs", "members", "--json"),
                installation.command("sites", "export"),
            ]
        )
        for secret in (token, *secrets.values()):
            for form in (secret, quote_plus(secret), json.dumps(secret)[1:-1]):
                assert form not in everything


@pytest.mark.full
def test_flower_shows_a_worker_on_each_of_the_three_queues(sqlite_installation):
    pytest.importorskip("flower")
    installation = sqlite_installation
    installation.environment |= {"PORT": str(free_port()), "FLOWER_UNAUTHENTICATED_API": "true"}
    installation.start(*PROCESSES, "flower")
    installation.wait_until_ready()
    url = f"http://127.0.0.1:{installation.environment['PORT']}/api/workers?refresh=true"

    def queues() -> set[str]:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                workers = json.load(answer)
        except OSError:
            time.sleep(0.5)
            return set()
        return {queue["name"] for worker in workers.values() for queue in worker.get("active_queues", ())}

    installation.wait_until(lambda: queues() == {"crawl_tasks", "fanout_tasks", "notify_tasks"}, "all queues")
