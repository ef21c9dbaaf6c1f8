"""Phrases: what a person types to be told of a post, in one canonical form. Pure.

A phrase is one or more terms, all of which must occur, in any order. What is between quotation marks is one term
and must occur as it is. How a term is looked for follows the writing, at each of its two ends:

- Scripts with spaces between words (Latin, digits, Cyrillic, Greek ...): the term must be a whole word. "art" is
  not in "start". Signs are no letters, so "C++", ".NET" and "node.js" work, "C++" is in "C++17" and "node" is in
  "node.js". A neighbour in Hangul does not make a word longer: "AI" is in "AI가".
- Scripts without ("장학", kana, Han, Thai ...) and signs: anywhere. "장학" is in "국가장학금".

A term of four or more Hangul syllables is also found across single spaces of the post, where each part has at least
two syllables: Korean compounds are written with or without spaces. "국가장학금" is in "국가 장학금", and "총장학교"
is not in "총 장 학 교". Quotation marks around the term switch that off.

A phrase may have up to ten alternatives, with an upright line between them, any of which will do: "알바 | 아르바이트".

Signs of one meaning are one sign, however they are typed: the hyphens, the dots between words, the tildes, and ♯ is #.

The kind of a phrase says so for the whole of it. "substring" means every term anywhere. "word" means whole words as
above; in a phrase that has no letter or digit of the first sort, which gets "word" only when somebody asks for it,
the words in Hangul, kana or Han must stand alone too.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import PipelineError

Kind = Literal["word", "substring"]

MAX_CHARACTERS = 100
MAX_TERMS = 10
MAX_ALTERNATIVES = 10
MAX_WHOLE = 255
"""Characters of all alternatives together, as the database takes them."""
_MAX_RAW_CHARACTERS = 10_000

# Unicode's Default_Ignorable_Code_Point (zero-width characters, variation selectors, fillers), the control characters
# that are no white space, and halves of surrogate pairs. Written out: a stored phrase means the same on each Python.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_ONE_SIGN = {
    # Phones type these by themselves.
    "'": "‘’ʼ",
    '"': "“”„‟",
    # Hyphens and dashes, the minus sign among them.
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d",
    # Dots in the middle of the line. U+318D is a Hangul letter that notices use as one, U+119E what NFKC makes of it.
    "\u00b7": "\u0387\u2022\u2027\u2219\u22c5\u30fb\uff65\u318d\u119e",
    "~": "\u02dc\u223c\u301c\u3030\uff5e",
    "#": "\u266f\uff03",
}
"""Sign -> those that mean the same. One table, for phrases and posts alike."""
_SIGNS = str.maketrans({other: sign for sign, others in _ONE_SIGN.items() for other in others})

# Scripts that put no spaces between words, or (Hangul) attach particles and build compounds freely.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uffdc\U0001aff0-\U0001b16f\U00020000-\U0003ffff]"
)
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_COMPOUND = re.compile("[\uac00-\ud7a3]{4,}")
LEAST_PART = 2
"""Syllables: a single one between spaces is a word of its own, or none."""
OR = "|"
"""Between alternatives; in a canonical text by itself, with spaces around it."""
_OR_OR_QUOTED = re.compile(r'("[^"]*")|\|')
_TERM = re.compile(r'"([^"]*)"|([^\s"]+)')


class PhraseError(PipelineError, ValueError):
    """A phrase that cannot be looked for: which one, why, and the way out."""

    def __init__(self, raw: str, reason: str) -> None:
        shown = raw if len(raw) <= 40 else raw[:40] + "…"
        super().__init__(f"the phrase {shown!r} {reason}")


@dataclass(frozen=True)
class Phrase:
    """A phrase in the canonical form under which everybody who wants the same thing shares one row."""

    # Normalised terms in the order of their characters, the quoted ones in quotation marks; alternatives likewise.
    # `parse_phrase(text, kind)` gives the same phrase again.
    text: str
    kind: Kind


def normalise(text: str) -> str:
    """The form in which phrases and posts are compared.

    NFKC and case folded, white space folded to single spaces, invisible characters removed, signs of one meaning made
    one. Normalising twice changes nothing.
    """
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        # Before the normal form, too, which makes other characters of some of them.
        text = text.translate(_SIGNS)
    # Folding can undo the normal form and the other way round: twice is enough for every character there is.
    for _ in range(2):
        if text.isascii():
            text = text.casefold()
            break
        folded = unicodedata.normalize("NFKC", text).casefold().translate(_SIGNS)
        # İ folds to i and a combining dot that nobody types.
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", folded.replace("i\u0307", "i")))
    return " ".join(text.split())


def parse_phrase(raw: str, kind: str | None = None) -> Phrase:
    """The canonical phrase for what a person typed.

    `kind` is "word" or "substring"; without it, "word" when there is a letter or digit of a script with spaces, else
    "substring". Raises PhraseError for a phrase that is empty, too short to mean anything, too long, or of too many
    parts. One character is enough in Han or as an emoji, and in Hangul or kana only as a whole word.
    """
    if kind not in (None, "word", "substring"):
        raise PhraseError(raw, f'has the unknown kind {kind!r}: "word" and "substring" exist')
    text = normalise(raw[:_MAX_RAW_CHARACTERS])
    if text.count('"') % 2:
        raise PhraseError(raw, "has a quotation mark without its partner: close the quotation, or leave the mark out")
    # However it is typed; what is stored has spaces around it.
    spread = _OR_OR_QUOTED.sub(lambda match: match[1] or f" {OR} ", text)
    alternatives = [terms for terms in read_alternatives(spread) if terms]
    if not alternatives:
        raise PhraseError(raw, "is empty: give at least one word")
    spaced = has_spaced_script(term for terms in alternatives for term, _ in terms)
    chosen: Kind = "word" if kind == "word" or (kind is None and spaced) else "substring"
    for terms in alternatives:
        # Among alternatives, one in Latin letters frees the others of the whole words that it asks for.
        if len(alternatives) > 1:
            _check(raw, terms, "substring" if spaced else chosen, f"has {write_terms(terms)[:40]!r}, which ")
        else:
            _check(raw, terms, chosen)
    texts = sorted({write_terms(sorted(set(terms))) for terms in alternatives})
    if len(texts) > MAX_ALTERNATIVES:
        raise PhraseError(raw, f"has more than {MAX_ALTERNATIVES} alternatives: make a second subscription")
    whole = f" {OR} ".join(texts)
    if len(raw) > _MAX_RAW_CHARACTERS or len(whole) > MAX_WHOLE:
        raise PhraseError(raw, f"is longer than {MAX_WHOLE} characters: make a second subscription of a part")
    return Phrase(whole, chosen)


def _check(raw: str, terms: "list[Term]", kind: Kind, what: str = "") -> None:
    """Raise PhraseError for an alternative that is too long, has too many terms, or is too short to mean anything."""
    if len(write_terms(terms)) > MAX_CHARACTERS:
        raise PhraseError(raw, f"{what}is longer than {MAX_CHARACTERS} characters: shorten it")
    distinct = sorted({term for term, _ in terms})
    if len(set(terms)) > MAX_TERMS:
        raise PhraseError(raw, f"{what}has more than {MAX_TERMS} words: leave some out, or quote what belongs together")
    if not any(_stands_alone(term, kind) for term in distinct):
        raise PhraseError(raw, what + _too_short(distinct, kind))


Term = tuple[str, bool]
"""A term, and whether it must occur as it is, without spaces in between that the post may have."""


def alternatives(text: str) -> list[str]:
    """The canonical texts of a canonical phrase's alternatives; of most phrases one, itself."""
    return [write_terms(terms) for terms in read_alternatives(text)]


