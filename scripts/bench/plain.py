"""The simplest design, to compare with: a task per user, a new pyfcm client in each, a commit in each.

`celery -A scripts.bench.plain worker -P prefork -c 3` runs it.
"""

from functools import lru_cache

from celery import Celery
from pyfcm import FCMNotification
from sqlalchemy import select, update

from pipeline.resources import now
from pipeline.settings import get_settings
from storage.models import Delivery, Device, Notification, Post
from storage.session import Database

QUEUE = "bench_plain"

app = Celery("plain", broker=get_settings().broker)
app.conf.update(task_default_queue=QUEUE, task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)


@lru_cache(maxsize=1)
def _database() -> Database:
    return Database(get_settings().database)


@app.task(name="plain_notify")
def plain_notify(post_id: int, user_id: int) -> None:
    """Send one post to one user, the plain way."""
    settings = get_settings()
    FCMNotification.FCM_END_POINT_BASE = f"{settings.fcm_endpoint}/v1/projects"
    with _database().reading() as session:
        notification = session.scalars(
            select(Notification).where(Notification.post_id == post_id, Notification.user_id == user_id)
        ).one()
        post = session.get_one(Post, post_id)
        devices = session.scalars(select(Device).where(Device.user_id == user_id)).all()
    deliveries = []
    for device in devices:
        client = FCMNotification(service_account_file=str(settings.fcm_service_account_file))
        answer = client.notify(
            fcm_token=device.token,
            notification_title=post.title,
            notification_body=post.body,
            data_payload={"post_id": str(post_id)},
            android_config={"notification": {"tag": f"post-{post_id}"}},
        )
        deliveries.append(
            Delivery(
                notification_id=notification.id,
                device_id=device.id,
                platform=device.platform,
                status="delivered",
                provider_id=answer["name"],
                at=now(),
            )
        )
    # Only now: a transaction that is open while the network answers would hold up the other processes.
    with _database().writing() as session:
        session.add_all(deliveries)
        session.execute(
            update(Notification).where(Notification.id == notification.id).values(status="sent", sent_at=now())
        )
