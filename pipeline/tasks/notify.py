"""The notify task: one user and one post. The waiting tasks of a process meet in one sender, which does the work."""

import logging
from functools import lru_cache

from pipeline import resources
from pipeline.celery import NOTIFY_LEASE_S, app
from pipeline.delivery import Deliveries
from pipeline.metrics import recording
from pipeline.provider_tokens import RedisTokenStore
from pipeline.push.channels import build_channels
from pipeline.push.message import Platform
from pipeline.push.sender import Sender
from pipeline.push_settings import push_config
from pipeline.quota import Quota
from pipeline.settings import get_settings
from pipeline.tasks.arguments import require_ids
from pipeline.transient import TRANSIENT_ERRORS
from storage.notifications import Key

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _sender() -> Sender[Key, str | None]:
    settings = get_settings()
    redis = resources.redis()
    deliveries = Deliveries(
        resources.database(),
        build_channels(push_config(settings), RedisTokenStore(redis)),
        lease_s=NOTIFY_LEASE_S,
        quotas={Platform.FCM: Quota(redis, "fcm", settings.fcm_quota_per_minute)},
        on_recorded=recording.pushed,
    )
    return Sender(lambda keys: {**dict.fromkeys(keys), **deliveries.deliver(keys)})


@app.task(
    name="notify_user",
    # What else a vendor, a device or a message does wrong is an outcome in the database, and no failed task.
    autoretry_for=TRANSIENT_ERRORS,
    retry_backoff=True,
    retry_backoff_max=30,
    max_retries=5,
)
def notify_user(post_id: int, user_id: int) -> None:
    """Push one post to one user's devices, unless that was done or is being done already."""
    require_ids(post_id=post_id, user_id=user_id)
    try:
        _sender().submit((post_id, user_id)).result(timeout=NOTIFY_LEASE_S)
    except TimeoutError:
        # The batches before it hang. It is still in line here, and the sweep looks for it if this process dies.
        logger.warning("notification still in line", extra={"fields": {"post": post_id, "user": user_id}})
