"""Which of many phrases a post contains: an Aho-Corasick automaton over their terms. Pure.

What a phrase means, and when a term occurs, is told in pipeline.fanout.phrases, whose names are also this module's.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat

import ahocorasick

from pipeline.fanout.phrases import (
    NO_LETTER,
    SCRIPTS,
    UNSPACED_SCRIPT,
    Phrase,
    PhraseError,
    Term,
    has_spaced_script,
    is_compound,
    may_be_spaced,
    normalise,
    parse_phrase,
    read_alternatives,
    write_terms,
)
from pipeline.fanout.synonyms import NONE, Synonyms

__all__ = ["Hits", "Matcher", "Phrase", "PhraseError", "normalise", "parse_phrase", "through_synonyms"]

_BETWEEN_HANGUL = re.compile("(?<=[\uac00-\ud7a3]) (?=[\uac00-\ud7a3])")

# Everything is built anew when the phrases added since the last full build pass this number and this share of it.
_MIN_RECENT = 1_000
_RECENT_SHARE = 4


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The keyword ids that a post satisfies, by where in it the first term stands; at one place the longer first."""

    # By the title alone.
    title_ids: tuple[int, ...]
    # By title and body together: the terms of a phrase may be spread over both. Includes title_ids.
    all_ids: tuple[int, ...]


