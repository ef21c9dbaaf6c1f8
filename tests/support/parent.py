"""A process that crawls as a worker does, from the outside."""

import dataclasses
import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import psutil

from pipeline.crawling.order import CrawlOrder


class Parent:
    """The process of crawl_parent.py, which leads a process group, as a worker under honcho or systemd does."""

    def __init__(self, order: CrawlOrder, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crawl_parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps(dataclasses.asdict(order)).encode() + b"\n")
        self.process.stdin.flush()
        self.forkserver = psutil.Process(self.read()["forkserver"])

    def read(self) -> dict[str, Any]:
        """The next message."""
        assert self.process.stdout
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def family(self) -> list[psutil.Process]:
        """The forkserver, the crawl, and what that started; empty when they are gone."""
        with suppress(psutil.NoSuchProcess):
            return [self.forkserver, *self.forkserver.children(recursive=True)]
        return []

    def end(self) -> None:
        """Kill whatever is left."""
        for each in self.family():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.kill()
        self.process.wait(60)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
