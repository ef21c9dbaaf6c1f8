"""The parent's side of a loopback server of ours: start it as a process, wait until it listens, ask it, stop it."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import IO, Any

from scripts.errors import CommandError
from scripts.local.startable import Startable
from scripts.local.supervisor import wait_or_kill

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 5.0
_REQUEST_TIMEOUT_S = 30.0
# Loopback is asked directly, whatever proxy the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerProcessError(CommandError):
    """A server process did not start, or refused what it was asked; the message has its own words."""


class ServerProcess(Startable):
    """`python -m MODULE ARGUMENTS` as a child that ends with us, even when we are killed.

    The module takes the options of `serving.server_options`. `addresses` is what it said when it listened.
    """

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._module = module
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self.addresses: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The process id, for as long as the server runs."""
        if self._process is None:
            raise ServerProcessError(f"{self._module} is not running.")
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it listens; raises ServerProcessError with its output when it does not."""
        read_fd, write_fd = os.pipe()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", self._module),
                    *(*self._arguments, "--until-stdin-closes", "--ready-fd", str(write_fd)),
                ],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=(write_fd,),
                # A Ctrl-C in the terminal is ours to handle; this process ends when we close the pipe.
                start_new_session=True,
            )
            os.close(write_fd)
            write_fd = -1
            self.addresses = json.loads(_read_line(read_fd))
        except (OSError, ValueError) as error:
            words = self.output()[-2000:].strip() or "it said nothing"
            self.stop()
            raise ServerProcessError(f"{self._module} did not start: {words}") from error
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(read_fd)
            if write_fd >= 0:
                os.close(write_fd)

    def output(self) -> str:
        """Return what the process has written so far."""
        if self._output is None:
            return ""
        # Not seek and read: the child writes at the same file offset.
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode("utf-8", "replace")

    def stop(self) -> None:
        """End it by closing its standard input, by force when that does not help. Does nothing the second time."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            wait_or_kill(process, _STOP_TIMEOUT_S)
        if self._output is not None:
            self._output.close()
            self._output = None


def _read_line(descriptor: int) -> bytes:
    """Read until the child closes its end; an early end or silence is a ValueError."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    received = b""
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            raise ValueError("no answer in time")
        part = os.read(descriptor, 65_536)
        if not part:
            raise ValueError("it ended")
        received += part
    return received


def get_json(url: str) -> Any:
    """Return the JSON that a loopback URL answers; raises ServerProcessError with its words otherwise."""
    return _request(urllib.request.Request(url))  # noqa: S310 - our own loopback address


def post_json(url: str, value: object) -> Any:
    """Send JSON to a loopback URL and return the JSON that it answers; raises ServerProcessError."""
    headers = {"Content-Type": "application/json"}
    return _request(urllib.request.Request(url, json.dumps(value).encode(), headers))  # noqa: S310 - as above


def _request(request: urllib.request.Request) -> Any:
    try:
        with _OPENER.open(request, timeout=_REQUEST_TIMEOUT_S) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise ServerProcessError(error.read().decode("utf-8", "replace").strip()) from error
    except OSError as error:
        raise ServerProcessError(f"{request.full_url} does not answer ({error}).") from error
