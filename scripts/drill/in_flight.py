"""How many sends were in the hands of notifiers that were killed, or that could not record what they had sent."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scripts.testbed.verdict import Pair

Claims = Mapping[tuple[int, str], Sequence[Pair]]
"""(notification, token of the claim) -> the sends that it means."""
SOON_S = 8.0
"""What is still held by the same claim so long after a loss was abandoned, or has a slow answer."""
LEASE_S = 25.0
"""Until then nobody else can have claimed it: half a lease, less what its holder may have used of it before."""


@dataclass(frozen=True, kw_only=True)
class _Loss:
    at_s: float
    claims: Claims


class InFlight:
    """Counts what was in flight at each loss: an upper bound, since a slow answer elsewhere is counted too."""

    def __init__(self, claims: Callable[[], Claims]) -> None:
        """claims: asks the database for what is claimed at this moment."""
        self._claims = claims
        self._open: list[_Loss] = []
        self.sends: Counter[Pair] = Counter()

    def note(self, now_s: float, claims: Claims | None = None) -> None:
        """Something is lost at this moment: remember what is claimed. Nobody may claim or record meanwhile.

        claims: what was asked already, where the database cannot be asked any more.
        """
        self._open.append(_Loss(at_s=now_s, claims=self._claims() if claims is None else claims))

    def look(self, now_s: float) -> None:
        """Count for each loss that is old enough what is still in the same hands; all of it when that is too late."""
        due = [loss for loss in self._open if now_s >= loss.at_s + SOON_S]
        if not due:
            return
        held = self._claims()
        for loss in due:
            self._open.remove(loss)
            late = now_s > loss.at_s + LEASE_S
            for claim, sends in loss.claims.items():
                if late or claim in held:
                    self.sends.update(sends)