def read_alternatives(text: str) -> list[list[Term]]:
    """The terms of each alternative of a normalised text; one that is not there is empty."""
    # Nearly every phrase is one alternative, and there are many of them.
    if OR not in text:
        return [read_terms(text)]
    alternatives: list[list[Term]] = [[]]
    for term in read_terms(text):
        if term == (OR, False):
            alternatives.append([])
        else:
            alternatives[-1].append(term)
    return alternatives


def read_terms(text: str) -> list[Term]:
    """The terms of a normalised text. Quotation marks that say nothing about their word are dropped."""
    found: list[Term] = []
    for quoted, plain in _TERM.findall(text):
        term = plain or quoted.strip()
        if term:
            found.append((term, not plain and (" " in term or OR in term or is_compound(term))))
    return found


def write_terms(terms: Iterable[Term]) -> str:
    """The text that `read_terms` reads as these terms."""
    return " ".join(f'"{term}"' if exact else term for term, exact in terms)


def is_compound(term: str) -> bool:
    """Whether a term is so much Hangul that a post may write it with spaces in between."""
    return _COMPOUND.fullmatch(term) is not None


def may_be_spaced(parts: Iterable[int]) -> bool:
    """Whether spaces may stand between the parts of a compound, given how many syllables each has."""
    return all(syllables >= LEAST_PART for syllables in parts)


def _stands_alone(term: str, kind: Kind) -> bool:
    """Whether a phrase may consist of this term alone: one character is mostly too broad, and so are mere signs."""
    categories = [unicodedata.category(character) for character in term]
    if len(term) > 1:
        # Letters, numbers, and "symbol, other", which is where the emoji are.
        return any(category[0] in "LN" or category == "So" for category in categories)
    if _HAN.match(term) or categories == ["So"]:
        return True
    return kind == "word" and categories[0][0] == "L" and SCRIPTS[term] == UNSPACED_SCRIPT


def _too_short(terms: list[str], kind: Kind) -> str:
    if len(terms) == 1 and kind == "substring" and SCRIPTS[terms[0][0]] == UNSPACED_SCRIPT:
        return 'is a single character, which is in nearly every post: add one, or ask for the kind "word" (--kind word)'
    return "has only single characters or signs, which are in nearly every post: write a longer word, or add one"


NO_LETTER, SPACED_SCRIPT, UNSPACED_SCRIPT = 0, 1, 2


class _Scripts(dict[str, int]):
    """The sort of script of a character, worked out when it is first met."""

    def __missing__(self, character: str) -> int:
        script = NO_LETTER
        # Marks count as letters, so that no match ends between a letter and its accent.
        if unicodedata.category(character)[0] in "LMN":
            script = UNSPACED_SCRIPT if _UNSPACED.match(character) else SPACED_SCRIPT
        self[character] = script
        return script


SCRIPTS = _Scripts()
"""Character -> NO_LETTER, SPACED_SCRIPT or UNSPACED_SCRIPT."""


def has_spaced_script(terms: Iterable[str]) -> bool:
    """Whether a letter or digit of a script with spaces between words occurs in the terms."""
    return any(SCRIPTS[character] == SPACED_SCRIPT for term in terms for character in term)