class Matcher:
    """Finds which of many phrases a post contains, at a cost that follows the post and its hits.

    `phrases` are (keyword id, canonical text, kind). Nothing in a matcher changes after it is built: any number of
    threads may read it.
    """

    def __init__(self, phrases: Iterable[tuple[int, str, str]], synonyms: Synonyms = NONE) -> None:
        # Those of the installation: what the phrases' terms are found by, too.
        self.synonyms = synonyms
        self._indexes: tuple[_Index, ...] = (_Index({key: (text, kind) for key, text, kind in phrases}, synonyms),)

    def __len__(self) -> int:
        return sum(len(index.phrases) for index in self._indexes)

    def extended(self, phrases: Iterable[tuple[int, str, str]]) -> "Matcher":
        """A matcher that knows `phrases` as well, at a cost that mostly follows their number.

        Ids that are known already are ignored. The phrases added since the last full build stand in an index of
        their own, until there are so many that a full build is due. Phrases that nobody wants any more stay until
        somebody makes a new matcher; their ids lead to no subscription.
        """
        base = self._indexes[0]
        added = dict(self._indexes[1].phrases) if len(self._indexes) > 1 else {}
        for keyword_id, text, kind in phrases:
            if keyword_id not in base.phrases:
                added.setdefault(keyword_id, (text, kind))
        matcher = Matcher.__new__(Matcher)
        matcher.synonyms = self.synonyms
        if len(added) > max(_MIN_RECENT, len(base.phrases) // _RECENT_SHARE):
            matcher._indexes = (_Index(base.phrases | added, self.synonyms),)
        else:
            matcher._indexes = (base, _Index(added, self.synonyms))
        return matcher

    def find(self, title: str, body: str = "") -> Hits:
        """The phrases of a post, given as it was published; without a body, both answers are the title's."""
        title, body = normalise(title), normalise(body)
        in_title: list[_Found] = []
        in_all: list[_Found] = []
        for index in self._indexes:
            first: dict[_Term, int] = {}
            index.scan(title, 0, first)
            in_title += index.satisfied(first)
            if body:
                index.scan(body, len(title) + 1, first)
                in_all += index.satisfied(first)
        title_ids = _in_order(in_title)
        all_ids = _in_order(in_all) if body else title_ids
        return Hits(title_ids=title_ids, all_ids=all_ids)


class _Term:
    """A term under certain conditions, and the phrases that hang on it."""

    __slots__ = ("after", "alone", "before", "length", "means", "phrases", "spaced")

    def __init__(self, length: int, before: int, after: int, *, spaced: bool) -> None:
        self.length = length
        # Whether it is also found across the spaces of a post.
        self.spaced = spaced
        # The sort of script that may not stand right before and right after the term; NO_LETTER: no condition.
        self.before = before
        self.after = after
        # The keyword ids of the phrases that are this term and nothing else: one for each kind at most.
        self.alone: tuple[int, ...] = ()
        # The phrases of several terms that are looked up here: each hangs on its rarest term only.
        self.phrases: list[_Longer] | None = None
        # The terms of phrases that are found where this one is, because it is a synonym of theirs.
        self.means: tuple[_Term, ...] = ()


_Longer = tuple[int, int, tuple[_Term, ...]]
"""A phrase of several terms: keyword id, length of its text, terms."""
_Found = tuple[int, int, int]
"""A phrase that a post satisfies: place, minus its length, keyword id; in the order in which they are reported."""


def _in_order(found: list[_Found]) -> tuple[int, ...]:
    """Their keyword ids, each once, because several alternatives of a phrase may be there."""
    return tuple(dict.fromkeys(keyword_id for _, _, keyword_id in sorted(found)))


_FREE = (NO_LETTER, NO_LETTER)


def _ends(words: list[str]) -> Iterator[tuple[int, int]]:
    """The conditions of the terms of a phrase of words: what sort of script may not stand before and after each."""
    # Hangul, kana and Han are bound to whole words only where the kind can mean nothing else.
    free = UNSPACED_SCRIPT if has_spaced_script(words) else NO_LETTER
    scripts = ((SCRIPTS[word[0]], SCRIPTS[word[-1]]) for word in words)
    return ((NO_LETTER if a == free else a, NO_LETTER if b == free else b) for a, b in scripts)


class _Index:
    """An automaton over the terms of some phrases, which is not changed once it is built."""

    def __init__(self, phrases: dict[int, tuple[str, str]], synonyms: Synonyms) -> None:
        self.phrases = phrases
        self._synonyms = synonyms
        self._has_synonyms = False
        # Each distinct text leads to a tuple of terms: it may be wanted as a whole word and as a substring.
        self._automaton = ahocorasick.Automaton()
        self._has_spaced = False
        longer: list[_Longer] = []
        uses: dict[_Term, int] = {}
        for keyword_id, (text, kind) in phrases.items():
            for terms in self._alternatives_of(text, kind):
                if len(terms) == 1:
                    terms[0].alone += (keyword_id,)
                elif terms:
                    longer.append((keyword_id, len(text), terms))
                    for term in terms:
                        uses[term] = uses.get(term, 0) + 1
        for phrase in longer:
            rarest = min(phrase[2], key=lambda term: (uses[term], -term.length))
            if rarest.phrases is None:
                rarest.phrases = []
            rarest.phrases.append(phrase)
        self._automaton.make_automaton()

    def _alternatives_of(self, text: str, kind: str) -> list[tuple[_Term, ...]]:
        # Normalised again: what was stored by an older version may hold signs that are one sign now.
        alternatives = read_alternatives(normalise(text))
        ends = repeat(_FREE) if kind == "substring" else _ends([word for words in alternatives for word, _ in words])
        found = []
        for words in alternatives:
            terms = tuple(map(self._term, words, ends))
            found.append(terms)
            if self._synonyms.groups:
                for word, term in zip(words, terms, strict=True):
                    self._add_synonyms(word, term)
        return found

    def _add_synonyms(self, word: Term, term: _Term) -> None:
        text, exact = word
        # What must occur as it is does not occur as something else.
        for member in () if exact and is_compound(text) else self._synonyms.of(text):
            (ends,) = _ends([member.term]) if member.kind == "word" else (_FREE,)
            synonym = self._term((member.term, False), ends)
            if term is not synonym and term not in synonym.means:
                synonym.means += (term,)
                self._has_synonyms = True

    def _term(self, word: Term, ends: tuple[int, int]) -> _Term:
        """The term of that text and those conditions, made when it is new."""
        text, exact = word
        before, after = ends
        spaced = not exact and before == after == NO_LETTER and is_compound(text)
        self._has_spaced = self._has_spaced or spaced
        same_text: tuple[_Term, ...] = self._automaton.get(text, ())
        for term in same_text:
            if (term.before, term.after, term.spaced) == (before, after, spaced):
                return term
        term = _Term(len(text), before, after, spaced=spaced)
        self._automaton.add_word(text, (*same_text, term))
        return term

    def scan(self, text: str, offset: int, first: dict[_Term, int]) -> None:
        """Note in `first` where each term occurs for the first time, `offset` added to its place in `text`."""
        if not len(self._automaton):
            return
        padded = f" {text} "
        for end, terms in self._automaton.iter(padded):
            for term in terms:
                if term in first:
                    continue
                start = end - term.length + 1
                if term.before and SCRIPTS[padded[start - 1]] == term.before:
                    continue
                if term.after and SCRIPTS[padded[end + 1]] == term.after:
                    continue
                first[term] = start + offset
        if self._has_spaced:
            self._scan_joined(text, offset, first)
        if self._has_synonyms:
            self._add_meant(first)

    def _scan_joined(self, text: str, offset: int, first: dict[_Term, int]) -> None:
        """The same for compounds, in the text without its spaces between Hangul.

        A second scan with the same automaton: to keep each compound with each of its spacings in it would make it grow.
        """
        pieces = _BETWEEN_HANGUL.split(text)
        if len(pieces) == 1:
            return
        # Where pieces meet, counted in the joined text.
        seams = list(accumulate(len(piece) for piece in pieces[:-1]))
        for end, terms in self._automaton.iter("".join(pieces)):
            for term in terms:
                if not term.spaced or term in first:
                    continue
                start = end + 1 - term.length
                low, high = bisect_right(seams, start), bisect_left(seams, end + 1)
                inside = seams[low:high]
                if inside and may_be_spaced(b - a for a, b in pairwise((start, *inside, end + 1))):
                    first[term] = start + low + 1 + offset

    @staticmethod
    def _add_meant(first: dict[_Term, int]) -> None:
        """Note the terms whose synonyms were found, too. Not theirs in turn: a group knows all of its members."""
        for synonym, place in list(first.items()):
            for term in synonym.means:
                first[term] = min(first.get(term, place), place)

    @staticmethod
    def satisfied(first: dict[_Term, int]) -> Iterator[_Found]:
        """The phrases of which every term is among those found."""
        for term, place in first.items():
            for keyword_id in term.alone:
                yield place, -term.length, keyword_id
            for keyword_id, length, terms in term.phrases or ():
                if all(other in first for other in terms):
                    yield min(first[other] for other in terms), -length, keyword_id


def through_synonyms(text: str, kind: str, synonyms: Synonyms, title: str, body: str = "") -> tuple[str, ...]:
    """The synonyms by which alone terms of a phrase, as it is stored, are found in a post."""
    terms = [term for terms in read_alternatives(normalise(text)) for term in terms]
    spaced = has_spaced_script(term for term, _ in terms)
    through = []
    for term in terms:
        # As in the whole phrase, where Latin letters free the rest of the whole words that they ask for.
        its = "substring" if spaced and not has_spaced_script([term[0]]) else kind
        if not Matcher([(0, write_terms([term]), its)]).find(title, body).all_ids:
            members = synonyms.of(term[0])
            rows = [(at, write_terms([(m.term, " " in m.term)]), m.kind) for at, m in enumerate(members)]
            through += [members[at].term for at in Matcher(rows).find(title, body).all_ids]
    return tuple(through)
