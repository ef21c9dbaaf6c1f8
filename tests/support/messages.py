"""Messages for the tests of the push package."""

from collections import Counter
from datetime import UTC, datetime

from pipeline.push.message import Message, Platform, tag_for_post


def message(platform=Platform.FCM, **changes):
    fields = {
        "delivery_id": "17",
        "platform": platform,
        "token": "ab" * 32,
        "tag": tag_for_post(7),
        "title": "장학금 안내",
        "body": "2026학년도 1학기 장학금 신청",
        "url": "https://board.example/posts/7",
        "data": {"post_id": "7", "site": "demo"},
        "created_at": datetime.now(UTC),
        **changes,
    }
    return Message(**fields)


def numbered(platform, count, **changes):
    """So many messages, each of a number and for a phone of its own."""
    return [message(platform, delivery_id=str(number), token=f"{number:064x}", **changes) for number in range(count)]


def kinds(outcomes):
    """How many outcomes there are of each kind and code."""
    return Counter((outcome.kind.value, outcome.code) for outcome in outcomes)
