"""What the loopback push gateway sustains, so that a benchmark of ours does not measure the gateway."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from pipeline.push.channel import Channel
from pipeline.push.channels import build_channels
from pipeline.push.config import PushConfig
from pipeline.push.message import Message, Platform, tag_for_post
from pipeline.push.outcome import OutcomeKind
from scripts.bench.errors import BenchmarkError
from scripts.gateway.process import GatewayProcess, gateway_process
from scripts.testbed.workers import cpu_s

BATCH = 400
DEADLINE_S = 60.0


def measure_gateway(count: int) -> dict[str, float]:
    """Send `count` messages over each of FCM and APNs, two batches at once, from one process.

    per_s: messages per second, bounded by this sender and the gateway together. gateway_cpu_ms: the gateway's CPU for
    one message. gateway_per_s: what it sustains on one core, by that.
    """
    figures: dict[str, float] = {"count": count}
    with (
        tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder,
        gateway_process(Path(folder), keep=3 * count) as gateway,
    ):
        named = {name.lower(): value for name, value in gateway.environment().items()}
        channels = build_channels(PushConfig(ca_file=named.pop("push_ca_file"), **named))
        try:
            for platform in (Platform.FCM, Platform.APNS):
                figures |= _measured(gateway, channels[platform], platform, count)
        finally:
            for channel in channels.values():
                channel.close()
    return figures


def _measured(gateway: GatewayProcess, channel: Channel, platform: Platform, count: int) -> dict[str, float]:
    channel.send(_messages(platform, 0, BATCH), DEADLINE_S)
    batches = [_messages(platform, start, min(BATCH, count - start)) for start in range(0, count, BATCH)]
    began, cpu = time.perf_counter(), cpu_s([gateway.pid])
    with ThreadPoolExecutor(2) as pool:
        outcomes = [o for part in pool.map(lambda batch: channel.send(batch, DEADLINE_S), batches) for o in part]
    took, each_ms = time.perf_counter() - began, (cpu_s([gateway.pid]) - cpu) / count * 1000
    bad = {o.code for o in outcomes if o.kind is not OutcomeKind.DELIVERED}
    if bad:
        raise BenchmarkError(f"{platform} messages were not delivered: {', '.join(sorted(bad))}")
    return {
        f"{platform}_per_s": round(count / took),
        f"{platform}_gateway_cpu_ms": round(each_ms, 3),
        f"{platform}_gateway_per_s": round(1000 / each_ms) if each_ms else 0,
    }


def _messages(platform: Platform, start: int, count: int) -> list[Message]:
    return [
        Message(
            delivery_id=str(number),
            platform=platform,
            token=f"{number:064x}" if platform is Platform.APNS else f"{number:08d}:APA91b" + "x" * 130,
            tag=tag_for_post(7),
            title="장학금 신청 안내",
            body="신청 기간과 방법을 안내합니다. " * 8,
            data={"post_id": "7", "site": "bench"},
            created_at=datetime.now(UTC),
        )
        for number in range(start, start + count)
    ]
