"""What the processes of the Procfile have in memory when they start, what they have not, and how they stop."""

import subprocess
import sys

import pytest

LOADED = """
import sys
from pipeline.worker import launch
launch.load()
import celery.apps.beat, celery.apps.worker
print(*{name.partition(".")[0] for name in sys.modules})
"""
HELLO = """
import sys, time
from types import SimpleNamespace as Some
from pipeline.worker import consumer

def hello(*_):
    "Answers come when what is to be loaded is, or when nothing is."
    until = time.monotonic() + 60 * (queue == "notify_tasks")
    while "pipeline.push.channels" not in sys.modules and time.monotonic() < until:
        time.sleep(0.01)
    return {"me": {}, "other": {}}

queue = sys.argv[1]
app = Some(control=Some(inspect=lambda **_: Some(hello=hello)), amqp=Some(queues=Some(consume_from={queue: None})))
controller = Some(state=Some(revoked=()))
print(*consumer._hello(None, Some(app=app, connection=None, hostname="me", controller=controller)))
print(*{name.partition(".")[0] for name in sys.modules})
"""
NOBODY = {
    "aiosqlite",
    "alembic",
    "click_repl",
    "flower",
    "lxml",
    "mako",
    "prompt_toolkit",
    "pygments",
    "scrapy",
    "tornado",
}
NOTIFIER = {"apns2", "hyper", "pyfcm", "requests"}


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_a_worker_and_beat_load_nothing_that_they_do_not_use() -> None:
    loaded = set(run("-c", LOADED).stdout.split())
    assert "pipeline" in loaded
    assert not loaded & (NOBODY | NOTIFIER)


@pytest.mark.parametrize(("queue", "loaded"), [("notify_tasks", NOTIFIER), ("fanout_tasks", set[str]())])
def test_a_notifier_loads_the_vendors_libraries_while_it_waits_for_what_other_workers_say(
    queue: str, loaded: set[str]
) -> None:
    others, modules = run("-c", HELLO, queue).stdout.splitlines()
    assert others == "other"
    assert set(modules.split()) & (NOBODY | NOTIFIER) == loaded


PARSED = """
import sys
from pipeline.worker import launch
launch.parsed(["beat"])
run = launch.parsed(sys.argv[1:])
run()
"""


def test_a_command_line_that_was_read_before_is_run_like_any_other() -> None:
    done = run("-c", PARSED, "worker", "-Q", "nonsense")
    assert done.stderr.startswith("crawlpush cannot start: there is no queue nonsense: the queues are crawl_tasks,")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["worker", "--help"], "--prefetch-multiplier"),
        (["beat", "--help"], "--max-interval"),
        (["worker", "-Q", "nonsense"], "crawlpush cannot start: there is no queue nonsense"),
        (["wroker"], "No such command 'wroker'"),
    ],
)
def test_it_takes_celery_s_options(arguments: list[str], said: str) -> None:
    done = run("-m", "pipeline.worker.launch", *arguments)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode == 0) == ("--help" in arguments)


def test_a_second_signal_may_interrupt_what_the_first_one_does():
    code = """
from celery import signals
from pipeline.worker import launch

launch.load()
import pipeline.worker.lifecycle

assert signals.worker_shutting_down.receivers
with vars(signals.worker_shutting_down)["lock"]:  # as the first one holds it
    signals.worker_shutting_down.send(sender="a worker")
"""
    subprocess.run([sys.executable, "-c", code], timeout=120, check=True)
