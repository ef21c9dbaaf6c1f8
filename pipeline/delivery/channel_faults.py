"""When a whole channel is at fault and not a device, and when it is well again. Pure.

A vendor's refusal of one device may be that device's (a token of another app) or ours (a wrong key). It is taken for
ours when several devices, of several users, are refused for the same reason and none is served meanwhile; a refusal
that can only be about our credentials is so at once where nothing was served just before. Whoever is refused alone is
tried again later, and stops nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.push.answers import HUMAN_BACKOFF_S
from pipeline.push.outcome import CHANNEL_WAIT_S, Outcome, OutcomeKind

QUIET_S = 60.0
"""A message that was taken within so many seconds speaks for our credentials."""
SEVERAL_DEVICES = 3
SEVERAL_USERS = 2

ONE_OR_ALL: Mapping[str, str] = {
    "SENDER_ID_MISMATCH": "tokens belong to another Firebase project: is the service account the right one?",
    "BadDeviceToken": "device tokens are bad in both environments: is the key of the right team and app?",
    "DeviceTokenNotForTopic": "device tokens belong to another app: is the topic (bundle id) right?",
    "TopicDisallowed": "pushing to this topic is not allowed: does the key belong to the app's team?",
    "BadTopic": "the APNs topic is not valid: set it to the app's bundle id.",
    "MissingTopic": "the APNs topic is missing: set it to the app's bundle id.",
    "PERMISSION_DENIED": "FCM refuses this service account: does it have the role for Firebase Cloud Messaging?",
    "NOT_FOUND": "FCM does not know this project: is the project id in the service account file right?",
    "http_401": "the FCM end point answers 401 with an unreadable body: is the end point right?",
    "http_403": "the FCM end point answers 403 with an unreadable body: is there a proxy in the way?",
    "http_404": "the FCM end point answers 404 with an unreadable body: is the end point right?",
}
"""Codes that have been seen for one device alone, and are ours when they are all that is heard -> what an operator
should look at. Not here, on purpose: UNREGISTERED and 410 (ordinary, after an import for example) and
THIRD_PARTY_AUTH_ERROR (concerns the iOS and web tokens of FCM, and must not stop Android)."""

CREDENTIALS: Mapping[str, str] = {
    "UNAUTHENTICATED": "FCM refuses the access token: is the service account still enabled, and the clock right?",
    "credentials_refused": "Google refuses the service account key: create a new key and replace the file.",
    "ExpiredProviderToken": "APNs says that a fresh provider token is stale: is this machine's clock right?",
    "InvalidProviderToken": "APNs refuses the provider token: do key file, key id and team id belong together?",
    "MissingProviderToken": "APNs got no provider token: check the APNs key settings.",
    "UnrelatedKeyIdInToken": "APNs says that the key id is not of this team: check key id and team id.",
    "BadEnvironmentKeyIdInToken": "the APNs key is not for this environment: create one for both.",
    "BadCertificate": "APNs refuses the certificate: check the APNs key settings.",
    "BadCertificateEnvironment": "the certificate is for the other APNs environment.",
    "Forbidden": "APNs refuses this key: is it revoked?",
}
"""Codes about what is the same with every message, whoever it is for -> what an operator should look at."""

FAULTS: Mapping[str, str] = {**ONE_OR_ALL, **CREDENTIALS}

_BLAMES_DEVICE = frozenset(
    {OutcomeKind.TOKEN_DEAD, OutcomeKind.WRONG_ENVIRONMENT, OutcomeKind.REJECTED, OutcomeKind.REFUSED}
)
_REFUSES = _BLAMES_DEVICE | {OutcomeKind.CHANNEL_DOWN, OutcomeKind.RETRY}
_ACCEPTED = frozenset({OutcomeKind.DELIVERED, OutcomeKind.TOKEN_DEAD})


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A device that the vendor refuses, for what reason, and since when it does so without having served it."""

    code: str
    device: int
    user: int
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back for one device."""

    device: int
    user: int
    outcome: Outcome
    # Its refusal, if the vendor refused it before and has not served it since.
    refused_code: str | None = None
    refused_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A channel is to be paused."""

    code: str
    # What an operator should look at.
    sentence: str
    # Since when nothing speaks for the channel: what it did to devices since then is undone.
    since: datetime
    # Seconds until the first probe.
    wait_s: float = CHANNEL_WAIT_S


def is_refusal(outcome: Outcome) -> bool:
    """Whether a device was refused, for a reason that may be ours as well as its own."""
    return (
        outcome.answered
        and outcome.kind in _REFUSES
        and (outcome.code in FAULTS or outcome.kind in {OutcomeKind.REFUSED, OutcomeKind.CHANNEL_DOWN})
    )


