import pytest

from pipeline.push.batch_channel import last_start


@pytest.mark.parametrize(
    ("began", "until", "answer_s", "last"),
    [
        (0, 30, 10, 20),
        (100, 130, 10, 120),
        (0, 30, 3, 27),
        # Shorter than three answers: a third of it is kept for them.
        (0, 12, 10, 8),
        (0, 0.6, 10, 0.4),
        (7, 7, 10, 7),
        # Over before it began.
        (8, 7, 10, 7),
    ],
)
def test_what_leaves_can_still_be_answered_in_time(began, until, answer_s, last):
    assert last_start(began, until, answer_s) == pytest.approx(last)
