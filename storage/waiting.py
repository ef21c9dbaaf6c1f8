"""What a pending notification waits for besides its time: a channel that its own fault paused, or an operator's pause.

`notifications.waits_for` names it, so that whoever ends the fault or the pause finds what to make due; `reason` says
the same to people. The name is the channel's ("fcm") for a fault, and "pause " with what is paused for a pause. What
waits for several of them is woken by the end of any: trying it again costs it nothing.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, update
from sqlalchemy.orm import Session

from storage.models import Notification

OPERATOR = "paused by an operator"
"""Why a notification waits that an operator's pause keeps back, in words."""
_PAUSE = "pause "
_SEVERAL = "several"


def fault_of(channel: str) -> str:
    """The name under which notifications wait for a channel to be well again."""
    return channel


def pause_of(scope: str) -> str:
    """The name under which notifications wait for an operator's pause to end: of "push", a channel, or "site NAME"."""
    return f"{_PAUSE}{scope}"


def together(names: Collection[str]) -> str | None:
    """What a notification waits for that waits for all of these; None for nothing."""
    if len(names) <= 1:
        return next(iter(names), None)
    return _PAUSE + _SEVERAL if any(name.startswith(_PAUSE) for name in names) else _SEVERAL


def words(name: str, why: str) -> str:
    """The reason of a notification that waits, for people: "fcm waits: UNAUTHENTICATED"."""
    return f"{name.removeprefix(_PAUSE)} waits: {why}"


def is_woken_by(name: str) -> ColumnElement[bool]:
    """The condition that the end of what has this name makes a row of Notification due.

    The release before this one wrote the reason alone, and its processes may still run: their rows are known by that
    text. Rows live as long as their ttl, so the release after this one needs the column alone.
    """
    is_pause = name.startswith(_PAUSE)
    of_this_release = _waits_for(name)
    sentence = words(name, OPERATOR if is_pause else "")
    of_the_last = and_(Notification.reason.is_not(None), Notification.reason.contains(sentence, autoescape=True))
    return and_(Notification.status == "pending", or_(of_this_release, of_the_last))


def _waits_for(name: str) -> ColumnElement[bool]:
    several = [_PAUSE + _SEVERAL] if name.startswith(_PAUSE) else [_PAUSE + _SEVERAL, _SEVERAL]
    return Notification.waits_for.in_([name, *several])


def wake(session: Session, name: str, *, now: datetime) -> int:
    """Make due what waited for the end of what has this name; returns how many notifications are to be sent.

    What is to replace a text that is shown waits too, but is not counted.
    """
    stale = and_(Notification.status == "sent", Notification.to_show.is_not(None), _waits_for(name))
    woken = [
        session.scalars(
            update(Notification)
            .where(which)
            .values(next_attempt_at=now, enqueued_at=None)
            .returning(Notification.id)
            .execution_options(synchronize_session=False)
        ).all()
        for which in (stale, is_woken_by(name))
    ]
    return len(woken[-1])


def is_held() -> ColumnElement[bool]:
    """The condition that an operator's pause keeps a row of Notification back, in this release's form or the last's."""
    return or_(
        and_(Notification.waits_for.is_not(None), Notification.waits_for.startswith(_PAUSE)),
        and_(Notification.reason.is_not(None), Notification.reason.contains(OPERATOR)),
    )
