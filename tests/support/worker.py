"""A Celery worker as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from celery import Celery

from tests.support.broker import QUEUE, transport_name
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
STOP_S = 120


class Worker:
    """`celery -A APP worker`, whose output is in a file; ready when it answers to a ping."""

    def __init__(self, folder: Path, url: str, transport: str, *arguments: str, app: str, **environment: str) -> None:
        self._folder = folder
        self.log = folder / "worker.log"
        self.app = Celery("control", broker=url, set_as_current=False)
        self.app.conf.update(
            task_default_queue=QUEUE, broker_transport=transport_name(url, transport), task_ignore_result=True
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-q", "-A", app, "worker", "-l", "INFO", *arguments],
                cwd=ROOT,
                env={**os.environ, "ENV_FILE": "", "NOTES": str(folder), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # What is asked before it listens is never answered: better often than patiently.
        wait_until(lambda: self.control("ping", patience_s=0.3), "the worker is ready", seconds=180)

    def send(self, *numbers: int, seconds: float = 0.0, held: bool = False, countdown: float = 0) -> list[str]:
        """Enqueue a `note` task for each number; their ids."""
        sent = [self.app.send_task("note", (number, seconds, held), countdown=countdown or None) for number in numbers]
        return [str(result.id) for result in sent]

    def noted(self, kind: str = "done") -> list[int]:
        """The numbers of the tasks that were done, or `begun`, by all workers of this folder, in that order."""
        notes = self._folder / kind
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    def release(self) -> None:
        """Let the held tasks end."""
        (self._folder / "released").touch()

    def control(self, method: str, *arguments: Any, patience_s: float = 30) -> Any:
        """What the worker answers to a method of `celery inspect`, None when it does not."""
        inspect = self.app.control.inspect(timeout=patience_s, limit=1)
        answers = getattr(inspect, method)(*arguments)
        return next(iter(answers.values())) if answers else None

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")

    def terminate(self) -> int:
        """Stop it as systemd does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.app.close()
        if kind is not None:
            print(self.said()[-6000:])
