"""Posts that were edited: does their text concern anybody whom it did not concern before?

Everybody else has the post already, so an edit in which the matcher finds what it found before (a view counter in the
title) ends here. One that went to and fro is fanned out once for each text, not once for each change.
"""

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import MatcherCache, find_in
from pipeline.resources import now
from storage import edits
from storage.edits import Edited
from storage.matching import Hit
from storage.session import Database

logger = logging.getLogger(__name__)

AT_ONCE = 200
"""Posts that are looked at in one transaction, which on SQLite keeps every other writer waiting."""
FLOOD_EDITS = 20
"""More edited posts of a site than this that concern new readers at once are held, however many its page shows."""
FEWEST_EDITS = 5
"""Fewer than this are never held; this many are when they are half of the page."""


def is_flood(concerning: int, *, shown: int) -> bool:
    """Whether so many edits that concern new readers are no edits: the page, or our reading of it, is another one."""
    return concerning > FLOOD_EDITS or (concerning >= FEWEST_EDITS and 2 * concerning >= shown)


def look_at_edits(database: Database, matchers: MatcherCache, *, at: datetime | None = None) -> list[int]:
    """Look at the posts that were edited; returns those that are now to be fanned out to their new readers."""
    at = at or now()
    ready: list[int] = []
    while True:
        with database.reading() as session:
            matcher = matchers.current(session)
        with database.writing() as session:
            batch = edits.waiting(session, now=at, limit=AT_ONCE)
            ready += _judge(session, matcher, batch, at)
        if len(batch) < AT_ONCE:
            return ready


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


def _digest(hit: Hit) -> int:
    """A number that says what was found, and hardly ever the same for something else."""
    found = json.dumps([sorted(set(hit.title_ids)), sorted(set(hit.all_ids))])
    return int.from_bytes(hashlib.sha256(found.encode()).digest()[:6])
