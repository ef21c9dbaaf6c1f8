import json
from collections import Counter
from typing import Any

import pytest

from scripts.gateway.faults import CALM, FaultPlan, Faults, FaultsError


def dealt(side: str, requests: int, **faults: Any) -> list[str]:
    plan = FaultPlan(Faults.from_json(faults))
    return [(d.answer.code if d.answer else d.manner) for d in (plan.next(side) for _ in range(requests))]


WRONG: dict[str, tuple[object, str]] = {
    "unknown field": ({"latency": 5}, "There is no failure named 'latency'; known are: scope, seed"),
    "text for a number": ({"latency_ms": "5"}, "latency_ms is a number."),
    "true for a number": ({"seed": True}, "seed is a number without a fraction."),
    "fraction for a count": ({"reset_every": 1.5}, "reset_every is a number without a fraction."),
    "not a number at all": ({"unavailable_rate": float("nan")}, "unavailable_rate is from 0 to 1"),
    "rate above 1": ({"silent_rate": 1.1}, "silent_rate is from 0 to 1, not 1.1."),
    "negative": ({"drip_ms": -1}, "drip_ms is from 0"),
    "no streams": ({"max_streams": 0}, "max_streams is from 1"),
    "scope": ({"scope": "gcm"}, "scope is one of both, fcm, apns, not 'gcm'."),
    "garbage": ({"garbage": "xml"}, "garbage is one of html"),
    "text for a list": ({"dead_tokens": "abc"}, "dead_tokens is a list of texts."),
    "numbers in a list": ({"dead_tokens": [1]}, "dead_tokens is a list of texts."),
    "number for a text": ({"dead_prefix": 1}, "dead_prefix is a text."),
    "text for a flag": ({"lose_answers": "no"}, "lose_answers is true or false."),
    "code nobody gives": ({"refuse": ["NOPE"]}, "refuse: 'NOPE' is a code of neither"),
    "answer without code": ({"answers": ["abc"]}, "answers: write each as TOKEN=CODE."),
    "answer with a wrong code": ({"answers": ["abc=NOPE"]}, "answers: 'NOPE' is a code of neither"),
    "not an object": ([], "A failure plan is a JSON object"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plan_is_refused_in_one_sentence(name: str) -> None:
    values, words = WRONG[name]
    with pytest.raises(FaultsError) as caught:
        Faults.from_json(values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_survives_json() -> None:
    faults = Faults(latency_ms=5, dead_tokens=frozenset({"b", "a"}), answers=frozenset({"x=UNREGISTERED"}))
    assert Faults.from_json(json.loads(json.dumps(faults.to_json()))) == faults


def test_without_failures_every_request_is_calm() -> None:
    plan = FaultPlan(Faults(dead_tokens=frozenset({"x"}), sandbox_prefix="5", max_streams=5, seed=3))
    assert all(plan.next(side) is CALM for side in ("fcm", "apns"))


def test_the_same_seed_fails_the_same_requests() -> None:
    faults = {"unavailable_rate": 0.3, "too_many_rate": 0.3, "silent_rate": 0.1, "seed": 7}
    first = dealt("fcm", 200, **faults)
    assert first == dealt("fcm", 200, **faults)
    assert first != dealt("fcm", 200, **{**faults, "seed": 8})
    assert set(first) == {"answer", "UNAVAILABLE", "QUOTA_EXCEEDED", "silent"}


def test_rates_are_shares() -> None:
    counts = Counter(dealt("apns", 2000, unavailable_rate=0.25))
    assert 400 < counts["ServiceUnavailable"] < 600


def test_every_nth_request_is_counted_by_side() -> None:
    plan = FaultPlan(Faults(reset_every=2))
    assert [plan.next(side).manner for side in ("fcm", "apns", "fcm", "apns")] == ["answer", "answer", "reset", "reset"]
    assert plan.dealt == {"reset": 2}


def test_rst_stream_is_not_for_http_1() -> None:
    assert dealt("fcm", 2, rst_stream_every=1) == ["answer", "answer"]
    assert dealt("apns", 2, rst_stream_every=1) == ["rst_stream", "rst_stream"]


def test_scope_leaves_the_other_side_alone() -> None:
    assert dealt("apns", 2, unavailable_rate=1, scope="fcm") == ["answer", "answer"]


@pytest.mark.parametrize("side", ["fcm", "apns"])
def test_a_dead_token_is_dead_whichever_side_fails(side: str) -> None:
    plan = FaultPlan(Faults(scope="fcm", unavailable_rate=1, dead_tokens=frozenset({"x"})))
    assert plan.token_answer(side, "x") is not None


@pytest.mark.parametrize(
    ("side", "code", "status"),
    [
        ("fcm", "SENDER_ID_MISMATCH", 403),
        ("fcm", "THIRD_PARTY_AUTH_ERROR", 401),
        ("fcm", "UNAUTHENTICATED", 401),
        ("fcm", "PERMISSION_DENIED", 403),
        ("apns", "InvalidProviderToken", 403),
        ("apns", "BadCertificateEnvironment", 403),
        ("apns", "TooManyProviderTokenUpdates", 429),
        ("apns", "Shutdown", 503),
    ],
)
def test_a_vendors_code_for_every_request(side: str, code: str, status: int) -> None:
    answer = FaultPlan(Faults(refuse=frozenset({code}))).next(side).answer
    assert (answer.status, answer.code) == (status, code)
    other = "apns" if side == "fcm" else "fcm"
    assert FaultPlan(Faults(refuse=frozenset({code}))).next(other).answer is None


def test_retry_after_in_seconds_as_a_date_and_not_at_all() -> None:
    def header(**faults: Any) -> tuple[tuple[str, str], ...]:
        answer = FaultPlan(Faults(too_many_rate=1, **faults)).next("fcm").answer
        return answer.headers

    assert header() == ()
    assert header(retry_after=30) == (("retry-after", "30"),)
    assert header(retry_after=30, retry_after_date=True)[0][1].endswith(" GMT")


def test_dead_tokens_by_name_and_by_prefix() -> None:
    plan = FaultPlan(Faults(dead_tokens=frozenset({"abc"}), dead_prefix="dead", dead_since_ms=1_700_000_000_000))
    for token in ("abc", "dead-1"):
        fcm, apns = plan.token_answer("fcm", token), plan.token_answer("apns", token)
        assert fcm is not None
        assert apns is not None
        assert (fcm.status, fcm.code) == (404, "UNREGISTERED")
        assert json.loads(apns.body) == {"reason": "Unregistered", "timestamp": 1_700_000_000_000}
    assert plan.token_answer("fcm", "alive") is None


def test_one_tokens_own_answer() -> None:
    plan = FaultPlan(Faults(answers=frozenset({"a=b=INVALID_ARGUMENT", "c=TooManyRequests"}), retry_after=9))
    invalid, later = plan.token_answer("fcm", "a=b"), plan.token_answer("apns", "c")
    assert b'"message.token"' in invalid.body
    assert (later.status, later.headers) == (429, (("retry-after", "9"),))
    assert plan.token_answer("fcm", "c") is None


def test_environments() -> None:
    faults = Faults(sandbox_tokens=frozenset({"abc"}), sandbox_prefix="5b")
    assert [faults.environment(token) for token in ("abc", "5b00", "00")] == ["sandbox", "sandbox", "production"]


@pytest.mark.parametrize("kind", ["html", "html_502", "empty", "truncated", "unknown_code"])
@pytest.mark.parametrize("side", ["fcm", "apns"])
def test_garbage_is_no_vendors_answer(side: str, kind: str) -> None:
    answer = FaultPlan(Faults(garbage=kind)).next(side).answer
    assert answer.code == f"garbage:{kind}"
    if kind == "unknown_code":
        assert b"uantum" in answer.body.lower()
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.body)
    # An empty 200 would be a success for APNs.
    assert (side, kind, answer.status) != ("apns", "empty", 200)


def test_a_lost_answer_is_delivered_an_answered_failure_is_not() -> None:
    assert FaultPlan(Faults(reset_every=1)).next("fcm").delivered is False
    assert FaultPlan(Faults(reset_every=1, lose_answers=True)).next("fcm").delivered is True
    assert FaultPlan(Faults(unavailable_rate=1, lose_answers=True)).next("fcm").delivered is False
