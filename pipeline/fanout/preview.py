"""What a phrase would have found among the latest posts. Pure: posts in, figures and a sentence out."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from pipeline.fanout.matcher import Matcher, through_synonyms
from pipeline.fanout.phrases import (
    Phrase,
    PhraseError,
    has_spaced_script,
    normalise,
    parse_phrase,
    read_alternatives,
)
from pipeline.fanout.synonyms import Synonyms
from storage.bulk import SubscriptionEntry
from storage.recent import RecentPost

POSTS = 2_000
DAYS = 90
"""The newest so many posts are looked at, of so many days at most."""
SHOWN = 3
TOO_MANY_A_DAY = 5
"""Above it, a person is told how often their phone would ring."""
_LONGEST = 20
"""Characters of a word whose parts are tried."""
_FEW = 2
"""By so many characters words may differ in length, and be nearly the same."""
_WORD = re.compile(r"\w+")
_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class FoundPost:
    """A post that a phrase finds."""

    post: RecentPost
    # The synonyms without which it would not.
    through: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a phrase finds among the posts of late."""

    phrase: Phrase
    # How many posts were looked at, and how many days they are from, 90 at most.
    posts: int
    days: int
    hits: int
    newest: Sequence[FoundPost]
    # Site -> hits there, the most first.
    sites: dict[str, int]
    # How often a phone would ring: by the posts that people were told of.
    per_day: float
    # Where nothing is found: phrases near to it, each with its hits.
    near: Sequence[tuple[str, int]] = ()

    @property
    def sentence(self) -> str:
        """The same, for a person."""
        if not self.posts:
            return "there are no posts yet to try it on"
        if not self.hits:
            near = ", ".join(f"{text} ({count})" for text, count in self.near)
            return f"0 in {self.days} {'day' if self.days == 1 else 'days'}" + (f"; near it: {near}" if near else "")
        often = f"; would ring {self.per_day:.0f} times a day" if self.per_day >= TOO_MANY_A_DAY else ""
        return f"{self.hits:,} of the last {self.posts:,} posts{often}"


def preview(wish: SubscriptionEntry, posts: Sequence[RecentPost], synonyms: Synonyms, *, now: datetime) -> Preview:
    """Try a subscription to a phrase on posts, newest first."""
    assert wish.keyword is not None
    phrase = parse_phrase(wish.keyword.text, wish.keyword.kind)

    def text(post: RecentPost) -> tuple[str, str]:
        return post.title, post.body if (wish.match_body or post.match_body) and not wish.title_only else ""

    # The phrase is the first; a post for which another is found as well is silenced.
    keywords = (wish.keyword, *wish.exclude)
    matcher = Matcher([(at, each.text, each.kind) for at, each in enumerate(keywords)], synonyms)
    hits = [post for post in posts if matcher.find(*text(post)).all_ids == (0,)]
    days = _days(posts, now)
    return Preview(
        phrase=phrase,
        posts=len(posts),
        days=min(days, DAYS),
        hits=len(hits),
        newest=[
            FoundPost(post=p, through=through_synonyms(phrase.text, phrase.kind, synonyms, *text(p)))
            for p in hits[:SHOWN]
        ],
        sites=dict(Counter(post.site for post in hits).most_common()),
        per_day=sum(post.is_news for post in hits) / _days([post for post in posts if post.is_news], now),
        near=() if hits or not posts else _near(phrase, [text(post) for post in posts], synonyms),
    )


def _days(posts: Sequence[RecentPost], now: datetime) -> int:
    """How many days posts are from, one at least."""
    return max(1, -(-(now - posts[-1].first_seen_at) // _DAY)) if posts else 1


def _near(phrase: Phrase, texts: Sequence[tuple[str, str]], synonyms: Synonyms) -> list[tuple[str, int]]:
    """What stands near to a phrase and is found: its terms, and what is like those that are not; the longest first."""
    terms = list(dict.fromkeys(term for terms in read_alternatives(phrase.text) for term, _ in terms))
    found = _count(terms, texts, synonyms)
    words = {word for title, _ in texts for word in _WORD.findall(normalise(title))}
    alike = [other for term in terms if not found.get(term) for other in _alike(term, words)]
    found |= _count(alike, texts, synonyms)
    near: list[tuple[str, int]] = []
    for text, hits in sorted(found.items(), key=lambda item: (-len(item[0]), -item[1])):
        # Of 장학금 and 장학, which is in it, the longer says more.
        if has_spaced_script([text]) or not any(text in longer for longer, _ in near):
            near.append((text, hits))
    return near[:SHOWN]


def _alike(term: str, words: Iterable[str]) -> list[str]:
    """Its beginnings and ends, where no spaces part words; otherwise words of the posts that are nearly the same."""
    if has_spaced_script([term]):
        nearly = [word for word in words if word[0] == term[0] and abs(len(word) - len(term)) <= _FEW]
        return get_close_matches(term, nearly, n=SHOWN, cutoff=0.75)
    term = term[:_LONGEST]
    return [term[:end] for end in range(2, len(term))] + [term[start:] for start in range(1, len(term) - 1)]


def _count(texts_of_phrases: Iterable[str], texts: Sequence[tuple[str, str]], synonyms: Synonyms) -> dict[str, int]:
    """How many posts have each phrase; without those that none has, and what is too short for a phrase."""
    phrases: dict[int, Phrase] = {}
    for at, text in enumerate(texts_of_phrases):
        with suppress(PhraseError):
            phrases[at] = parse_phrase(f'"{text}"' if " " in text else text)
    matcher = Matcher([(at, each.text, each.kind) for at, each in phrases.items()], synonyms)
    hits = Counter(at for title, body in texts for at in matcher.find(title, body).all_ids)
    return {phrases[at].text: count for at, count in hits.items()}
