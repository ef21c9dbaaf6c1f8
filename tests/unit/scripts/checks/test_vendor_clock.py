import pytest

from pipeline.push.channels import Level
from scripts.checks.vendor_clock import judge_skew


@pytest.mark.parametrize(
    ("skew_s", "level", "word"),
    [
        (0, Level.OK, "right"),
        (-119, Level.OK, "right"),
        (121, Level.FAIL, "121 s ahead"),
        (-3600, Level.FAIL, "3600 s behind"),
    ],
)
def test_a_clock_is_judged_in_words(skew_s, level, word):
    finding = judge_skew(skew_s)
    assert finding.level is level
    assert word in finding.sentence
