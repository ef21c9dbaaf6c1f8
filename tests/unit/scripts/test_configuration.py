from pathlib import Path

import pytest

from scripts.configuration import files


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_page_says_what_the_settings_are(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "run `python -m scripts.configuration`"
