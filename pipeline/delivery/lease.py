"""The lease on a claimed batch, which is looked at again before and while its messages go out.

Whoever waited for a lock, or was stopped, may hold nothing any more: somebody else has claimed the batch and sends it.
"""

from collections.abc import Collection
from datetime import timedelta

from pipeline.resources import now
from storage import claims
from storage.clock import elapsed
from storage.session import Database

TRIES = 3


class Lease:
    """How long a batch is ours, by elapsed time: no clock that is set can make it longer."""

    def __init__(self, database: Database, token: str, lease_s: float) -> None:
        """Begins now, before the claim: whatever the claim waits for is counted."""
        self.token = token
        self._database = database
        self._lease_s = lease_s
        self._began = elapsed()

    def sends_for_s(self) -> float:
        """Seconds in which messages may go out: until half of it, because what is recorded must still be ours."""
        return self._began + self._lease_s / 2 - elapsed()

    def still_ours(self, ids: Collection[int]) -> Collection[int]:
        """Those of the claimed notifications that are ours for long enough to send them."""
        for _ in range(TRIES):
            if self.sends_for_s() >= self._lease_s / 4:
                return ids
            ids = self.renew(ids)
        # The database takes longer for it than the lease lasts.
        return ()

    def renew(self, ids: Collection[int]) -> Collection[int]:
        """Begin it anew, for those that nobody else has claimed meanwhile; returns them."""
        began = elapsed()
        with self._database.writing() as session:
            until = now() + timedelta(seconds=self._lease_s)
            ids = claims.renew(session, ids, token=self.token, lease_until=until)
        self._began = began
        return ids
