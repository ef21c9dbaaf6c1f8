"""A look before subscribing: what a phrase would find, and which others want. What was read is kept for a while."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.fanout.matcher import Matcher, PhraseError, parse_phrase
from pipeline.fanout.phrases import OR
from pipeline.fanout.preview import DAYS, POSTS, Preview, preview
from pipeline.fanout.synonyms import Synonyms, SynonymsFile
from pipeline.people.wishes import EntryError
from pipeline.resources import now
from pipeline.settings import Settings
from storage import recent, sites
from storage.bulk import SubscriptionEntry
from storage.session import Database

POSTS_FOR, SUGGESTIONS_FOR = timedelta(minutes=1), timedelta(minutes=10)
"""How long what was read serves others."""
KEPT = 8
"""Lists of posts that are kept: those of all sites, and of some."""
SUBSCRIPTIONS = 20_000
"""The newest so many subscriptions say what is wanted lately."""
LEAST_PEOPLE = 5
"""A phrase of fewer would tell of somebody."""
SUGGESTED = 20


@dataclass(kw_only=True)
class Previews:
    """Tries phrases on the latest posts, in this process."""

    database: Database
    settings: Settings
    clock: Callable[[], datetime] = now
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: dict[Hashable, tuple[datetime, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._synonyms = SynonymsFile(self.settings.synonyms_file)

    def synonyms(self) -> Synonyms:
        """Those of the installation, as dispatchers have them."""
        return self._synonyms.current()

    def look(self, wish: SubscriptionEntry) -> Preview:
        """What a subscription, whosesoever, would have found. Raises EntryError, UnknownSiteError."""
        if wish.keyword is None:
            raise EntryError("give a phrase to try")
        since = self.clock() - timedelta(days=DAYS)

        def read() -> list[recent.RecentPost]:
            with self.database.reading() as session:
                site_id = sites.by_name(session, wish.site).id if wish.site is not None else None
                return recent.posts(session, site_id=site_id, since=since, limit=POSTS, bodies=wish.match_body)

        posts: list[recent.RecentPost] = self._for_a_while(("posts", wish.site, wish.match_body), POSTS_FOR, read)
        return preview(wish, posts, self.synonyms(), now=self.clock())

    def suggestions(self) -> list[tuple[str, int]]:
        """The phrases that most people subscribed to lately, and how many people: five at least."""
        since = self.clock() - timedelta(days=DAYS)

        def read() -> list[tuple[str, int]]:
            with self.database.reading() as session:
                rows = recent.popular(session, since=since, newest=SUBSCRIPTIONS, least=LEAST_PEOPLE)
            stop = Matcher(_stop_list(self.settings.suggestions_stop))
            # Who wants any of several phrases has a list of their own making.
            good = [(phrase.text, count) for phrase, count in rows if f" {OR} " not in phrase.text]
            return [(text, count) for text, count in good if not stop.find(text.replace('"', " ")).all_ids][:SUGGESTED]

        suggestions: list[tuple[str, int]] = self._for_a_while("suggestions", SUGGESTIONS_FOR, read)
        return suggestions

    def _for_a_while(self, key: Hashable, how_long: timedelta, read: Callable[[], Any]) -> Any:
        at = self.clock()
        # One reads, and those who ask meanwhile wait for it, instead of reading the same.
        with self._lock:
            until, value = self._kept.pop(key, (at, None))
            if until <= at:
                until, value = at + how_long, read()
            self._kept[key] = until, value
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
            return value


def _stop_list(words: str) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    for word in words.split(","):
        try:
            phrase = parse_phrase(word)
        except PhraseError:
            # Too short to be anybody's phrase.
            continue
        found.append((len(found), phrase.text, phrase.kind))
    return found
