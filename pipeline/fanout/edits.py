"""Posts that were edited: does their text concern anybody whom it did not concern before?

Everybody else has the post already, so an edit in which the matcher finds what it found before (a view counter in the
title) ends here. One that went to and fro is fanned out once for each text, not once for each change. Where the site
wants it, the phones of the others are to show the new text, silently and a few times a day at most (storage.replacing).
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from pipeline.delivery.compose import template_of
from pipeline.delivery.template import reads_body
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import MatcherCache, find_in
from pipeline.push.message import clean_text
from pipeline.resources import now
from storage import edits, replacing
from storage.edits import Edited, Text
from storage.matching import Hit
from storage.session import Database

logger = logging.getLogger(__name__)

AT_ONCE = 200
"""Posts that are looked at in one transaction, which on SQLite keeps every other writer waiting."""
FLOOD_EDITS = 20
"""More edited posts of a site than this that concern new readers at once are held, however many its page shows."""
FEWEST_EDITS = 5
"""Fewer than this are never held; this many are when they are half of the page."""


REPLACED_MOST = 4
"""So often within a day phones are told of a post's new texts; the latest of the others follows when that is over."""
_DAY = timedelta(days=1)
MARKED = 1000
"""Notifications of a post that are marked in one transaction."""


def next_replacement(earlier: Sequence[int], at: datetime) -> datetime:
    """When phones may be told of a post's text next; earlier: when they were, in seconds since 1970, oldest first."""
    if len(earlier) < REPLACED_MOST:
        return at
    return max(at, datetime.fromtimestamp(earlier[-REPLACED_MOST], UTC) + _DAY)


def is_flood(concerning: int, *, shown: int) -> bool:
    """Whether so many edits that concern somebody are no edits: the page, or our reading of it, is another one."""
    return concerning > FLOOD_EDITS or (concerning >= FEWEST_EDITS and 2 * concerning >= shown)


def look_at_edits(database: Database, matchers: MatcherCache, *, at: datetime | None = None) -> list[int]:
    """Look at the posts that were edited; returns those that are now to be fanned out to their new readers.

    What phones are to show by now is marked.
    """
    at = at or now()
    ready: list[int] = []
    while True:
        with database.reading() as session:
            matcher = matchers.current(session)
        with database.writing() as session:
            batch = edits.waiting(session, now=at, limit=AT_ONCE)
            ready += _judge(session, matcher, batch, at)
        if len(batch) < AT_ONCE:
            break
    _mark_replaced(database, at)
    return ready


def _mark_replaced(database: Database, at: datetime) -> None:
    with database.reading() as session:
        planned = replacing.planned(session, now=at, limit=AT_ONCE)
    for post_id, version in planned:
        after: int | None = 0
        while after is not None:
            with database.writing() as session:
                after = replacing.mark(session, post_id, version=version, after=after, limit=MARKED, now=at)


def _judge(session: Session, matcher: Matcher, batch: Sequence[Edited], at: datetime) -> list[int]:
    concerning: dict[int, list[tuple[Edited, list[int]]]] = defaultdict(list)
    done = []
    for edited in batch:
        before, after = (
            _digest(find_in(matcher, *text, site_id=edited.site_id, match_body=edited.match_body))
            for text in (edited.before, edited.text)
        )
        if edited.too_old or after == before or after in edited.seen:
            done.append(edited.post_id)
        else:
            concerning[edited.site_id].append((edited, [before, after]))
    _plan_replacements(session, batch, at)
    edits.drop(session, done)
    ready = []
    for site_id, found in concerning.items():
        unexpected = sum(not edited.expected for edited, _ in found)
        hold = is_flood(unexpected, shown=edits.shown(session, site_id)) if unexpected else False
        if hold:
            logger.warning("edited posts are held", extra={"fields": {"site_id": site_id, "posts": unexpected}})
        for edited, digests in found:
            edits.fan_out_again(session, edited, seen=digests, hold=hold and not edited.expected, now=at)
        ready += [edited.post_id for edited, _ in found if edited.expected or not hold]
    return ready


def _plan_replacements(session: Session, batch: Sequence[Edited], at: datetime) -> None:
    """Plan when phones show the new texts. One that is planned already shows the latest when its time comes."""
    changed: dict[int, list[tuple[Edited, int]]] = defaultdict(list)
    for edited in batch:
        if edited.replaces and not edited.too_old:
            after = _shown(edited.push, edited.text)
            if after != (_shown(edited.push, edited.before) if edited.shown is None else edited.shown):
                changed[edited.site_id].append((edited, after))
    for site_id, found in changed.items():
        unexpected = sum(not edited.expected for edited, _ in found)
        if unexpected and is_flood(unexpected, shown=edits.shown(session, site_id)):
            logger.warning("edits replace nothing", extra={"fields": {"site_id": site_id, "posts": unexpected}})
            replacing.leave(session, [edited.post_id for edited, _ in found])
            continue
        for edited, digest in found:
            when, times = edited.replace_at, list(edited.replaced)
            if when is None:
                when = next_replacement(times, at)
                times = [*times, int(when.timestamp())][-REPLACED_MOST:]
            replacing.plan(session, edited.post_id, at=when, replaced=times, shown=digest)


def _shown(push: Mapping[str, Any], text: Text) -> int:
    """A number that says what a message says of a text."""
    return _number([clean_text(text.title), clean_text(text.body) if reads_body(template_of(push)) else ""])


def _digest(hit: Hit) -> int:
    """A number that says what was found."""
    return _number([sorted(set(hit.title_ids)), sorted(set(hit.all_ids))])


def _number(facts: list[Any]) -> int:
    """A number that is the same for the same facts, and hardly ever for others."""
    return int.from_bytes(hashlib.sha256(json.dumps(facts).encode()).digest()[:6])
