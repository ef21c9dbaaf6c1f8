"""When answers are about a device and when about the channel: as a table, and against a vendor that is simulated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.delivery.channel_faults import (
    CREDENTIALS,
    FAULTS,
    ONE_OR_ALL,
    QUIET_S,
    SEVERAL_DEVICES,
    Answer,
    Fault,
    Refusal,
    alone,
    find_fault,
    is_refusal,
    is_served,
    is_well,
    without_blame,
)
from pipeline.push.answers import APNS_TABLE, FCM_TABLE
from pipeline.push.outcome import Outcome, OutcomeKind

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
DELIVERED = Outcome(kind=OutcomeKind.DELIVERED, answered=True)
DEAD = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="UNREGISTERED", answered=True)
MISMATCH = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="SENDER_ID_MISMATCH", answered=True)
LOST = Outcome(kind=OutcomeKind.UNKNOWN, code="timeout")
NOT_SET_UP = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="not_configured", detail="set FCM_SERVICE_ACCOUNT_FILE")
DEAD_CODES = {"SENDER_ID_MISMATCH", "BadDeviceToken"}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def refused(code: str) -> Outcome:
    kind = OutcomeKind.TOKEN_DEAD if code in DEAD_CODES else OutcomeKind.CHANNEL_DOWN
    kind = OutcomeKind.RETRY if code.startswith("http_") else kind
    return Outcome(kind=kind, code=code, detail="no", answered=True)


def answers(*outcomes: Outcome, users: int = 100, **known: object) -> list[Answer]:
    return [Answer(device=n, user=n % users, outcome=o, **known) for n, o in enumerate(outcomes)]  # type: ignore[arg-type]


def fault_of(
    batch: Sequence[Answer], earlier: Sequence[Refusal] = (), accepted_at: datetime | None = None
) -> str | None:
    fault = find_fault(batch, earlier, accepted_at=accepted_at, now=NOW)
    return fault.code if fault else None


def test_every_refusal_of_ours_is_in_the_tables_and_says_what_to_look_at():
    down = {
        code
        for table in (FCM_TABLE, APNS_TABLE)
        for code, line in table.items()
        if line.kind is OutcomeKind.CHANNEL_DOWN
    }
    assert down <= set(FAULTS)
    assert not set(ONE_OR_ALL) & set(CREDENTIALS)
    assert all(len(sentence) > 20 for sentence in FAULTS.values())


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("accepted_at", [None, ago(3600), ago(5)])
def test_one_of_one_pauses_only_what_can_only_be_about_us_and_only_where_it_is_quiet(code, accepted_at):
    pauses = code in CREDENTIALS and accepted_at != ago(5)
    assert fault_of(answers(refused(code)), accepted_at=accepted_at) == (code if pauses else None)


@pytest.mark.parametrize("code", FAULTS)
def test_one_of_many_never_pauses(code):
    batch = answers(refused(code), DELIVERED, DELIVERED, DELIVERED)
    assert fault_of(batch) is None
    assert fault_of(batch, accepted_at=ago(3600)) is None
    # Nor do many, where somebody is served meanwhile
    assert fault_of(answers(*[refused(code)] * 30, DELIVERED)) is None


@pytest.mark.parametrize("code", FAULTS)
def test_all_of_many_always_pause(code):
    for accepted_at in (None, ago(3600), ago(5)):
        assert fault_of(answers(*[refused(code)] * SEVERAL_DEVICES), accepted_at=accepted_at) == code


@pytest.mark.parametrize("code", ONE_OR_ALL)
def test_the_evidence_comes_together_over_hours_on_a_quiet_installation(code):
    earlier = [Refusal(code=code, device=70 + n, user=70 + n, since=ago(7200 * (n + 1))) for n in range(2)]
    assert fault_of(answers(refused(code)), earlier) == code
    # One of these is from before the channel served somebody
    assert fault_of(answers(refused(code)), earlier, accepted_at=ago(10_000)) is None
    # They were refused for another reason
    other = "BadTopic" if code != "BadTopic" else "MissingTopic"
    assert fault_of(answers(refused(other)), earlier) is None


@pytest.mark.parametrize("code", ONE_OR_ALL)
def test_several_phones_of_one_user_and_one_phone_again_and_again_are_not_several(code):
    assert fault_of(answers(*[refused(code)] * 9, users=1)) is None
    same = [Refusal(code=code, device=0, user=0, since=ago(60 * n)) for n in range(1, 9)]
    assert fault_of(answers(refused(code)), same) is None


@pytest.mark.parametrize("code", FAULTS)
def test_a_phone_that_was_refused_when_others_were_served_speaks_against_nobody_any_more(code):
    known = {"refused_code": code, "refused_since": ago(9000)}
    assert fault_of(answers(*[refused(code)] * 5, **known), accepted_at=ago(8000)) is None
    assert fault_of(answers(*[refused(code)] * 5, **known), accepted_at=ago(9999)) == code


def test_lost_answers_dead_tokens_and_a_vendors_bad_day_pause_nothing():
    for outcome in (
        LOST,
        DEAD,
        Outcome(kind=OutcomeKind.RETRY, code="UNAVAILABLE", answered=True),
        Outcome(kind=OutcomeKind.RETRY, code="QUOTA_EXCEEDED", answered=True),
        Outcome(kind=OutcomeKind.RETRY, code="THIRD_PARTY_AUTH_ERROR", answered=True),
        Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="closed"),
        Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="InvalidProviderToken"),
    ):
        assert fault_of(answers(*[outcome] * 100)) is None
    assert fault_of([]) is None


def test_a_channel_without_credentials_is_paused_and_says_what_is_missing():
    fault = find_fault(answers(NOT_SET_UP), (), accepted_at=None, now=NOW)
    assert fault.sentence == "set FCM_SERVICE_ACCOUNT_FILE"


@pytest.mark.parametrize("code", sorted(DEAD_CODES))
def test_a_token_is_believed_dead_only_where_the_channel_serves_others(code):
    def kind(accepted_at: datetime | None, *more: Outcome, **known: object) -> OutcomeKind:
        return alone(answers(refused(code), *more, **known), accepted_at=accepted_at, now=NOW)[0].kind

    assert kind(None) is OutcomeKind.REFUSED
    assert kind(ago(3600)) is OutcomeKind.REFUSED
    assert kind(None, DELIVERED) is OutcomeKind.TOKEN_DEAD
    assert kind(ago(QUIET_S / 2)) is OutcomeKind.TOKEN_DEAD
    # Refused again, and another was served in between
    assert kind(ago(3600), refused_code=code, refused_since=ago(9000)) is OutcomeKind.TOKEN_DEAD
    assert kind(ago(9999), refused_code=code, refused_since=ago(9000)) is OutcomeKind.REFUSED
    assert alone(answers(DEAD), accepted_at=None, now=NOW) == [DEAD]


def test_an_answer_with_the_code_of_the_pause_blames_no_device():
    (blamed,) = without_blame([MISMATCH], "UNAUTHENTICATED")
    (spared,) = without_blame([MISMATCH], "SENDER_ID_MISMATCH")
    assert (blamed.kind, spared.kind) == (OutcomeKind.TOKEN_DEAD, OutcomeKind.CHANNEL_DOWN)


def test_a_probe_finds_a_channel_well_when_the_vendor_got_past_the_fault():
    assert is_well([DELIVERED], "UNAUTHENTICATED")
    assert is_well([DEAD], "UNAUTHENTICATED")
    assert not is_well([refused("UNAUTHENTICATED")], "UNAUTHENTICATED")
    assert not is_well([MISMATCH], "SENDER_ID_MISMATCH")
    assert not is_well([LOST], "UNAUTHENTICATED")


PROBE_S = 60


@dataclass
class World:
    """A vendor, phones, and the loop around the rule as batches and the sweep run it. One user has one phone."""

    phones: int
    odd: dict[int, str]
    # The code with which the vendor refuses everybody, while our configuration is wrong.
    broken: str | None = None
    at: datetime = NOW
    accepted_at: datetime | None = None
    refused: dict[int, Refusal] = field(default_factory=dict)
    disabled: set[int] = field(default_factory=set)
    paused: Fault | None = None
    probe_at: datetime = NOW
    waiting: dict[int, datetime] = field(default_factory=dict)
    longest_wait: timedelta = timedelta()
    tried: dict[int, datetime] = field(default_factory=dict)

    def vendor(self, phone: int) -> Outcome:
        code = self.broken or self.odd.get(phone)
        return refused(code) if code else DELIVERED

    def batch(self, phones: Sequence[int]) -> None:
        batch = []
        for phone in phones:
            known = self.refused.get(phone)
            code, since = (known.code, known.since) if known else (None, None)
            batch.append(
                Answer(device=phone, user=phone, outcome=self.vendor(phone), refused_code=code, refused_since=since)
            )
            self.tried[phone] = self.at
        fault = find_fault(batch, list(self.refused.values()), accepted_at=self.accepted_at, now=self.at)
        outcomes = alone(batch, accepted_at=self.accepted_at, now=self.at)
        codes = {each.code for each in (fault, self.paused) if each}
        outcomes = [a.outcome if a.outcome.code in codes else o for a, o in zip(batch, outcomes, strict=True)]
        for code in codes:
            outcomes = without_blame(outcomes, code)
        if is_served(batch):
            self.accepted_at = self.at
        for answer, outcome in zip(batch, outcomes, strict=True):
            if outcome.kind is OutcomeKind.DELIVERED:
                self.refused.pop(answer.device, None)
                self.longest_wait = max(self.longest_wait, self.at - self.waiting.pop(answer.device, self.at))
            elif outcome.kind is OutcomeKind.TOKEN_DEAD:
                self.disabled.add(answer.device)
            elif is_refusal(answer.outcome) and answer.refused_code != answer.outcome.code:
                code = answer.outcome.code
                self.refused[answer.device] = Refusal(
                    code=code, device=answer.device, user=answer.device, since=self.at
                )
        if fault:
            self.paused, self.probe_at = fault, self.at + timedelta(seconds=PROBE_S)
        elif self.paused and is_well(outcomes, self.paused.code):
            self.paused = None

    def post(self, phones: Sequence[int]) -> None:
        """A post for some phones."""
        for phone in phones:
            if phone not in self.disabled:
                self.waiting.setdefault(phone, self.at)
        if not self.paused:
            self.send()

    def send(self) -> None:
        due = sorted(self.waiting)
        if due and not self.paused:
            self.batch([phone for phone in due if phone not in self.disabled])

    def passes(self, seconds: int) -> None:
        """Time goes by; a paused channel is tried once a minute, as storage.probes chooses."""
        end = self.at + timedelta(seconds=seconds)
        while self.paused and self.probe_at <= end:
            self.at = max(self.at, self.probe_at)
            self.probe_at = self.at + timedelta(seconds=PROBE_S)
            due = [phone for phone in self.waiting if phone not in self.disabled]
            if not due:
                break
            chosen = min(due, key=lambda p: (p in self.refused, self.tried.get(p, datetime.min.replace(tzinfo=UTC)), p))
            self.batch([chosen])
            self.send()
        self.at = end


codes = st.sampled_from(sorted(FAULTS))


@settings(max_examples=300)
@given(
    phones=st.integers(4, 12),
    odd=st.dictionaries(st.integers(0, 11), codes, max_size=3),
    story=st.lists(st.tuples(st.integers(1, 7200), st.sets(st.integers(0, 11), min_size=1, max_size=4)), max_size=40),
)
def test_odd_phones_among_good_ones_keep_no_good_one_waiting(phones, odd, story):
    world = World(phones=phones, odd=odd)
    for seconds, receivers in story:
        world.post(sorted(receivers))
        world.passes(seconds)
    good = {phone for _, receivers in story for phone in receivers if phone not in odd}
    world.passes(10 * PROBE_S)
    assert not good & set(world.waiting)
    assert not good & world.disabled
    # A probe a minute, and at most one of them for each odd phone that was never tried before
    assert world.longest_wait <= timedelta(seconds=PROBE_S * (len(odd) + 1))


@settings(max_examples=200)
@given(code=codes, sizes=st.lists(st.integers(1, 4), min_size=1, max_size=9), served=st.booleans())
def test_a_wrong_configuration_pauses_within_a_few_answers_disables_nobody_and_is_outlived(code, sizes, served):
    world = World(phones=40, odd={})
    if served:
        world.post([99])
        world.passes(7200)
    world.broken = code
    phone = 0
    for size in sizes:
        asked = len(world.tried)
        world.post(range(phone, phone + size))
        phone += size
        assert world.paused or len(world.tried) - (1 if served else 0) < SEVERAL_DEVICES, asked
        world.passes(600)
    assert not world.disabled
    world.broken = None
    world.passes(600)
    # What was refused before it was understood is sent again by its own retry or by the end of the pause
    world.send()
    assert not world.waiting
    assert not world.disabled
