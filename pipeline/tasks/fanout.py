"""The fan-out task: one slice of a post's readers at a time, taking turns with other posts."""

from collections.abc import Sequence

from pipeline import resources
from pipeline.basics.once import Once
from pipeline.broker.notify_room import NotifyRoom
from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import FANOUT_LEASE_S, LATER_PRIORITY, NOTIFY_QUEUE, app
from pipeline.delivery.asking import timing_of
from pipeline.fanout import edits
from pipeline.fanout.slices import RANGES, FanOuts, FanOutSettings, SliceEnd
from pipeline.fanout.synonyms import SynonymsFile
from pipeline.metrics import recording
from pipeline.settings import get_settings
from pipeline.tasks.arguments import require_ids
from pipeline.tasks.retries import RETRIES, TRANSIENT_ERRORS

WAIT_S = 0.2
"""How long a fan-out waits when the notify queue is full."""


@Once
def _fan_outs() -> FanOuts:
    settings = get_settings()
    return FanOuts(
        resources.database(),
        FanOutSettings(slice_users=settings.fanout_slice, lease_s=FANOUT_LEASE_S),
        room=NotifyRoom(settings.notify_queue_max, lambda: queue_length(app, NOTIFY_QUEUE), resources.redis()),
        publish=lambda keys: publish_many(app, "notify_user", keys),
        publish_later=lambda keys: publish_many(app, "notify_user", keys, priority=LATER_PRIORITY),
        on_matched=recording.matched,
        timing=timing_of(settings),
        synonyms=SynonymsFile(settings.synonyms_file).current,
    )


@app.task(name="fan_out_post", **RETRIES)
def fan_out_post(post_id: int) -> None:
    """Serve the next slice of a post's readers, and go to the back of the queue if there are more.

    Several of them serve one post at once where it was split.
    """
    require_ids(post_id=post_id)
    match _fan_outs().next_slice(post_id):
        case SliceEnd.MORE:
            enqueue_fan_outs([post_id])
        case SliceEnd.SPLIT:
            enqueue_fan_outs([post_id] * RANGES)
        case SliceEnd.WAIT:
            fan_out_post.apply_async((post_id,), countdown=WAIT_S)
        case SliceEnd.DONE | SliceEnd.NOTHING:
            return


@app.task(name="look_at_edits", throws=TRANSIENT_ERRORS)
def look_at_edits() -> None:
    """Enqueue the fan-outs of posts that were edited and concern somebody new."""
    enqueue_fan_outs(edits.look_at_edits(resources.database(), _fan_outs().matchers))


def enqueue_fan_outs(post_ids: Sequence[int]) -> None:
    """Enqueue the fan-outs of the given posts."""
    publish_many(app, "fan_out_post", [(post_id,) for post_id in post_ids])
