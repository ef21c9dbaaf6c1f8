from datetime import UTC, datetime, timedelta

from pipeline.delivery.channel_faults import QUIET_S, ChannelFaults, is_well, without_blame
from pipeline.push.outcome import Outcome, OutcomeKind

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, answered=True)
REFUSED = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="UNAUTHENTICATED", detail="no", answered=True)
DEAD = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="UNREGISTERED", answered=True)
MISMATCH = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="SENDER_ID_MISMATCH", answered=True)
LOST = Outcome(kind=OutcomeKind.UNKNOWN, code="timeout")
NOT_SET_UP = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="not_configured", detail="set FCM_SERVICE_ACCOUNT_FILE")


def test_one_refusal_alone_pauses_where_nothing_speaks_against_it() -> None:
    fault = ChannelFaults().learn("fcm", [REFUSED], now=NOW)
    assert fault is not None
    assert (fault.code, fault.sentence, fault.wait_s) == ("UNAUTHENTICATED", "no", 60)


def test_one_refusal_among_successes_or_soon_after_them_pauses_nothing() -> None:
    faults = ChannelFaults()
    assert faults.learn("fcm", [DELIVERED, REFUSED], now=NOW) is None
    assert faults.learn("fcm", [REFUSED], now=NOW + timedelta(seconds=QUIET_S - 1)) is None
    assert faults.learn("fcm", [REFUSED], now=NOW + timedelta(seconds=QUIET_S)) is not None


def test_channels_do_not_speak_for_each_other() -> None:
    faults = ChannelFaults()
    faults.learn("apns", [DELIVERED], now=NOW)
    assert faults.learn("fcm", [REFUSED], now=NOW) is not None


def test_lost_answers_and_dead_tokens_pause_nothing() -> None:
    faults = ChannelFaults()
    assert faults.learn("fcm", [LOST] * 100, now=NOW) is None
    assert faults.learn("fcm", [DEAD] * 100, now=NOW) is None
    assert faults.learn("fcm", [], now=NOW) is None


def test_a_channel_without_credentials_is_paused_and_says_what_is_missing() -> None:
    fault = ChannelFaults().learn("fcm", [NOT_SET_UP] * 3, now=NOW)
    assert fault is not None
    assert fault.sentence == "set FCM_SERVICE_ACCOUNT_FILE"


def test_a_burst_is_seen_over_batches_and_dates_from_its_first_answer() -> None:
    faults = ChannelFaults()
    assert faults.learn("fcm", [DELIVERED] * 3, now=NOW) is None
    assert faults.learn("fcm", [MISMATCH] * 6, now=NOW + timedelta(seconds=5)) is None
    fault = faults.learn("fcm", [MISMATCH] * 6, now=NOW + timedelta(seconds=9))
    assert fault is not None
    assert (fault.code, fault.since) == ("SENDER_ID_MISMATCH", NOW + timedelta(seconds=5))
    # After a pause the past is forgotten
    assert faults.learn("fcm", [MISMATCH] * 6, now=NOW + timedelta(seconds=99)) is None


def test_credentials_that_are_revoked_under_load_pause_the_channel() -> None:
    faults = ChannelFaults()
    assert faults.learn("fcm", [DELIVERED] * 400, now=NOW) is None
    assert faults.learn("fcm", [DELIVERED] * 100 + [REFUSED] * 30, now=NOW) is not None


def test_an_answer_with_the_code_of_the_pause_blames_no_device() -> None:
    (blamed,) = without_blame([MISMATCH], "UNAUTHENTICATED")
    (spared,) = without_blame([MISMATCH], "SENDER_ID_MISMATCH")
    assert (blamed.kind, spared.kind) == (OutcomeKind.TOKEN_DEAD, OutcomeKind.CHANNEL_DOWN)


def test_a_probe_finds_a_channel_well_when_the_vendor_got_past_the_fault() -> None:
    assert is_well([DELIVERED], "UNAUTHENTICATED")
    assert is_well([DEAD], "UNAUTHENTICATED")
    assert not is_well([REFUSED], "UNAUTHENTICATED")
    assert not is_well([MISMATCH], "SENDER_ID_MISMATCH")
    assert not is_well([LOST], "UNAUTHENTICATED")
