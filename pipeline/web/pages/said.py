"""What commands say, which is English, in the reader's language. Pure.

A command's sentences hold values: addresses, selectors, numbers. They are known by what stands between these.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("korean_said.toml")
_AND: Final = ", and "
_PLACE: Final = re.compile(r"\{(\w+)\}")


def said(language: str, sentence: str) -> str:
    """A command's sentence in a language. One that nobody translated stays English."""
    return (_korean(sentence) or sentence) if language == "ko" else sentence


@cache
def table() -> Mapping[str, str]:
    """The Korean of each sentence, both with {places} for its values."""
    return dict(tomllib.loads(_TABLE.read_text(encoding="utf-8")))


def _korean(sentence: str) -> str | None:
    for pattern, korean in _patterns():
        if found := pattern.fullmatch(sentence):
            return korean.format_map({name: _value(value) for name, value in found.groupdict().items()})
    return None


def _value(value: str) -> str:
    """An address or the like as it is; a sentence, or several, in Korean."""
    sentences = [korean for each in value.split(_AND) if (korean := _korean(each))]
    return ", ".join(sentences) if len(sentences) == value.count(_AND) + 1 else value


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those with the most words of their own first: they fit nothing but what they are of."""
    ordered = sorted(table().items(), key=lambda each: -len(_PLACE.sub("", each[0])))
    return tuple((_pattern(english), korean) for english, korean in ordered)


def _pattern(english: str) -> re.Pattern[str]:
    parts = _PLACE.split(english)
    written = (f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.compile("".join(written), re.DOTALL)
