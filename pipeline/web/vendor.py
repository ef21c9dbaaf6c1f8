"""One push to one phone, at a person's wish, with the vendor's answer in words."""

from pipeline.delivery.push_config import push_config
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from pipeline.push.trial import DEADLINE_S, answer_in_words, trial_message
from pipeline.web.context import Context
from pipeline.web.schemas.people import PushTestOut
from storage.models import Device


def try_device(services: Context, device: Device) -> PushTestOut:
    """Send one message. Nothing is recorded, and the device is not disabled for what the vendor says."""
    # The vendors' libraries are 20 MB, and this is the one thing that wants them here.
    from pipeline.delivery.shared_tokens import RedisTokenStore
    from pipeline.push.channels import build_channels

    channels = build_channels(push_config(services.settings), RedisTokenStore(services.redis), services.clock)
    try:
        message = trial_message(
            Platform(device.platform), device.token, device.environment, app=device.app, now=services.clock()
        )
        (outcome,) = channels[message.platform].send([message], DEADLINE_S)
    finally:
        for channel in channels.values():
            channel.close()
    return PushTestOut(delivered=outcome.kind is OutcomeKind.DELIVERED, answer=answer_in_words(outcome))