def is_served(answers: Iterable[Answer]) -> bool:
    """Whether the vendor took any of the messages."""
    return any(answer.outcome.kind is OutcomeKind.DELIVERED for answer in answers)


def find_fault(
    answers: Sequence[Answer], earlier: Iterable[Refusal], *, accepted_at: datetime | None, now: datetime
) -> Fault | None:
    """The fault of a channel that a batch's answers show, if they do.

    earlier: devices that were refused before. accepted_at: when the channel last took a message, before this batch.
    """
    if is_served(answers):
        return None
    # By code: the devices that speak against the channel, and their users. One that was refused already when the
    # channel served somebody else says nothing of it any more.
    witnesses: dict[str, dict[int, int]] = {}
    for each in _refusals(answers, earlier, now):
        if accepted_at is None or each.since > accepted_at:
            witnesses.setdefault(each.code, {})[each.device] = each.user
    quiet = accepted_at is None or now - accepted_at >= timedelta(seconds=QUIET_S)
    ours = {a.outcome.code: a.outcome for a in answers if _is_about_us(a.outcome)}
    for code, devices in sorted(witnesses.items(), key=lambda item: -len(item[1])):
        several = len(devices) >= SEVERAL_DEVICES and len(set(devices.values())) >= SEVERAL_USERS
        if several or (quiet and code in ours):
            said = ours[code].detail if code in ours else ""
            sentence = f"{code}: {FAULTS[code]}" if code in FAULTS else said
            since = accepted_at or min((e.since for e in earlier if e.code == code), default=now)
            return Fault(code=code, sentence=sentence, since=since, wait_s=_wait_s(ours.get(code)))
    return None


def _wait_s(outcome: Outcome | None) -> float:
    return (outcome.retry_after_s if outcome else None) or CHANNEL_WAIT_S


def _is_about_us(outcome: Outcome) -> bool:
    """Whether it would be the same with any device: credentials that the vendor refuses, or that are not there."""
    if outcome.kind is not OutcomeKind.CHANNEL_DOWN or outcome.code in ONE_OR_ALL or outcome.code == "closed":
        return False
    # What a vendor would have refused is not tried; but without a token of Google's there is nothing to try it with.
    return outcome.answered or outcome.code not in CREDENTIALS or outcome.code == "credentials_refused"


def _refusals(answers: Iterable[Answer], earlier: Iterable[Refusal], now: datetime) -> Iterable[Refusal]:
    yield from earlier
    for answer in answers:
        outcome = answer.outcome
        if is_refusal(outcome) or _is_about_us(outcome):
            known = answer.refused_since if answer.refused_code == outcome.code else None
            yield Refusal(code=outcome.code, device=answer.device, user=answer.user, since=known or now)


def alone(answers: Sequence[Answer], *, accepted_at: datetime | None, now: datetime) -> list[Outcome]:
    """The outcomes of a channel that is not at fault: whoever was refused was refused alone.

    It is tried again later. A token that the vendor calls dead for a reason that may be ours is believed dead only when
    the channel took another message since: just now, or after this one was first refused.
    """
    served = is_served(answers) or (accepted_at is not None and now - accepted_at < timedelta(seconds=QUIET_S))

    def of(answer: Answer) -> Outcome:
        outcome = answer.outcome
        if outcome.kind is OutcomeKind.CHANNEL_DOWN and outcome.answered:
            return _refused(outcome)
        if outcome.kind is OutcomeKind.TOKEN_DEAD and outcome.code in FAULTS and not served:
            since = answer.refused_since if answer.refused_code == outcome.code else None
            if since is None or accepted_at is None or accepted_at <= since:
                return _refused(outcome)
        return outcome

    return [of(answer) for answer in answers]


def _refused(outcome: Outcome) -> Outcome:
    return replace(outcome, kind=OutcomeKind.REFUSED, backoff_s=HUMAN_BACKOFF_S, retry_after_s=None)


def without_blame(outcomes: Sequence[Outcome], code: str) -> list[Outcome]:
    """The outcomes of a channel that is paused because of a code: an answer with it blames the channel, no device."""
    return [
        replace(o, kind=OutcomeKind.CHANNEL_DOWN, retry_after_s=None)
        if o.code == code and o.kind in _REFUSES - {OutcomeKind.CHANNEL_DOWN}
        else o
        for o in outcomes
    ]


def is_well(outcomes: Sequence[Outcome], code: str) -> bool:
    """Whether a probe of a channel that is paused because of a code got past what it was paused for."""
    return any(o.answered and o.kind in _ACCEPTED and o.code != code for o in outcomes)
