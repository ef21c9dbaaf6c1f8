"""How a page writes 03/04/2024, told by its other dates and by its language. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from spiders.reading.date_pieces import pieces_of
from spiders.reading.date_words import fold

# Languages, and countries with their own English, in which 03/04/2024 is the third of April (Unicode CLDR).
_DAY_FIRST: Final = frozenset(
    {
        *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "es", "et", "fi", "fr", "he", "hi", "hr", "id", "it", "ms"),
        *("nb", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sw", "th", "tr", "uk", "ur", "vi"),
    }
)
_DAY_FIRST_ENGLISH: Final = frozenset({"gb", "au", "nz", "ie", "in", "za", "sg", "hk", "ng", "ke", "uk"})


def day_first(texts: Iterable[str], language: str = "") -> bool | None:
    """Whether the day stands before the month in a page's numeric dates; None where nothing says so.

    A number over 12 is a day: one such date decides for all that might be read both ways. Where there is none, or where
    some say this and some that, the language decides.
    """
    found = set(_places_of_days(texts))
    if len(found) == 1:
        return found.pop()
    main, _, region = language.lower().replace("_", "-").partition("-")
    if main in _DAY_FIRST or (main == "en" and region in _DAY_FIRST_ENGLISH):
        return True
    return None


def _places_of_days(texts: Iterable[str]) -> Iterator[bool]:
    for text in texts:
        for piece in pieces_of(fold(" ".join(text[:300].split()))):
            # With two digits for the year, a number over 12 may be that.
            whole = piece.kind == "numbers" and piece.value.parts[-1] >= 100
            if not (whole or (piece.kind == "day" and piece.value.separator != "name" and piece.value.clear)):
                continue
            first, second = piece.value.parts[:2]
            if (first > 12) != (second > 12) and max(first, second) <= 31:
                yield first > 12
