import pytest

from scripts.drill.api_answers import Entry, entries, wrong_in_badge, wrong_in_inbox, wrong_in_subscriptions

OLD, NEW = Entry(id=1, number=7, sent=True), Entry(id=2, number=8, sent=False)
WISH = {"phrase": "말", "exclude": ["하나", "둘"]}


def test_an_answer_is_read() -> None:
    item = {"id": 4, "post": {"title": "News about the library #12"}, "status": "sent"}
    assert entries({"items": [item]}) == [Entry(id=4, number=12, sent=True)]


@pytest.mark.parametrize(
    ("page", "before", "faults"),
    [
        ([NEW, OLD], [OLD], 0),
        ([], [], 0),
        ([OLD], [NEW, OLD], 1),
        ([OLD, NEW], [], 1),
        ([Entry(id=3, number=7, sent=False), OLD], [OLD], 1),
        ([Entry(id=3, number=9, sent=False)], [], 1),
        ([Entry(id=3, number=None, sent=False)], [], 1),
        ([Entry(id=1, number=7, sent=False)], [OLD], 1),
    ],
)
def test_an_inbox_agrees_with_what_it_said_before(page: list[Entry], before: list[Entry], faults: int) -> None:
    assert len(wrong_in_inbox(page, before, {7, 8})) == faults


@pytest.mark.parametrize(("badge", "right"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_badge_lies_between_the_inboxes_around_it(badge: int, right: bool) -> None:
    after = [Entry(id=2, number=8, sent=True), OLD]
    assert (not wrong_in_badge(badge, [NEW, OLD], after)) == right


@pytest.mark.parametrize(
    ("listed", "there", "right"),
    [
        ([WISH], True, True),
        ([], False, True),
        ([], True, False),
        ([WISH], False, False),
        ([WISH, WISH], True, False),
        ([{**WISH, "exclude": ["하나"]}], True, False),
        ([{**WISH, "phrase": "other"}], False, True),
    ],
)
def test_a_subscription_is_there_whole_or_not_at_all(listed: list[dict[str, object]], there: bool, right: bool) -> None:
    assert (not wrong_in_subscriptions(listed, phrase="말", exclude=("둘", "하나"), there=there)) == right
