import pytest

from pipeline.delivery.circuit import CONFIGURATION_CODES, MIN_ANSWERS, Circuit, configuration_fault
from pipeline.push.outcome import Outcome, OutcomeKind


def fault_code(codes):
    pause = configuration_fault(codes)
    return pause.code if pause else None


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], None),
        ([""] * 50, None),
        # Too few to say anything.
        (["SENDER_ID_MISMATCH"] * (MIN_ANSWERS - 1), None),
        (["SENDER_ID_MISMATCH"] * MIN_ANSWERS, "SENDER_ID_MISMATCH"),
        # Half is not more than half.
        (["SENDER_ID_MISMATCH"] * 25 + [""] * 25, None),
        (["SENDER_ID_MISMATCH"] * 26 + [""] * 24, "SENDER_ID_MISMATCH"),
        # Only the last 50 count.
        ([""] * 500 + ["BadDeviceToken"] * 26, "BadDeviceToken"),
        (["BadDeviceToken"] * 500 + [""] * 26, None),
        # The same code, not a mixture.
        (["BadDeviceToken"] * 20 + ["DeviceTokenNotForTopic"] * 20, None),
        # Ordinary, after an import for example.
        (["UNREGISTERED"] * 50, None),
        (["Unregistered"] * 50, None),
        (["ExpiredToken"] * 50, None),
        # iOS and web tokens of FCM: Android goes on.
        (["THIRD_PARTY_AUTH_ERROR"] * 50, None),
        # A vendor's bad day is no fault of ours.
        (["UNAVAILABLE"] * 50, None),
        (["http_502"] * 50, None),
        (["QUOTA_EXCEEDED"] * 50, None),
    ],
)
def test_faults_of_ours(codes, expected):
    assert fault_code(codes) == expected


@pytest.mark.parametrize("code", CONFIGURATION_CODES)
def test_every_configuration_code_pauses_and_says_what_to_look_at(code):
    pause = configuration_fault([code] * 20)

    assert pause is not None
    assert pause.code == code
    assert pause.sentence.startswith(f"{code}: ")
    assert len(pause.sentence) > len(code) + 20


def answered(code):
    return Outcome(kind=OutcomeKind.DELIVERED if not code else OutcomeKind.TOKEN_DEAD, code=code, answered=True)


def lost(code="timeout"):
    return Outcome(kind=OutcomeKind.UNKNOWN, code=code)


def test_a_circuit_adds_up_over_batches():
    circuit = Circuit()

    assert circuit.record([answered("")] * 5) is None
    assert circuit.record([answered("InvalidProviderToken")] * 5) is None
    assert circuit.record([answered("InvalidProviderToken")]).code == "InvalidProviderToken"


def test_a_burst_in_the_middle_of_a_large_batch_is_seen():
    assert Circuit().record([answered("")] * 100 + [answered("SENDER_ID_MISMATCH")] * 40 + [answered("")] * 100)


def test_lost_answers_say_nothing():
    circuit = Circuit()

    circuit.record([answered("InvalidProviderToken")] * 9)
    assert circuit.record([lost()] * 100) is None
    assert circuit.record([answered("InvalidProviderToken")]) is not None


def test_a_service_account_that_google_refuses_counts_though_fcm_never_answered():
    refused = Outcome(kind=OutcomeKind.CHANNEL_DOWN, code="credentials_refused")

    assert Circuit().record([refused] * MIN_ANSWERS) is not None


def test_resumed_it_begins_anew():
    circuit = Circuit()
    circuit.record([answered("BadTopic")] * 50)

    circuit.reset()

    assert circuit.record([answered("BadTopic")] * (MIN_ANSWERS - 1)) is None
