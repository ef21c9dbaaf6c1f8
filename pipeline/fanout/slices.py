"""One slice of a fan-out: match the post, insert the notification rows of the next users, send their messages."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.broker.notify_room import Filler, NotifyRoom
from pipeline.delivery.asking import Timing
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.synonyms import NONE, Synonyms
from pipeline.resources import now
from storage import notifications, posts, splitting, subscriptions
from storage.edits import Text
from storage.fanout_ranges import last_user
from storage.matching import Hit
from storage.models import Post
from storage.notifications import Slice
from storage.posts import FanOut
from storage.session import Database
from storage.subscriptions import KeywordsVersion

logger = logging.getLogger(__name__)

RANGES = 4
"""Into so many ranges of users a fan-out to very many people is split, for as many dispatchers: four publish faster
than a vendor takes messages of one project, and what comes to few people meanwhile stands behind four slices."""
SPLIT_SLICES = 10
"""A fan-out is split when so many slices are left of it, as far as its first ones tell."""


class SliceEnd(StrEnum):
    """What a fan-out task has to do next."""

    DONE = "done"
    # There are more users: go to the back of the queue and take the next slice from there.
    MORE = "more"
    # There are so many more that RANGES messages are to do it.
    SPLIT = "split"
    # The notify queue is full: come back in a moment.
    WAIT = "wait"
    # Nothing to do: it is done, not wanted, or in somebody else's hands.
    NOTHING = "nothing"


class MatcherCache:
    """The matcher of this process, built anew only when keywords came or went, or the synonyms changed."""

    def __init__(self, synonyms: Callable[[], Synonyms] = lambda: NONE) -> None:
        self._lock = threading.Lock()
        self._synonyms = synonyms
        self._version: KeywordsVersion | None = None
        self._matcher = Matcher([])

    def current(self, session: Session) -> Matcher:
        """A matcher of all keywords that are in the database now."""
        version, synonyms = subscriptions.keywords_version(session), self._synonyms()
        with self._lock:
            if version != self._version or synonyms is not self._matcher.synonyms:
                self._matcher = self._updated(session, version, synonyms)
                self._version = version
            return self._matcher

    def _updated(self, session: Session, version: KeywordsVersion, synonyms: Synonyms) -> Matcher:
        known = self._version if synonyms is self._matcher.synonyms else None
        if known is not None and version.last_id > known.last_id:
            added = subscriptions.keywords(session, after=known.last_id)
            # Only when the count grew by just these were none removed, nor committed late with a lower id.
            if known.count + len(added) == version.count:
                return self._matcher.extended(added)
        return Matcher(subscriptions.keywords(session), synonyms)


@dataclass(frozen=True, kw_only=True)
class FanOutSettings:
    """The sizes of a fan-out."""

    slice_users: int
    lease_s: float
    # A fan-out is split where so many slices are left of it; None: never.
    split_slices: int | None = SPLIT_SLICES

    def size(self, room: int, *, bound: int, alone: bool) -> int:
        """How many users a slice serves where there is room for so many messages; 0 to wait for a turn.

        A slice smaller than an eighth is not worth its query.
        bound: the notify queue's. alone: nobody else goes on with this post. The others take half of what there is,
        and leave some to each other.
        """
        usual = min(self.slice_users, bound)
        size = min(usual, room if alone else -(-room // 2))
        return size if size >= max(usual // 8, 1) else 0


class FanOuts:
    """Does slices of fan-outs in this process."""

    def __init__(
        self,
        database: Database,
        settings: FanOutSettings,
        *,
        room: NotifyRoom,
        publish: Callable[[Sequence[tuple[int, int]]], object],
        publish_later: Callable[[Sequence[tuple[int, int]]], object] | None = None,
        on_matched: Callable[[int], None] = lambda _: None,
        synonyms: Callable[[], Synonyms] = lambda: NONE,
        timing: Timing | None = None,
    ) -> None:
        """room: in the notify queue.

        publish_later: how that of a post goes out whose readers take several slices; by default as any.
        on_matched: told how many users each slice matched, once its messages are out. synonyms: those of now.

        timing: whom to ask when people want to be rung.
        """
        self._database = database
        self._settings = settings
        self._room = room
        self._publish = publish
        self._publish_later = publish_later or publish
        self._on_matched = on_matched
        self._timing = timing or Timing()
        self.matchers = MatcherCache(synonyms)

    def next_slice(self, post_id: int) -> SliceEnd:
        """Serve the next users of a post, or of one of its ranges where it was split.

        The cursor moves only after the messages are out, so a slice whose process dies is done again: its rows are
        there, and its messages go to those who are still waiting.
        """
        token = uuid4().hex
        lease_until = now() + timedelta(seconds=self._settings.lease_s)
        with self._database.writing() as session:
            fan_out = posts.claim_fan_out(session, post_id, token=token, now=now(), lease_until=lease_until)
        if fan_out is None:
            return SliceEnd.NOTHING
        try:
            return self._serve(fan_out, token)
        except BaseException:
            # The lease would end by itself; given back now, the retry does not have to wait for that.
            with self._database.writing() as session:
                posts.hand_back_fan_out(session, post_id, token=token, now=now())
            raise

    def _serve(self, fan_out: FanOut, token: str) -> SliceEnd:
        begun = fan_out.cursor > 0 or fan_out.upto is not None
        fits = partial(self._settings.size, bound=self._room.bound, alone=begun and fan_out.upto is None)
        filler = Filler.BEGUN if begun else Filler.NEW
        with self._room.hold(filler, fits) as size:
            part, again = self._fill(fan_out, size, begun=begun) if size else (None, False)
        if part is None:
            with self._database.writing() as session:
                posts.hand_back_fan_out(session, fan_out.post.id, token=token, now=now())
            return SliceEnd.WAIT
        self._on_matched(part.matched)
        with self._database.writing() as session:
            end = self._end_slice(session, fan_out, part, token, again=again)
            users = session.scalar(select(Post.matched_users).where(Post.id == fan_out.post.id))
        if end is SliceEnd.DONE:
            # Not its title: who reads the logs may not be who may read the site.
            fields = {"post": fan_out.post.id, "site": fan_out.site, "users": users}
            logger.info("post fanned out", extra={"fields": fields})
        return end

    def _fill(self, fan_out: FanOut, size: int, *, begun: bool) -> tuple[Slice, bool]:
        """Insert and send a slice; returns it, and whether some are left out for having been served before."""
        post = fan_out.post
        with self._database.reading() as session:
            hit, unless = find(self.matchers.current(session), fan_out)
        with self._database.writing() as session:
            at = now()
            part = notifications.create_slice(
                session,
                post.id,
                hit,
                after=fan_out.cursor,
                size=size,
                upto=fan_out.upto,
                now=at,
                ask=self._timing.asker(ttl_s=fan_out.ttl_s, urgent=fan_out.urgent, now=at),
                everybody=self._timing.for_everybody,
                unless=unless,
                in_story=post.story_id is not None,
            )
        publish = self._publish_later if begun or part.more else self._publish
        publish([(post.id, user_id) for user_id in part.users])
        return part, unless is not None

    def _end_slice(self, session: Session, fan_out: FanOut, part: Slice, token: str, *, again: bool) -> SliceEnd:
        number, users, at = fan_out.post.id, part.matched, now()
        if fan_out.upto is not None:
            cursor = part.cursor if part.more else None
            left = splitting.advance(session, number, token=token, cursor=cursor, users=users, now=at, again=again)
            # One that is not ours any more has a message of its own.
            return SliceEnd.NOTHING if left is None else SliceEnd.MORE if left else SliceEnd.DONE
        if not part.more:
            posts.finish_fan_out(session, number, token=token, users=users, now=at, again=again)
            return SliceEnd.DONE
        if self._is_wide(session, fan_out, part):
            splitting.split(session, number, token=token, after=part.cursor, parts=RANGES, users=users, now=at)
            return SliceEnd.SPLIT
        posts.advance_fan_out(session, number, token=token, cursor=part.cursor, users=users, now=at)
        return SliceEnd.MORE

    def _is_wide(self, session: Session, fan_out: FanOut, part: Slice) -> bool:
        """Whether so many readers are left that several dispatchers shall serve them, if they are spread evenly."""
        if self._settings.split_slices is None:
            return False
        behind = last_user(session) - part.cursor
        left = part.matched * behind / max(part.cursor - fan_out.cursor, 1)
        return left >= self._settings.split_slices * self._settings.slice_users


def find(matcher: Matcher, fan_out: FanOut) -> tuple[Hit, Hit | None]:
    """What the matcher finds in a post, and in the text whose readers are left out, if there is one."""

    def found(text: Text) -> Hit:
        return find_in(matcher, *text, site_id=fan_out.post.site_id, match_body=fan_out.match_body)

    return found(fan_out.text), None if fan_out.unless is None else found(fan_out.unless)


def find_in(matcher: Matcher, title: str, body: str, *, site_id: int, match_body: bool) -> Hit:
    """What the matcher finds in a text, in the form that the database goes on with."""
    hits = matcher.find(title, body)
    return Hit(site_id=site_id, title_ids=hits.title_ids, all_ids=hits.all_ids, match_body=match_body)
