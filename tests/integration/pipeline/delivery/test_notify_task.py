"""notify_user itself: what reaches Celery as a failure, and what does not."""

from collections.abc import Callable, Sequence

import pytest
from celery.exceptions import Retry
from sqlalchemy.exc import InterfaceError, OperationalError

from pipeline.basics.ids import LARGEST_ID
from pipeline.tasks import notify
from pipeline.tasks.arguments import BadMessageError
from storage.notifications import Key

Results = dict[Key, str]
Deliver = Callable[[Callable[[Sequence[Key]], Results]], None]


@pytest.fixture
def deliver(monkeypatch: pytest.MonkeyPatch) -> Deliver:
    """Puts something in place of the deliveries."""

    def use(work: Callable[[Sequence[Key]], Results]) -> None:
        class Fake:
            def deliver(self, keys: Sequence[Key]) -> Results:
                return work(keys)

        monkeypatch.setattr(notify, "_deliveries", Fake)

    return use


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_batch_that_failed_on_the_database_is_tried_again_by_celery(deliver, error, monkeypatch):
    def fail(_: Sequence[Key]) -> Results:
        raise error("UPDATE notifications", {}, Exception("the server is away"))  # type: ignore[call-arg]

    deliver(fail)
    again: list[dict[str, object]] = []

    def retry(**options: object) -> Retry:
        again.append(options)
        return Retry()

    monkeypatch.setattr(notify.notify_user, "retry", retry)
    notify.notify_user.do_together([(1, 2), (3, 4)])
    try:
        for key in ((1, 2), (3, 4)):
            with pytest.raises(Retry):
                notify.notify_user(*key)
    finally:
        notify.notify_user.forget()
    assert [type(options["exc"]) for options in again] == [error, error]


def test_a_notification_that_was_somebody_elses_is_done(deliver):
    deliver(lambda _keys: {})
    notify.notify_user(1, 2)


def test_what_waits_together_is_delivered_at_once_and_a_repeat_only_once(deliver):
    batches: list[list[Key]] = []

    def work(keys: Sequence[Key]) -> Results:
        batches.append(list(keys))
        return dict.fromkeys(keys, "sent")

    deliver(work)
    notify.notify_user.do_together([(1, 2), (1, 3), (1, 2)])
    try:
        for key in ((1, 2), (1, 3), (1, 2)):
            notify.notify_user(*key)
    finally:
        notify.notify_user.forget()
    assert batches == [[(1, 2), (1, 3)]]


@pytest.mark.parametrize("call", [(1,), (1, 2, 3), (1, "2"), (True, 2), (0, 2), (1, LARGEST_ID + 1), (1, [2]), ()])
def test_a_message_that_names_no_notification_is_kept_out_of_the_batch(deliver, call):
    batches: list[list[Key]] = []

    def work(keys: Sequence[Key]) -> Results:
        batches.append(list(keys))
        return dict.fromkeys(keys, "sent")

    deliver(work)
    notify.notify_user.do_together([call, (7, 8)])
    try:
        with pytest.raises((BadMessageError, TypeError)):
            notify.notify_user(*call)
        notify.notify_user(7, 8)
    finally:
        notify.notify_user.forget()
    assert batches == [[(7, 8)]]
