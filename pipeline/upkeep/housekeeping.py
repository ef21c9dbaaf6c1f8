"""What is due once in a while: devices that nobody uses any more, and the line that sums up a day."""

import logging
from datetime import timedelta, tzinfo

from redis import Redis

from pipeline.resources import now
from storage import overview, users
from storage.session import Database

logger = logging.getLogger(__name__)

SUMMARY_KEY = "crawlpush:summary:"


def expire_devices(database: Database, *, days: int) -> int:
    """Disable the devices that were not registered again for so many days; returns how many.

    Google calls a token stale after 270 days without a sign of its app, and drops it:
    https://firebase.google.com/docs/cloud-messaging/manage-tokens. A device that comes back is enabled again.
    """
    at = now()
    with database.writing() as session:
        expired = users.expire_devices(
            session, unseen_since=at - timedelta(days=days), now=at, reason=f"unseen for {days} days"
        )
    if expired:
        logger.info("devices expired", extra={"fields": {"devices": expired, "days": days}})
    return expired


def sum_up_day(database: Database, redis: Redis, *, zone: tzinfo | None) -> bool:
    """Log one line about the last 24 hours, once per day of the zone (None: the machine's); False when it was said."""
    at = now()
    day = at.astimezone(zone).date()
    if not redis.set(f"{SUMMARY_KEY}{day}", "said", nx=True, ex=timedelta(days=2)):
        return False
    since = at - timedelta(days=1)
    with database.reading() as session:
        states = overview.site_states(session)
        pushes = overview.pushes_since(session, since)
        fields = {
            "sites": len(states),
            "in_trouble": sum(state.site.trouble is not None for state in states),
            "held": sum(state.held_posts for state in states),
            "posts": overview.posts_since(session, since).count,
            "delivered": sum(n.count for what, n in pushes.items() if what.endswith(" delivered")),
            "failed": sum(n.count for what, n in pushes.items() if what.endswith(" failed")),
            "pending": overview.owed(session).pending.count,
        }
    logger.info("daily summary", extra={"fields": fields})
    return True
