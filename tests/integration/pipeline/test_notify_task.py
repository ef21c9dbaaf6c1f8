"""notify_user itself: what reaches Celery as a failure, and what does not."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event

import pytest
from celery.exceptions import Retry
from sqlalchemy.exc import InterfaceError, OperationalError

from pipeline.push.sender import Sender
from pipeline.tasks import notify
from storage.notifications import Key

Results = dict[Key, str | None]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Sequence[Key]], Results]], None]]:
    """Puts something in place of the deliveries."""
    senders: list[Sender[Key, str | None]] = []

    def use(work: Callable[[Sequence[Key]], Results]) -> None:
        senders.append(Sender(work))
        monkeypatch.setattr(notify, "_sender", lambda: senders[-1])

    yield use
    for sender in senders:
        sender.close(5)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_batch_that_failed_on_the_database_is_tried_again_by_celery(
    process: Callable[..., None], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Sequence[Key]) -> Results:
        raise error("UPDATE notifications", {}, Exception("the server is away"))  # type: ignore[call-arg]

    process(fail)
    again: list[dict[str, object]] = []

    def retry(**options: object) -> Retry:
        again.append(options)
        return Retry()

    monkeypatch.setattr(notify.notify_user, "retry", retry)
    with pytest.raises(Retry):
        notify.notify_user(1, 2)
    assert [type(options["exc"]) for options in again] == [error]


def test_a_notification_that_was_somebody_elses_is_done(process: Callable[..., None]) -> None:
    process(lambda keys: dict.fromkeys(keys))
    notify.notify_user(1, 2)


def test_a_sender_that_hangs_ends_the_task_and_not_the_notification(
    process: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    released = Event()
    monkeypatch.setattr(notify, "NOTIFY_LEASE_S", 0.05)

    def hang(keys: Sequence[Key]) -> Results:
        released.wait(20)
        return dict.fromkeys(keys)

    process(hang)
    notify.notify_user(1, 2)
    released.set()
    assert "notification still in line" in caplog.text
