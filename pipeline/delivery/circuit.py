"""When a whole channel is at fault, and not the devices: the last answers of a channel say so. Pure."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.push.outcome import Outcome

WINDOW = 50
"""Answers that are looked at."""
MIN_ANSWERS = 10
"""With fewer answers than this a circuit says nothing: two bad tokens in a row are no outage."""

CONFIGURATION_CODES: Mapping[str, str] = {
    # Codes that blame a token when they are rare, and us when they are the rule.
    "SENDER_ID_MISMATCH": "most tokens belong to another Firebase project: is the service account the right one?",
    "BadDeviceToken": "most device tokens are bad in both environments: is the key of the right team and app?",
    "DeviceTokenNotForTopic": "most device tokens belong to another app: is the topic (bundle id) right?",
    "TopicDisallowed": "pushing to this topic is not allowed: does the key belong to the app's team?",
    # Credentials, FCM.
    "UNAUTHENTICATED": "FCM refuses the access token: is the service account still enabled, and the clock right?",
    "PERMISSION_DENIED": "FCM refuses this service account: does it have the role for Firebase Cloud Messaging?",
    "NOT_FOUND": "FCM does not know this project: is the project id in the service account file right?",
    "credentials_refused": "Google refuses the service account key: create a new key and replace the file.",
    "http_401": "the FCM end point answers 401 with an unreadable body: is the end point right?",
    "http_403": "the FCM end point answers 403 with an unreadable body: is there a proxy in the way?",
    "http_404": "the FCM end point answers 404 with an unreadable body: is the end point right?",
    # Credentials and settings, APNs.
    "BadTopic": "the APNs topic is not valid: set it to the app's bundle id.",
    "MissingTopic": "the APNs topic is missing: set it to the app's bundle id.",
    "ExpiredProviderToken": "APNs says that a fresh provider token is stale: is this machine's clock right?",
    "InvalidProviderToken": "APNs refuses the provider token: do key file, key id and team id belong together?",
    "MissingProviderToken": "APNs got no provider token: check the APNs key settings.",
    "UnrelatedKeyIdInToken": "APNs says that the key id is not of this team: check key id and team id.",
    "BadEnvironmentKeyIdInToken": "the APNs key is not for this environment: create one for both.",
    "BadCertificate": "APNs refuses the certificate: check the APNs key settings.",
    "BadCertificateEnvironment": "the certificate is for the other APNs environment.",
    "Forbidden": "APNs refuses this key: is it revoked?",
}
"""Code -> what an operator should look at. Not here, on purpose: UNREGISTERED and 410 (ordinary, after an import for
example) and THIRD_PARTY_AUTH_ERROR (concerns the iOS and web tokens of FCM, and must not stop Android)."""


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A channel's configuration is at fault."""

    code: str
    sentence: str


def configuration_fault(codes: Sequence[str]) -> Pause | None:
    """Say what is wrong when more than half of the last 50 answers carry the same configuration code.

    codes: of the vendor's answers, oldest first, "" for a delivered message.
    """
    recent = codes[-WINDOW:]
    if len(recent) < MIN_ANSWERS:
        return None
    counts = Counter(code for code in recent if code in CONFIGURATION_CODES)
    for code, count in counts.most_common(1):
        if 2 * count > len(recent):
            return Pause(code=code, sentence=f"{code}: {CONFIGURATION_CODES[code]}")
    return None


class Circuit:
    """The last answers of one channel in this process. Not thread-safe: one owner."""

    def __init__(self) -> None:
        self._codes: deque[str] = deque(maxlen=WINDOW)

    def record(self, outcomes: Iterable[Outcome]) -> Pause | None:
        """Add a batch of outcomes and say whether the channel should pause. Lost answers say nothing and do not count.

        Looks after every answer, so that a burst of faults in the middle of a large batch is not averaged away.
        """
        found: Pause | None = None
        for outcome in outcomes:
            if outcome.answered or outcome.code == "credentials_refused":
                self._codes.append(outcome.code)
                # Nothing else can tip the scales, and this is asked for every message.
                if outcome.code in CONFIGURATION_CODES or len(self._codes) == MIN_ANSWERS:
                    found = configuration_fault(list(self._codes)) or found
        return found

    def reset(self) -> None:
        """Forget the past: the channel was resumed, or a probe got through."""
        self._codes.clear()
