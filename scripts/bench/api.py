"""What the HTTP API costs: the inbox and the badge of a person with many notifications, beside a bare answer.

Alone, and while pushes go out at full speed on the same cores.
"""

import http.client
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from sqlalchemy import insert

from pipeline.broker.publish import publish_many
from pipeline.celery import create_app
from pipeline.fanout.phrases import parse_phrase
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.bench.errors import BenchmarkError
from scripts.local.embedded_redis import free_port
from scripts.local.process_output import LogFiles
from scripts.local.supervisor import Supervisor, wait_until
from scripts.testbed.database import add_server_key
from scripts.testbed.rows import add_post, add_readers, how_many
from scripts.testbed.servers import Servers, servers
from scripts.testbed.usage import usage
from scripts.testbed.workers import wait_for, workers
from storage import sites, subscriptions
from storage.models import Notification
from storage.session import Database
from storage.subscriptions import KeywordText

PERSON = "user-0"
TITLE = "국가 장학금 신청 안내"
PHRASE = "장학금"
WARM = 50


def measure_api(*, requests: int, people: int, owed: int, database: str) -> dict[str, Any]:
    """95th percentiles in milliseconds of so many requests, one after the other on one connection.

    bare: an answer of FastAPI on uvicorn that does nothing, alone. inbox: a page of 50 of a person with `owed`
    notifications among `people`. badge: the number on the icon. Each alone, and beside pushes at full speed.
    of_bare: alone, beside the bare answer. pushes_per_s: what went out meanwhile. memory_mb: the process's PSS.
    """
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, ExitStack() as stack:
        on = stack.enter_context(servers(Path(folder), database, keep=people))
        stored = Database(on.environment["DATABASE_URL"])
        stack.callback(stored.close)
        post_id = _fill(stored, people, owed)
        ports = {name: free_port() for name in ("bare", "web")}
        supervisor = stack.enter_context(_serving(on, ports))
        paths = {"inbox": f"/v1/users/{PERSON}/notifications", "badge": f"/v1/users/{PERSON}/badge"}
        key = add_server_key(stored)
        bare = _p95(ports["bare"], "/bare", key, requests)
        alone = {name: _p95(ports["web"], path, key, requests) for name, path in paths.items()}
        app = create_app(get_settings())
        app.conf.update(broker_url=on.redis_url)
        celery = ["-A", "pipeline", "worker"]
        kinds = (("fanout_tasks", "dispatcher"), ("notify_tasks", "notifier"), ("notify_tasks", "notifier-2"))
        with workers(on, [[*celery, "-Q", queue, "-n", f"{name}@%h"] for queue, name in kinds]):
            publish_many(app, "fan_out_post", [(post_id,)])
            wait_for(lambda: _sent(stored, post_id) > 0, "the first push", on)
            before, began = _sent(stored, post_id), time.perf_counter()
            beside = {name: _p95(ports["web"], path, key, requests) for name, path in paths.items()}
            rate = (_sent(stored, post_id) - before) / (time.perf_counter() - began)
        pid = supervisor.pid("web")
        seen = usage(pid) if pid else None
    return {
        "requests": requests,
        "people": people,
        "owed": owed,
        "database": database,
        "bare_p95_ms": bare,
        **{f"{name}_p95_ms": value for name, value in alone.items()},
        **{f"{name}_of_bare": round(value / bare, 1) for name, value in alone.items()},
        **{f"{name}_beside_pushes_p95_ms": value for name, value in beside.items()},
        "pushes_per_s": round(rate),
        "memory_mb": seen.pss_mb if seen else None,
    }


@contextmanager
def _serving(on: Servers, ports: Mapping[str, int]) -> Iterator[Supervisor]:
    """The bare answer and the API as processes, ended with the block."""
    environment = {**on.environment, "PORT": str(ports["web"]), "API_KEY_PER_MINUTE": "100000000"}
    supervisor = Supervisor(LogFiles(on.folder), environment)
    python = shlex.quote(sys.executable)
    supervisor.start_command("bare", f"{python} -m scripts.bench.bare_api {ports['bare']}")
    supervisor.start_command("web", f"{python} -m pipeline.web.server")
    try:
        for port, path in ((ports["bare"], "/bare"), (ports["web"], "/healthz")):
            if not wait_until(lambda p=port, where=path: _answers(p, where), 60):  # type: ignore[misc]
                raise BenchmarkError(f"nothing answers on port {port}")
        yield supervisor
    finally:
        supervisor.stop()


def _answers(port: int, path: str) -> bool:
    try:
        return _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), path, {}) == 200
    except OSError:
        return False


def _ask(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> int:
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _p95(port: int, path: str, key: str, requests: int) -> float:
    """Milliseconds within which 95 of 100 requests were answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}"}
    took = []
    for number in range(requests + WARM):
        began = time.perf_counter()
        if (status := _ask(connection, path, headers)) != 200:
            raise BenchmarkError(f"{path} was answered {status}")
        if number >= WARM:
            took.append(time.perf_counter() - began)
    connection.close()
    return round(quantiles(took, n=20)[-1] * 1000, 2)


def _fill(database: Database, people: int, owed: int) -> int:
    """So many people with phones who want one phrase, one with a full inbox, and a post that all are owed."""
    found = parse_phrase(PHRASE)
    keyword = KeywordText(text=found.text, kind=found.kind)
    with database.writing() as session:
        wish = {"keyword_id": subscriptions.keyword_ids(session, [keyword])[keyword]}
        person = add_readers(session, "user", people, device=":APA91b" + "x" * 130, wish=wish)[0]
        site = sites.add(session, name="bench", spider="listing", now=now(), enabled=False)
        posts = [add_post(session, site.id, f"{number}번째 {TITLE}", fanout="done") for number in range(owed)]
        at = now()
        same = {"user_id": person, "status": "sent", "created_at": at, "next_attempt_at": at, "sent_at": at}
        session.execute(insert(Notification), [{"post_id": post, **same} for post in posts])
        return add_post(session, site.id, f"{owed}번째 {TITLE}")


def _sent(database: Database, post_id: int) -> int:
    return how_many(database, Notification.post_id == post_id, Notification.status == "sent")
