import pytest

from pipeline.push.outcome import MAX_ATTEMPTS, MAX_BACKOFF_S, Action, Outcome, OutcomeKind, decide

DAY = 86_400.0


def outcome(kind, **fields):
    return Outcome(kind=kind, code="a_code", **fields)


@pytest.mark.parametrize(
    ("given", "attempts", "age_s", "rand", "action", "delay_s"),
    [
        # Final at once, whatever the age.
        (outcome(OutcomeKind.DELIVERED), 1, 0, 0.5, Action.SENT, 0),
        (outcome(OutcomeKind.DELIVERED), 1, 99 * DAY, 0.5, Action.SENT, 0),
        (outcome(OutcomeKind.TOKEN_DEAD), 1, 0, 0.5, Action.FAILED, 0),
        (outcome(OutcomeKind.REJECTED), 1, 0, 0.5, Action.FAILED, 0),
        (outcome(OutcomeKind.WRONG_ENVIRONMENT), 1, 0, 0.5, Action.FAILED, 0),
        # Doubling, with full jitter above the shortest wait.
        (outcome(OutcomeKind.RETRY), 1, 0, 0.0, Action.RETRY, 1),
        (outcome(OutcomeKind.RETRY), 1, 0, 0.5, Action.RETRY, 1.5),
        (outcome(OutcomeKind.RETRY), 4, 0, 0.5, Action.RETRY, 5),
        (outcome(OutcomeKind.RETRY), 15, 0, 0.99, Action.RETRY, MAX_BACKOFF_S),
        (outcome(OutcomeKind.RETRY, backoff_s=60.0), 1, 0, 0.0, Action.RETRY, 60),
        (outcome(OutcomeKind.RETRY, backoff_s=60.0), 2, 0, 0.5, Action.RETRY, 120),
        (outcome(OutcomeKind.UNKNOWN), 1, 0, 0.0, Action.RETRY, 5),
        (outcome(OutcomeKind.UNKNOWN), 2, 0, 0.5, Action.RETRY, 10),
        # What the vendor asks for is the least, whatever the attempt.
        (outcome(OutcomeKind.RETRY, retry_after_s=120.0), 1, 0, 0.0, Action.RETRY, 120),
        (outcome(OutcomeKind.RETRY, retry_after_s=120.0), 9, 0, 0.5, Action.RETRY, 126),
        (outcome(OutcomeKind.RETRY, retry_after_s=3600.0), 1, 0, 0.9, Action.RETRY, 3600),
        (outcome(OutcomeKind.RETRY, retry_after_s=0.0), 1, 0, 0.0, Action.RETRY, 1),
        # Attempts are capped, but not those that a channel that is down has cost.
        (outcome(OutcomeKind.RETRY), MAX_ATTEMPTS, 0, 0.5, Action.FAILED, 0),
        (outcome(OutcomeKind.UNKNOWN), MAX_ATTEMPTS, 0, 0.5, Action.FAILED, 0),
        (outcome(OutcomeKind.CHANNEL_DOWN), 1, 0, 0.0, Action.WAIT, 60),
        (outcome(OutcomeKind.CHANNEL_DOWN), MAX_ATTEMPTS + 5, 0, 0.0, Action.WAIT, 60),
        (outcome(OutcomeKind.CHANNEL_DOWN), 10, 0, 0.9, Action.WAIT, MAX_BACKOFF_S),
        # Nobody wants to see it any more, now or by then.
        (outcome(OutcomeKind.RETRY), 1, 3 * DAY, 0.0, Action.EXPIRED, 0),
        (outcome(OutcomeKind.RETRY, retry_after_s=600.0), 1, 3 * DAY - 60, 0.0, Action.EXPIRED, 0),
        (outcome(OutcomeKind.UNKNOWN), 1, 3 * DAY - 1, 0.0, Action.EXPIRED, 0),
        (outcome(OutcomeKind.CHANNEL_DOWN), 1, 3 * DAY, 0.0, Action.EXPIRED, 0),
    ],
)
def test_decisions(given, attempts, age_s, rand, action, delay_s):
    decision = decide(given, attempts, age_s, 3 * DAY, rand)
    assert (decision.action, decision.delay_s) == (action, pytest.approx(delay_s))
    assert decision.reason == "a_code"


def test_all_attempts_together_outlive_an_outage_of_hours_and_end_within_the_ttl():
    waits = [decide(outcome(OutcomeKind.RETRY), n, 0, 3 * DAY, 0.5).delay_s for n in range(1, MAX_ATTEMPTS)]
    assert 2 * 3600 < sum(waits) < 3 * DAY
    assert max(waits) <= MAX_BACKOFF_S


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("UNREGISTERED", "UNREGISTERED"),
        ("a\x00b", "a b"),
        ("\ud800lone", "lone"),
        ("two\r\nlines\x1b[31m", "two lines [31m"),
        ("\u202ereversed\ufeff", "reversed"),
        ("로그인 실패 🎓", "로그인 실패 🎓"),
        ("x" * 999, "x" * 64),
    ],
)
def test_what_a_vendor_says_is_clean_whoever_made_the_outcome(said, kept):
    outcome = Outcome(kind=OutcomeKind.RETRY, code=said, detail=said, provider_id=said)
    assert outcome.code == kept
    assert outcome.detail.startswith(kept)
    assert outcome.provider_id.startswith(kept)
    assert all(text.isprintable() for text in (outcome.code, outcome.detail, outcome.provider_id))
