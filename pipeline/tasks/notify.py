"""The notify task: one user and one post. Those that wait in a process are delivered together."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import resources
from pipeline.basics.ids import are_ids
from pipeline.basics.once import Once
from pipeline.celery import NOTIFY_LEASE_S, app
from pipeline.delivery.asking import timing_of
from pipeline.delivery.batch import Deliveries
from pipeline.delivery.push_config import push_config
from pipeline.delivery.quota import Quota
from pipeline.delivery.shared_tokens import RedisTokenStore
from pipeline.metrics import recording
from pipeline.push.message import Platform
from pipeline.settings import get_settings
from pipeline.tasks.arguments import require_ids
from pipeline.tasks.retries import TRANSIENT_ERRORS
from pipeline.worker.plain import Call
from pipeline.worker.pool import BatchTask
from storage import digests
from storage.notifications import Key


@Once
def _deliveries() -> Deliveries:
    from pipeline.push.channels import build_channels

    settings = get_settings()
    redis = resources.redis()
    return Deliveries(
        resources.database(),
        build_channels(push_config(settings), RedisTokenStore(redis), resources.now),
        lease_s=NOTIFY_LEASE_S,
        quotas={Platform.FCM: Quota(redis, "fcm", settings.fcm_quota_per_minute)},
        timing=timing_of(settings),
        inbox_link=settings.inbox_link,
        on_recorded=recording.pushed,
    )


class NotifyTask(BatchTask):
    """A task that delivers notifications, whose keys are its arguments."""

    abstract = True

    def do(self, calls: Sequence[Call]) -> Mapping[Call, str | None]:
        """Deliver all that are due and free; the new status of each, or None where it was not ours to deliver."""
        keys: list[Key] = list(dict.fromkeys((call[0], call[1]) for call in calls if len(call) == 2 and are_ids(*call)))
        return {**dict.fromkeys(keys), **_deliveries().deliver(keys)} if keys else {}


class DigestTask(BatchTask):
    """A task that delivers digests, each in the name of the notification that leads it."""

    abstract = True

    def do(self, calls: Sequence[Call]) -> Mapping[Call, str | None]:
        """Deliver all that are due and free; the new status of each, or None where it was not ours to deliver."""
        ids = list(dict.fromkeys(call[0] for call in calls if len(call) == 1 and are_ids(*call)))
        with resources.database().reading() as session:
            leads = digests.leads(session, ids) if ids else {}
        done = _deliveries().deliver(list(leads.values())) if leads else {}
        return {(number,): done.get(leads[number]) if number in leads else None for number in ids}


# What else a vendor, a device or a message does wrong is an outcome in the database, and no failed task.
_RETRIES: Mapping[str, Any] = {
    "autoretry_for": TRANSIENT_ERRORS,
    "retry_backoff": True,
    "retry_backoff_max": 30,
    "max_retries": 5,
}


@app.task(name="send_digest", base=DigestTask, bind=True, **_RETRIES)
def send_digest(self: DigestTask, digest_id: int) -> None:
    """Push one digest to its user's devices, unless that was done or is being done already."""
    require_ids(digest_id=digest_id)
    self.outcome(digest_id)


@app.task(name="notify_user", base=NotifyTask, bind=True, **_RETRIES)
def notify_user(self: NotifyTask, post_id: int, user_id: int) -> None:
    """Push one post to one user's devices, unless that was done or is being done already."""
    require_ids(post_id=post_id, user_id=user_id)
    self.outcome(post_id, user_id)
