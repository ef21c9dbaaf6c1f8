"""Asks the API all the time while things go wrong, and notes each answer that is not right.

Right is what agrees with the answers before it, or 503 with Retry-After; while the process is being killed, started or
stopped, or stands still, there may be no answer.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from scripts.drill.api_answers import Entry, entries, wrong_in_badge, wrong_in_inbox, wrong_in_subscriptions
from scripts.errors import CommandError

PATIENCE_S = 60.0
"""So long an answer may take: whatever hangs is given up within a minute."""
PAUSE_S = 0.05
AGAIN_S = 0.3
"""After an answer that says to come again, or none."""
PHRASE, EXCLUDED = "구독시험", ("제외하나", "제외둘째", "제외셋째")
"""They stand in no title of a drill."""


class _StoppedError(CommandError):
    """The drill is over in the middle of a conversation."""


class ApiReader:
    """A thread that plays some persons' phones; it holds a server key for them."""

    def __init__(
        self,
        port: int,
        key: str,
        readers: Mapping[str, Collection[int]],
        subscriber: str,
        pid: Callable[[], int | None],
    ) -> None:
        """readers: their names, with the numbers of the posts that are for them. subscriber: a user of its own.

        pid: of the process that should answer; None while there is none, or it was told to end.
        """
        self._port, self._headers = port, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._readers, self._subscriber = readers, subscriber
        self._seen: dict[str, list[Entry]] = {name: [] for name in readers}
        self._pid = pid
        # The process that has answered, and must go on doing so; how often it was stopped.
        self._answering: int | None = None
        self._freezes = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.right = self.unavailable = self.unanswered = 0
        self.wrong: list[str] = []
        self.slowest_s = 0.0

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask nothing more."""
        self._ending.set()
        self._thread.join(PATIENCE_S)

    def expect_silence(self) -> None:
        """The process is about to be stopped, and need not answer before it has gone on."""
        self._freezes += 1
        self._answering = None

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                for name, wanted in self._readers.items():
                    self._read(f"/v1/users/{quote(name)}", name, wanted)
                self._subscribe(f"/v1/users/{quote(self._subscriber)}/subscriptions")
            except _StoppedError:
                return
            except Exception as error:
                self._note([f"an answer that cannot be read: {error!r}"])

    def _read(self, path: str, name: str, wanted: Collection[int]) -> None:
        before = self._inbox(path, name, wanted)
        badge = int(self._ask("GET", f"{path}/badge", good=(200,))[1]["badge"])
        after = self._inbox(path, name, wanted)
        self._note(wrong_in_badge(badge, before, after))

    def _inbox(self, path: str, name: str, wanted: Collection[int]) -> list[Entry]:
        page: list[Entry] = []
        cursor = ""
        while True:
            _, answer = self._ask("GET", f"{path}/notifications?limit=100{cursor}", good=(200,))
            page += entries(answer)
            if answer["next_cursor"] is None:
                break
            cursor = f"&cursor={answer['next_cursor']}"
        self._note(wrong_in_inbox(page, self._seen[name], wanted))
        self._seen[name] = page
        return page

    def _subscribe(self, path: str) -> None:
        """Subscribe, twice, and end it, twice: each happens once, whole, whatever answer did not come."""
        wish = {"phrase": PHRASE, "exclude": EXCLUDED}
        first = self._ask("POST", path, wish, good=(200, 201))[1]["id"]
        self._look_at(path, there=True)
        status, again = self._ask("POST", path, wish, good=(200, 201))
        if (status, again["id"]) != (200, first):
            self._note([f"subscribed twice: {status}"])
        # 404: it was done, and its answer did not come.
        self._ask("DELETE", f"{path}/{first}", good=(204, 404))
        self._look_at(path, there=False)
        self._ask("DELETE", f"{path}/{first}", good=(404,))

    def _look_at(self, path: str, *, there: bool) -> None:
        _, listed = self._ask("GET", path, good=(200,))
        self._note(wrong_in_subscriptions(listed, phrase=PHRASE, exclude=EXCLUDED, there=there))

    def _ask(self, method: str, path: str, body: Any = None, *, good: Sequence[int]) -> tuple[int, Any]:
        """Ask until there is an answer. Raises _StoppedError when the drill is over."""
        for _ in self._tries():
            freezes, pid, began = self._freezes, self._pid(), time.monotonic()
            try:
                status, headers, answer = self._request(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.unanswered += 1
                if pid is not None and self._answering == pid == self._pid():
                    self._note([f"{method} {path}: no answer after {time.monotonic() - began:.1f} s ({error!r})"])
                continue
            if freezes == self._freezes:
                self._answering = pid
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            if status in good:
                self.right += 1
                return status, json.loads(answer) if answer else None
            if status == http.HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in headers:
                self.unavailable += 1
            else:
                self._note([f"{method} {path}: {status} {answer[:300]!r}"])
        raise _StoppedError

    def _tries(self) -> Iterator[None]:
        pause = PAUSE_S
        while not self._ending.wait(pause):
            yield
            pause = AGAIN_S

    def _request(self, method: str, path: str, body: Any) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def _note(self, sentences: Sequence[str]) -> None:
        at = time.strftime("%H:%M:%S")
        self.wrong += [f"{at} {sentence}" for sentence in sentences]
