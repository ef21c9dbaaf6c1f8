from types import SimpleNamespace

import pytest

from scripts.testbed import installation
from scripts.testbed.database import Progress
from scripts.testbed.errors import InstallationError
from scripts.testbed.installation import Installation, process_names


class Told(Installation):
    """An installation whose progress is told beforehand; the last answer is repeated."""

    def __init__(self, *answers: Progress) -> None:
        self.answers = list(answers)
        self.names = ("notifier",)
        self.supervisor = SimpleNamespace(exits={"notifier": 1})  # type: ignore[assignment]
        self._logs = SimpleNamespace(last_line=lambda name: "no route to host")  # type: ignore[assignment]

    def look(self) -> list[str]:
        return []

    def progress(self) -> Progress:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def statuses(self) -> dict[str, int]:
        return {"sent": 7, "pending": 3}

    def queues(self) -> dict[str, int]:
        return {"notify_tasks": 3}


def at(owed: int, *, stored: int = 1, open_posts: int = 0, open_edits: int = 0) -> Progress:
    return Progress(stored=stored, open_posts=open_posts, owed=owed, open_edits=open_edits)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "ASK_S", 0.0)


def test_the_processes_have_the_names_of_the_procfile() -> None:
    assert process_names(1) == ("crawler", "dispatcher", "notifier", "beat")
    assert process_names(3) == ("crawler", "dispatcher", "notifier", "notifier-2", "notifier-3", "beat")


def test_nothing_is_owed_when_several_answers_in_a_row_say_so() -> None:
    told = Told(
        at(0, stored=0), at(0), at(5), at(0), at(0), at(0, open_posts=1), at(0, open_edits=1), *[at(0)] * 3, at(9)
    )
    told.wait_until_nothing_is_owed(1)
    assert told.answers == [at(9)]


def test_what_hangs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "PATIENCE_S", 0.05)
    told = Told(at(4), at(3, open_posts=1))
    with pytest.raises(InstallationError) as raised:
        told.wait_until(lambda progress: progress.owed == 0, "nothing to be owed", every_s=0)
    said = str(raised.value)
    for part in (
        "nothing to be owed",
        "1 of them not fanned out",
        "'pending': 3",
        "'notify_tasks': 3",
        "'notifier': 1",
    ):
        assert part in said
    assert "notifier: no route to host" in said
