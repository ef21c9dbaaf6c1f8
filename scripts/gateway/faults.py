"""The failures that the gateway can be told to have, and the plan that deals them out."""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from random import Random
from typing import Any, TypeVar

from scripts.errors import CommandError
from scripts.gateway.answers import APNS_REASONS, FCM_CODES, GARBAGE, Answer, apns_error, fcm_error, garbage

T = TypeVar("T")
SIDES = ("fcm", "apns")


class FaultsError(CommandError, ValueError):
    """A failure plan that cannot be followed; the message says which field and what it may be."""


def _fault(default: T, meaning: str, *, low: float = 0, high: float = 1e9, choices: tuple[str, ...] = ()) -> T:
    """Declare one field of Faults: its default, what it does, and what it may be."""
    metadata = {"meaning": meaning, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


NO_TOKENS: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong, on purpose. The default is nothing. Rates are shares of requests, from 0 to 1.

    Raises FaultsError when a value is of the wrong type or out of range.
    """

    scope: str = _fault("both", "Which side fails.", choices=("both", *SIDES))
    seed: int = _fault(0, "The same seed gives the same sequence of failures.")
    latency_ms: float = _fault(0.0, "Answer after this many milliseconds.", high=600_000)
    jitter_ms: float = _fault(0.0, "Add up to this many random milliseconds.", high=600_000)
    unavailable_rate: float = _fault(0.0, "Share answered 503.", high=1)
    too_many_rate: float = _fault(0.0, "Share answered 429.", high=1)
    retry_after: int = _fault(0, "Seconds in Retry-After with 429 and 503; 0 leaves the header out.")
    retry_after_date: bool = _fault(False, "Write Retry-After as an HTTP date.")
    refuse: frozenset[str] = _fault(NO_TOKENS, "Vendor's code answered to every request of its side.")
    refuse_rate: float = _fault(1.0, "Share of requests that --refuse answers.", high=1)
    answers: frozenset[str] = _fault(NO_TOKENS, "TOKEN=CODE: the vendor's code that one token is answered.")
    dead_tokens: frozenset[str] = _fault(NO_TOKENS, "Tokens that are no longer registered.")
    dead_prefix: str = _fault("", "Tokens that start so are no longer registered.")
    dead_since_ms: int = _fault(0, "APNs' timestamp for dead tokens (epoch, ms); 0 is now.", high=1e14)
    sandbox_tokens: frozenset[str] = _fault(NO_TOKENS, "APNs tokens that live in the sandbox.")
    sandbox_prefix: str = _fault("", "APNs tokens that start so live in the sandbox.")
    silent_rate: float = _fault(0.0, "Share that is never answered.", high=1)
    reset_every: int = _fault(0, "Reset the TCP connection at every Nth request.")
    rst_stream_every: int = _fault(0, "APNs: end every Nth stream with RST_STREAM.")
    rst_stream_code: str = _fault(
        "REFUSED_STREAM",
        "Error code of RST_STREAM; REFUSED_STREAM alone promises that nothing was processed.",
        choices=("REFUSED_STREAM", "INTERNAL_ERROR", "CANCEL"),
    )
    goaway_after: int = _fault(0, "APNs: send GOAWAY at the Nth stream of each connection.")
    lose_answers: bool = _fault(False, "Reset, silence and RST_STREAM strike after the message was delivered.")
    drip_ms: float = _fault(0.0, "Milliseconds between the bytes of an answer.", high=600_000)
    garbage: str = _fault("", "Answer something that no vendor documents.", choices=("", *GARBAGE))
    garbage_rate: float = _fault(1.0, "Share of requests that --garbage answers.", high=1)
    max_streams: int = _fault(1000, "APNs: SETTINGS_MAX_CONCURRENT_STREAMS.", low=1, high=100_000)
    one_stream_first: bool = _fault(
        True, "APNs: allow one stream until a valid provider token was seen, as Apple does."
    )
    strict_provider_tokens: bool = _fault(
        False, "APNs: TooManyProviderTokenUpdates for a second provider token within 20 minutes."
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        for code in self.refuse:
            _check_code("refuse", code)
        for pair in self.answers:
            token, separator, code = pair.rpartition("=")
            if not (token and separator):
                raise FaultsError("answers: write each as TOKEN=CODE.")
            _check_code("answers", code)

    @classmethod
    def from_json(cls, values: object) -> "Faults":
        """Read a plan from parsed JSON (sets are lists there); raises FaultsError."""
        if not isinstance(values, Mapping):
            raise FaultsError("A failure plan is a JSON object of fields and values.")
        known = {field.name: field for field in dataclasses.fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise FaultsError(f"There is no failure named {name!r}; known are: {', '.join(known)}.")
            if isinstance(known[name].default, frozenset):
                if not isinstance(value, list | tuple | set | frozenset):
                    raise FaultsError(f"{name} is a list of texts.")
                if not all(isinstance(item, str) for item in value):
                    raise FaultsError(f"{name} is a list of texts.")
                value = frozenset(value)
            given[name] = value
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values, every field included."""
        values = dataclasses.asdict(self)
        return {name: sorted(v) if isinstance(v, frozenset) else v for name, v in values.items()}

    def is_dead(self, token: str) -> bool:
        """Tell whether the app behind `token` is gone."""
        return token in self.dead_tokens or bool(self.dead_prefix and token.startswith(self.dead_prefix))

    def environment(self, token: str) -> str:
        """Return the APNs environment in which `token` is valid: production or sandbox."""
        starts = bool(self.sandbox_prefix and token.startswith(self.sandbox_prefix))
        return "sandbox" if starts or token in self.sandbox_tokens else "production"


def _check(field: "dataclasses.Field[Any]", value: object) -> None:
    rules, kind = field.metadata, type(field.default)
    if kind in (int, float):
        wanted = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise FaultsError(f"{field.name} is a number{' without a fraction' if kind is int else ''}.")
        if not rules["low"] <= value <= rules["high"]:
            raise FaultsError(f"{field.name} is from {rules['low']:g} to {rules['high']:g}, not {value:g}.")
    elif not isinstance(value, kind):
        words = {bool: "true or false", str: "a text", frozenset: "a set of texts"}
        raise FaultsError(f"{field.name} is {words[kind]}.")
    elif rules["choices"] and value not in rules["choices"]:
        known = ", ".join(choice for choice in rules["choices"] if choice)
        raise FaultsError(f"{field.name} is one of {known}, not {value!r}.")


def _check_code(name: str, code: str) -> None:
    if code not in FCM_CODES and code not in APNS_REASONS:
        raise FaultsError(f"{name}: {code!r} is a code of neither FCM nor APNs.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What happens to one request. The default is an ordinary answer."""

    # Answer, reset, silent or rst_stream.
    manner: str = "answer"
    delay_s: float = 0.0
    # Between two bytes of the answer.
    drip_s: float = 0.0
    # Given in place of the vendor's verdict.
    answer: Answer | None = None
    # Whether the message is judged, and shown if good, all the same.
    delivered: bool = True


CALM = Disturbance()


class FaultPlan:
    """Deals the failures of one Faults out to requests, repeatably; also counts them by kind."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.dealt: dict[str, int] = {}
        self.dead_since_ms = faults.dead_since_ms or int(time.time() * 1000)
        self._requests = dict.fromkeys(SIDES, 0)
        self._random = {side: Random(f"{faults.seed}:{side}") for side in SIDES}  # noqa: S311 - not secrets
        self._refuse = {
            "fcm": tuple(sorted(code for code in faults.refuse if code in FCM_CODES)),
            "apns": tuple(sorted(code for code in faults.refuse if code in APNS_REASONS)),
        }
        pairs = (pair.rpartition("=") for pair in faults.answers)
        self._answers = {token: code for token, _, code in pairs}
        harmless = ("scope", "seed", "max_streams", "one_stream_first", "strict_provider_tokens", "answers")
        tokens = ("dead_tokens", "dead_prefix", "dead_since_ms", "sandbox_tokens", "sandbox_prefix")
        quiet = dataclasses.asdict(Faults())
        self._calm = all(
            value == quiet[name] for name, value in dataclasses.asdict(faults).items() if name not in harmless + tokens
        )

    def next(self, side: str) -> Disturbance:
        """Return what happens to the next request of `side`."""
        if self._calm or self.faults.scope not in ("both", side):
            return CALM
        self._requests[side] += 1
        delay, drip = self._delay(side), self.faults.drip_ms / 1000
        manner = self._manner(side)
        if manner != "answer":
            self.count(manner)
            return Disturbance(manner=manner, delay_s=delay, delivered=self.faults.lose_answers)
        answer = self._answer(side)
        if answer is not None:
            self.count(answer.code)
        return Disturbance(delay_s=delay, drip_s=drip, answer=answer, delivered=answer is None)

    def token_answer(self, side: str, token: str) -> Answer | None:
        """Return the refusal that `token` is due, None when there is none. It does not depend on which side fails."""
        if self._answers and (code := self._answers.get(token)) is not None:
            if side == "fcm" and code in FCM_CODES:
                return self._retry_later(fcm_token_error(code))
            if side == "apns" and code in APNS_REASONS:
                return self._retry_later(apns_error(code, timestamp_ms=self.dead_since_ms))
        if self.faults.is_dead(token):
            if side == "fcm":
                return fcm_error("UNREGISTERED")
            return apns_error("Unregistered", timestamp_ms=self.dead_since_ms)
        return None

    def count(self, kind: str) -> None:
        """Note that a failure of this kind happened."""
        self.dealt[kind] = self.dealt.get(kind, 0) + 1

    def _happens(self, side: str, rate: float) -> bool:
        return rate > 0 and self._random[side].random() < rate

    def _delay(self, side: str) -> float:
        jitter = self.faults.jitter_ms * self._random[side].random() if self.faults.jitter_ms else 0.0
        return (self.faults.latency_ms + jitter) / 1000

    def _manner(self, side: str) -> str:
        number, faults = self._requests[side], self.faults
        if faults.reset_every and number % faults.reset_every == 0:
            return "reset"
        if side == "apns" and faults.rst_stream_every and number % faults.rst_stream_every == 0:
            return "rst_stream"
        return "silent" if self._happens(side, faults.silent_rate) else "answer"

    def _answer(self, side: str) -> Answer | None:
        faults, fcm = self.faults, side == "fcm"
        if self._happens(side, faults.unavailable_rate):
            return self._retry_later(fcm_error("UNAVAILABLE") if fcm else apns_error("ServiceUnavailable"))
        if self._happens(side, faults.too_many_rate):
            return self._retry_later(fcm_error("QUOTA_EXCEEDED") if fcm else apns_error("TooManyRequests"))
        if faults.garbage and self._happens(side, faults.garbage_rate):
            return garbage(faults.garbage, side)
        if self._refuse[side] and self._happens(side, faults.refuse_rate):
            code = self._random[side].choice(self._refuse[side])
            return self._retry_later(fcm_error(code) if fcm else apns_error(code, timestamp_ms=self.dead_since_ms))
        return None

    def _retry_later(self, answer: Answer) -> Answer:
        if answer.status not in (429, 503) or not self.faults.retry_after:
            return answer
        seconds = self.faults.retry_after
        if self.faults.retry_after_date:
            return answer.with_headers(("retry-after", formatdate(time.time() + seconds, usegmt=True)))
        return answer.with_headers(("retry-after", str(seconds)))


def fcm_token_error(code: str) -> Answer:
    """Return FCM's error about one token; INVALID_ARGUMENT names the field message.token."""
    if code != "INVALID_ARGUMENT":
        return fcm_error(code)
    sentence = "The registration token is not a valid FCM registration token"
    return fcm_error(code, sentence, violations=(("message.token", sentence),))
