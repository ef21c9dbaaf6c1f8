"""What a notification waits for, and what wakes it: written by this release, or by the one before it."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage import channels, pauses
from storage.models import Notification
from storage.pauses import Scope
from storage.waiting import fault_of, pause_of, together
from tests.integration.storage.test_notifications import claim, owed, record
from tests.support.builders import NOW, add_site

FCM_FAULT, APNS_FAULT = fault_of("fcm"), fault_of("apns")
FCM_PAUSE, ALL_PAUSE, BOARD_PAUSE = pause_of("fcm"), pause_of("push"), pause_of("site my_board")
LATER = NOW + timedelta(hours=1)


def open_channel(session: Session, name: str) -> int:
    channels.pause(session, name, code="X", reason="words", now=NOW, until=NOW)
    resumed = channels.resume(session, name, now=NOW)
    return resumed.notifications


def end_pause(session: Session, scope: Scope) -> int:
    if scope.site:
        add_site(session, name=scope.site)
    assert pauses.begin(session, scope, now=NOW)
    resumed = pauses.end(session, scope, now=NOW)
    return resumed.notifications


def set_waiting(session: Session, *, waits_for: str | None, reason: str | None = None) -> None:
    values = {"waits_for": waits_for, "reason": reason, "next_attempt_at": LATER}
    (key,) = owed(session, 1)
    session.execute(update(Notification).where(Notification.user_id == key[1]).values(values))


@pytest.mark.parametrize(
    ("waits_for", "woken_by"),
    [
        ({FCM_FAULT}, {"fcm"}),
        ({APNS_FAULT}, {"apns"}),
        ({FCM_FAULT, APNS_FAULT}, {"fcm", "apns"}),
        ({FCM_PAUSE}, {"pause fcm"}),
        ({ALL_PAUSE}, {"pause push"}),
        ({BOARD_PAUSE}, {"pause my_board"}),
        # What waits for several is woken by any, even by one that is not among them: it finds the others and waits on.
        ({FCM_PAUSE, APNS_FAULT}, {"fcm", "apns", "pause fcm", "pause push", "pause my_board"}),
        (set(), set()),
    ],
)
def test_the_end_of_a_fault_or_a_pause_wakes_what_waits_for_it(database, waits_for, woken_by):
    ends = {
        "fcm": lambda s: open_channel(s, "fcm"),
        "apns": lambda s: open_channel(s, "apns"),
        "pause fcm": lambda s: end_pause(s, Scope(activity="push", channel="fcm")),
        "pause push": lambda s: end_pause(s, Scope(activity="push")),
        "pause my_board": lambda s: end_pause(s, Scope(activity="push", site="my_board")),
    }
    woken = set()
    for name, end in ends.items():
        with Session(database.engine) as session:
            set_waiting(session, waits_for=together(waits_for))
            if end(session):
                woken.add(name)
            session.rollback()
    assert woken == woken_by


@pytest.mark.parametrize(
    ("reason", "scope"),
    [
        ("X; fcm waits: UNAUTHENTICATED", None),
        ("push waits: paused by an operator", Scope(activity="push")),
        ("fcm waits: X; site my_board waits: paused by an operator", Scope(activity="push", site="my_board")),
    ],
)
def test_what_the_last_release_wrote_is_woken_too(session, reason, scope):
    # Even where this release had written before what it waited for then.
    set_waiting(session, waits_for="apns", reason=reason)
    assert (end_pause(session, scope) if scope else open_channel(session, "fcm")) == 1
    assert session.scalars(select(Notification.next_attempt_at)).all() == [NOW]


def test_a_site_s_name_is_no_pattern(session):
    set_waiting(session, waits_for=None, reason="site my-board waits: paused by an operator")
    assert end_pause(session, Scope(activity="push", site="my_board")) == 0


def test_what_is_over_waits_for_nothing(session):
    (key,) = owed(session, 1)
    session.execute(update(Notification).values(waits_for="fcm"))
    record(session, claim(session, [key]), "sent")
    assert session.scalars(select(Notification.waits_for)).all() == [None]
