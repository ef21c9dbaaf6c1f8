import pytest

from pipeline.basics.ids import LARGEST_ID
from pipeline.tasks.arguments import BadMessageError, require_ids


@pytest.mark.parametrize("value", [1, LARGEST_ID])
def test_an_id_passes(value: int) -> None:
    require_ids(post_id=value)


@pytest.mark.parametrize("value", [0, -5, LARGEST_ID + 1, True, 1.0, "1", None, [1], {"a": 1}])
def test_what_is_no_id_is_refused_by_name(value: object) -> None:
    with pytest.raises(BadMessageError, match="post_id"):
        require_ids(user_id=1, post_id=value)
