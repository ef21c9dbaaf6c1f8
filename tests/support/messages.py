"""Messages for the tests of the push package."""

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
