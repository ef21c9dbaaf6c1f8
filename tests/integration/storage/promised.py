"""What the storage promises, as a machine that does in any order what processes do, and knows what ought to be.

Some people have what comes put off, and get it in digests, of which each tells a post that no other message told. A
process that dies between two transactions is one whose next step never comes. In the end everything is healed, and
the machine goes on until nothing is owed; then everybody must have what is theirs, once, and see the newest text of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select, update

from pipeline.delivery import decisions as judging
from pipeline.delivery.asking import Timing
from pipeline.delivery.lease import Lease as RealLease
from pipeline.delivery.recording import Batch as Sending
from pipeline.delivery.recording import close_digests
from pipeline.fanout.edits import FEWEST_EDITS, look_at_edits
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import MatcherCache, find
from pipeline.push.outcome import Action, Outcome, OutcomeKind
from storage import claims, digests, notifications, outcomes, outgoing, posts, retention, subscriptions, users
from storage.models import Device, Notification, Post, PostEdit, Site, User
from storage.notifications import Key
from storage.session import Database
from tests.support.builders import NOW, add_site, closed_run, found, subscribe

LEASE, LONG, OLD = timedelta(minutes=1), timedelta(days=3), timedelta(days=2)
EVER_S = 1e9
"""A time to live that no example reaches."""

READERS = {"both": ("apple", "melon"), "apples": ("apple",), "melons": ("melon",), "twins": ("apple",)}
DEVICES = {"both": 2, "apples": 1, "melons": 1, "twins": 2}
TITLES = ("fresh apple", "ripe melon", "apple and melon", "nothing")
ANSWERS = {
    "delivered": Outcome(kind=OutcomeKind.DELIVERED),
    "later": Outcome(kind=OutcomeKind.RETRY, code="later"),
    "rejected": Outcome(kind=OutcomeKind.REJECTED, code="rejected"),
    "dead": Outcome(kind=OutcomeKind.TOKEN_DEAD, code="dead"),
}

WISHES: tuple[dict[str, Any], ...] = (
    {"snooze_until": None, "preferences": None},
    {"snooze_until": timedelta(hours=1)},
    {"snooze_until": LONG},
    {"preferences": {"digests": ["09:00", "18:00"]}},
    {"preferences": {"daily_cap": 1}},
    {"preferences": {"quiet": [{"start": "08:30", "end": "12:00"}]}},
)
"""Columns of a user; a span is from now on."""

picks = st.integers(0, 99)
"""Which of the things that are there, counted round."""


@dataclass(frozen=True)
class Lease:
    """Who took something last, and until when nobody else may have it."""

    token: str
    until: datetime


@dataclass(kw_only=True)
class Slice:
    """A fan-out in the hands of a process, which may have lost it without knowing."""

    fan_out: posts.FanOut
    token: str
    # Whom it is for.
    readers: set[int]
    part: notifications.Slice | None = None


@dataclass(kw_only=True)
class Batch:
    """Notifications in the hands of a sender, which may have lost them without knowing."""

    sending: Sending
    targets: list[outgoing.Target]
    token: str
    pushed: Counter[int]


@dataclass(kw_only=True)
class World:
    """What ought to be, by what was done."""

    ids: dict[str, int] = field(default_factory=dict)
    # Whom any text of a post concerned, the first alone, and the last alone.
    readers: dict[int, set[int]] = field(default_factory=dict)
    first: dict[int, set[int]] = field(default_factory=dict)
    last: dict[int, set[int]] = field(default_factory=dict)
    first_seen: dict[int, datetime] = field(default_factory=dict)
    # Posts the first text of which was for its readers, and posts the edit of which was given up.
    told: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    # Posts that are fanned out, or held, for their edits.
    edited: set[int] = field(default_factory=set)
    # Posts that are for their readers, how far their fan-outs came, and those that are over.
    ready: set[int] = field(default_factory=set)
    cursors: Counter[int] = field(default_factory=Counter)
    fanned_out: set[int] = field(default_factory=set)
    slices: dict[int, Lease] = field(default_factory=dict)
    senders: dict[Key, Lease] = field(default_factory=dict)
    over: set[Key] = field(default_factory=set)
    pruned: set[Key] = field(default_factory=set)
    # (post, device): recorded as delivered, or as never to be.
    delivered: Counter[tuple[int, int]] = field(default_factory=Counter)
    given_up: set[tuple[int, int]] = field(default_factory=set)
    # (post, device): the version of the text that it shows of a post that was told alone; and which is owed for a post.
    shows: dict[tuple[int, int], int] = field(default_factory=dict)
    to_show: dict[int, int] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    ever_dead: set[int] = field(default_factory=set)


class Processes(RuleBasedStateMachine):
    """Crawlers, dispatchers, notifiers and beat on a database of their own, the URL of which `make` gives."""

    def __init__(self, make: Callable[[], str]) -> None:
        super().__init__()
        self.database, self.world, self.now = Database(make()), World(), NOW
        self.slices: list[Slice] = []
        self.batches: list[Batch] = []
        self.timing = Timing(spread_s=60)

    @initialize()
    def people_subscribe(self) -> None:
        with self.database.writing() as session:
            self.site_id = add_site(session, max_age_s=int(OLD.total_seconds()), ttl_s=int(EVER_S), edits="replace").id
            for name, phrases in READERS.items():
                user = users.add(session, name, timezone="UTC", now=NOW)
                for number in range(DEVICES[name]):
                    self._register(session, user.id, f"{name}-{number}")
                for phrase in phrases:
                    subscribe(session, user, phrase)
            self.users = dict(session.execute(select(User.external_id, User.id)).all())
            self.devices = dict(session.execute(select(Device.id, Device.user_id)).all())
            self.tokens = dict(session.execute(select(Device.id, Device.token)).all())
            self.matcher, self.matchers = Matcher(subscriptions.keywords(session)), MatcherCache()

    def _register(self, session, user_id: int, token: str) -> None:  # type: ignore[no-untyped-def]
        users.register_device(session, user_id, platform="fcm", token=token, environment=None, now=self.now)

    # Crawls

    @rule(
        numbers=st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
        fanout=st.sampled_from(("ready", "ready", "held", "silent")),
        edit=st.sampled_from((0, 0, 1, 2)),
    )
    def crawl(self, numbers: list[int], fanout: str, edit: int) -> None:
        """A post is new once; a known one that was edited keeps its id, and is for those whom its text concerns now."""
        new = [number for number in numbers if f"id-{number}" not in self.world.ids]
        fates = self._fates()
        with self.database.writing() as session:
            seen = [found(number, picked(TITLES, number + edit), body=f"as of {self.now}") for number in numbers]
            ready = closed_run(
                session, session.get_one(Site, self.site_id), seen, fanout=fanout, new=len(new), now=self.now
            )
            ids = dict(session.execute(select(Post.external_id, Post.id)).all())
        assert {key: ids[key] for key in self.world.ids} == self.world.ids
        fresh = {ids[f"id-{number}"] for number in new}
        assert set(ready) == (fresh if fanout == "ready" else set())
        self.world.ids = ids
        for number in numbers:
            post_id, readers = ids[f"id-{number}"], self._concerned(picked(TITLES, number + edit))
            if post_id in fresh:
                self.world.first_seen[post_id] = self.now
            if post_id in fresh or (fates[post_id] == "held" and post_id not in self.world.ready):
                self.world.readers[post_id], self.world.first[post_id] = set(readers), readers
            self.world.readers[post_id] |= readers
            self.world.last[post_id] = readers
        self.world.ready.update(ready)
        self.world.told.update(ready)

    def _concerned(self, title: str) -> set[int]:
        return {self.users[name] for name, wanted in READERS.items() if any(phrase in title for phrase in wanted)}

    def _fates(self) -> dict[int, str]:
        with self.database.reading() as session:
            return dict(session.execute(select(Post.id, Post.fanout)).all())

    @rule(release=st.booleans())
    def settle_held_posts(self, *, release: bool) -> None:
        with self.database.writing() as session:
            settled = posts.settle(session, self.site_id, now=self.now, release=release)
        edited = self.world.edited.intersection(settled)
        assert not (self.world.ready - self.world.fanned_out).intersection(settled)
        if release:
            self._open(settled)
            self.world.told.update(set(settled) - edited)
        else:
            self.world.dropped.update(settled)

    @rule()
    def look_at_edits(self) -> None:
        """Posts are fanned out again that were over, and no others."""
        before = self._fates()
        with self.database.reading() as session:
            edited = dict(session.execute(select(Post.id, Post.version).join(PostEdit).where(PostEdit.changed)).all())
        looked_at = [post for post in edited if before[post] in {"done", "silent"}]
        # More are a flood, which replaces nothing.
        if len(looked_at) < FEWEST_EDITS:
            young = [post for post in looked_at if self.now - self.world.first_seen[post] <= OLD]
            self.world.to_show.update((post, edited[post]) for post in young)
        ready = look_at_edits(self.database, self.matchers, at=self.now)
        fates = self._fates()
        changed = {post for post in fates if fates[post] != before[post]}
        assert {before[post] for post in changed} <= {"done", "silent"}
        assert set(ready) == {post for post in changed if fates[post] == "ready"}
        self.world.edited.update(changed)
        self._open(ready)

    def _open(self, post_ids: Iterable[int]) -> None:
        for post_id in post_ids:
            self.world.ready.add(post_id)
            self.world.fanned_out.discard(post_id)
            self.world.cursors[post_id] = 0

    # Fan-outs

    @precondition(lambda self: self.world.ids)
    @rule(pick=picks)
    def take_a_fan_out(self, pick: int) -> None:
        self._take(picked(sorted(self.world.ids.values()), pick))

    def _take(self, post_id: int) -> None:
        """Only a ready post that nobody holds is given out, at the place where its last slice ended."""
        lease = Lease(uuid4().hex, self.now + LEASE)
        with self.database.writing() as session:
            fan_out = posts.claim_fan_out(session, post_id, token=lease.token, now=self.now, lease_until=lease.until)
        open_ = post_id in self.world.ready - self.world.fanned_out
        assert (fan_out is not None) == (open_ and self._free(self.world.slices.get(post_id)))
        if fan_out is not None:
            assert fan_out.cursor == self.world.cursors[post_id]
            self.world.slices[post_id] = lease
            readers = self._concerned(fan_out.text.title)
            if fan_out.unless:
                readers -= self._concerned(fan_out.unless.title)
            self.slices.append(Slice(fan_out=fan_out, token=lease.token, readers=readers))

    def _free(self, lease: Lease | None) -> bool:
        return lease is None or lease.until < self.now

    @precondition(lambda self: self.slices)
    @rule(pick=picks, size=st.integers(1, 3))
    def fan_out(self, pick: int, size: int) -> None:
        """Its messages go to readers, and to none who was served."""
        held = picked(self.slices, pick)
        with self.database.writing() as session:
            hit, unless = find(self.matcher, held.fan_out)
            held.part = notifications.create_slice(
                session,
                held.fan_out.post.id,
                hit,
                after=held.fan_out.cursor,
                size=size,
                now=self.now,
                unless=unless,
                ask=self.timing.asker(ttl_s=EVER_S, urgent=False, now=self.now),
            )
        messages = {(held.fan_out.post.id, user_id) for user_id in held.part.users}
        assert set(held.part.users) <= held.readers
        assert not messages & self.world.over

    @precondition(lambda self: any(held.part for held in self.slices))
    @rule(pick=picks)
    def end_a_slice(self, pick: int) -> None:
        """The cursor moves on for whoever holds the fan-out, and over nobody who has no notification."""
        held = picked([held for held in self.slices if held.part], pick)
        self.slices.remove(held)
        post_id, part = held.fan_out.post.id, held.part
        assert part is not None
        end = posts.advance_fan_out if part.more else posts.finish_fan_out
        options = {"cursor": part.cursor} if part.more else {"again": held.fan_out.unless is not None}
        with self.database.writing() as session:
            ended = end(session, post_id, token=held.token, users=part.matched, now=self.now, **options)  # type: ignore[operator]
        lease = self.world.slices.get(post_id)
        assert ended == (lease is not None and lease.token == held.token)
        if not ended:
            return
        del self.world.slices[post_id]
        if part.more:
            assert part.cursor > self.world.cursors[post_id]
            self.world.cursors[post_id] = part.cursor
        else:
            self.world.fanned_out.add(post_id)
        served = {(post_id, user) for user in held.readers if not part.more or user <= part.cursor}
        assert served <= self._statuses().keys() | self.world.pruned

    # Senders

    @precondition(lambda self: self.world.ids)
    @rule(chosen=st.lists(st.tuples(picks, picks), min_size=1, max_size=8))
    def claim(self, chosen: list[tuple[int, int]]) -> None:
        ids, readers = sorted(self.world.ids.values()), sorted(self.users.values())
        self._claim({(picked(ids, post), picked(readers, user)) for post, user in chosen})

    def _claim(self, keys: set[Key]) -> None:
        """What is over, or in somebody's hands, is given to nobody."""
        lease = Lease(uuid4().hex, self.now + LEASE)
        with self.database.writing() as session:
            claimed = claims.claim(session, keys, token=lease.token, now=self.now, lease_until=lease.until)
            pushed = self.timing.pushes(session, claimed, token=lease.token, now=self.now)
            rings = [n for n in claimed if n.to_show is None]
            contents = digests.contents(session, [n.digest_id for n in rings if n.digest_id is not None])
            told = {n.post_id for n in claimed}.union(m.post_id for c in contents.values() for m in c.members)
            targets = outgoing.targets(session, [n.id for n in claimed])
            texts = outgoing.post_texts(session, told)
        # Of a digest only the lead is ever claimed.
        assert {n.id for n in rings if n.digest_id is not None} == contents.keys()
        for notification in claimed:
            key = (notification.post_id, notification.user_id)
            assert key not in self.world.pruned
            assert (key in self.world.over) == (notification.to_show is not None)
            assert self._free(self.world.senders.get(key))
            self.world.senders[key] = lease
        if claimed:
            sending = Sending(
                lease=RealLease(self.database, lease.token, LEASE.total_seconds()),
                notifications={n.id: n for n in claimed},
                posts=texts,
                paused={},
                digests=contents,
            )
            assert not self.world.dead.intersection(target.device_id for target in targets)
            self.batches.append(Batch(sending=sending, targets=targets, token=lease.token, pushed=pushed))

    @precondition(lambda self: self.batches)
    @rule(pick=picks, answers=st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=6))
    def send_and_record(self, pick: int, answers: list[str]) -> None:
        """Nothing goes to a dead device, or again to one that has it; who lost a claim records nothing."""
        batch = picked(self.batches, pick)
        self.batches.remove(batch)
        notes, put_off = batch.sending.notifications, self.timing.put_off(batch.sending, batch.pushed, self.now)
        targets = [target for target in batch.targets if target.notification_id not in put_off]
        told = {n.id: [m.post_id for m, _ in batch.sending.told(n, self.now)] or [n.post_id] for n in notes.values()}
        tried = []
        for number, target in enumerate(targets):
            note = notes[target.notification_id]
            assert self.devices[target.device_id] == note.user_id
            times = {self.world.delivered[post_id, target.device_id] for post_id in told[note.id]}
            # One that is over for somebody else may have been edited meanwhile; who lost it asks before sending.
            is_ours = self._holder((note.post_id, note.user_id)) == batch.token
            assert not is_ours or times == ({0} if note.to_show is None else {1})
            outcome = ANSWERS[picked(answers, number)]
            tried.append(judging.attempted(target, outcome, age_s=0, ttl_s=EVER_S, rand=0.5))
        records = [
            put_off.get(n.id)
            or judging.summary(n, [a for a in tried if a.target.notification_id == n.id], now=self.now)
            for n in notes.values()
        ]
        version = {number: batch.sending.posts[note.post_id].version for number, note in notes.items()}
        rows = [
            row
            for attempt in tried
            if (row := judging.delivery(attempt, now=self.now, version=version[attempt.target.notification_id]))
        ]
        dead = judging.device_news(tried, now=self.now).dead
        with self.database.writing() as session:
            held = outcomes.record(session, token=batch.token, notifications=records, deliveries=rows, now=self.now)
            close_digests(session, batch.sending, [record for record in records if record.id in held], self.now)
            outcomes.disable_devices(session, dead, now=self.now)
        self.world.dead.update(dead)
        self.world.ever_dead.update(dead)
        keys = {number: (n.post_id, n.user_id) for number, n in notes.items()}
        assert held == {number for number, key in keys.items() if self._holder(key) == batch.token}
        for record in records:
            if record.id in held:
                del self.world.senders[keys[record.id]]
                ended = [(post_id, keys[record.id][1]) for post_id in told[record.id]]
                self.world.over.update(ended if record.status != "pending" else [])
        for attempt in tried:
            number = attempt.target.notification_id
            if number in held:
                for post_id in told[number]:
                    self._remember(post_id, attempt, version[number] if len(told[number]) == 1 else None)

    @precondition(lambda self: self.world.ids)
    @rule(number=st.integers(1, 6), edit=st.sampled_from((0, 1, 2)))
    def edit_what_is_under_way(self, number: int, edit: int) -> None:
        def meanwhile() -> None:
            self.wait(1)
            self.crawl([number], "ready", edit)
            self.look_at_edits()

        self._go_on(meanwhile)

    def _holder(self, key: Key) -> str | None:
        lease = self.world.senders.get(key)
        return lease.token if lease else None

    def _remember(self, post_id: int, attempt: judging.Attempt, version: int | None) -> None:
        """No text is shown twice, and none after a newer one; where one is refused, the next edit brings another."""
        key, before = (post_id, attempt.target.device_id), attempt.target.shows
        assert before == (None if before is None else self.world.shows[key])
        if attempt.decision.action in {Action.SENT, Action.FAILED}:
            if before is not None or (version is not None and attempt.decision.action is Action.SENT):
                assert version is not None
                assert version > self.world.shows.get(key, -1)
                self.world.shows[key] = version
            if before is None and attempt.decision.action is Action.SENT:
                self.world.delivered[key] += 1
            elif before is None:
                self.world.given_up.add(key)

    @precondition(lambda self: self.world.dead)
    @rule(pick=picks)
    def register_again(self, pick: int) -> None:
        device_id = picked(sorted(self.world.dead), pick)
        with self.database.writing() as session:
            self._register(session, self.devices[device_id], self.tokens[device_id])
        self.world.dead.remove(device_id)

    # What people want

    @rule(pick=picks, wish=st.sampled_from(WISHES))
    def want(self, pick: int, wish: dict[str, Any]) -> None:
        user_id = picked(sorted(self.users.values()), pick)
        values = {name: self.now + value if isinstance(value, timedelta) else value for name, value in wish.items()}
        with self.database.writing() as session:
            session.execute(update(User).where(User.id == user_id).values(values))
            self.timing.change(session, user_id, now=self.now)

    @rule(limit=st.integers(1, 5))
    def make_digests(self, limit: int) -> None:
        """A window of a person has one; none tells what is over."""
        with self.database.writing() as session:
            digests.mend(session, now=self.now)
            formed = digests.form(session, now=self.now, limit=limit)
            leads = digests.leads(session, formed.digests)
        assert not set(leads.values()) & self.world.over

    # Time, death and upkeep

    @rule(seconds=st.sampled_from((1, 30, 90)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.slices or self.batches)
    @rule()
    def all_processes_die(self) -> None:
        self.slices, self.batches = [], []

    @rule()
    def days_pass(self) -> None:
        """More than any process that hangs lives."""
        self.all_processes_die()
        self.now += LONG

    @rule()
    def prune(self) -> None:
        """What is over and old goes for ever, and nothing else."""
        before = self._statuses().keys()
        with self.database.writing() as session:
            retention.remove_notifications(session, after=0, before=self.now - OLD, limit=1000)
            retention.empty_posts(session, before=self.now - OLD, limit=1000)
            retention.remove_keywords(session, after=0, limit=1000)
        gone = before - self._statuses().keys()
        assert gone <= self.world.over
        self.world.pruned.update(gone)

    @rule()
    def sweep(self) -> None:
        """It finds what is owed, and only that."""
        with self.database.writing() as session:
            lost = posts.stranded(session, enqueued_before=self.now - LEASE, now=self.now)
            due = notifications.due(session, now=self.now, lost_before=self.now - LEASE, limit=1000)
            stale = notifications.due(session, now=self.now, lost_before=self.now, limit=1000, replacing=True)
        assert set(lost) <= self.world.ready - self.world.fanned_out
        assert not set(due) & (self.world.over | self.world.pruned)
        assert set(stale) <= self.world.over - self.world.pruned

    def _statuses(self) -> dict[Key, str]:
        with self.database.reading() as session:
            rows = session.execute(select(Notification.post_id, Notification.user_id, Notification.status)).all()
        assert len({(post, user) for post, user, _ in rows}) == len(rows)
        return {(post, user): status for post, user, status in rows}

    @invariant()
    def only_readers_of_released_posts_are_notified_and_nothing_comes_back(self) -> None:
        keys = self._statuses().keys()
        assert not keys & self.world.pruned
        assert all(post in self.world.ready and user in self.world.readers[post] for post, user in keys)
        assert max(self.world.delivered.values(), default=0) <= 1

    @invariant()
    def a_newer_text_is_shown_or_on_its_way(self) -> None:
        if not self.world.shows:
            return
        with self.database.reading() as session:
            planned = set(session.scalars(select(PostEdit.post_id).where(PostEdit.replace_at.is_not(None))))
            marked = select(Notification.post_id, Notification.user_id).where(Notification.to_show.is_not(None))
            on_its_way = {(post, user) for post, user in session.execute(marked)}
        for (post, device), version in self.world.shows.items():
            key = (post, self.devices[device])
            shows_newest = version >= self.world.to_show.get(post, 0) or device in self.world.ever_dead
            assert shows_newest or post in planned or key in on_its_way or key in self.world.pruned

    def teardown(self) -> None:
        """Everything is healed, until nothing is owed."""
        try:
            if hasattr(self, "site_id"):
                self._heal()
        finally:
            self.database.close()

    def _heal(self) -> None:
        self.all_processes_die()
        for _ in range(50):
            self.now += timedelta(hours=2)
            self.look_at_edits()
            # What was opened for an edit just now is stranded only in the next round.
            if not self._go_on() and "ready" not in self._fates().values():
                break
        self._everybody_has_what_is_theirs_once()

    def _go_on(self, meanwhile: Callable[[], object] = lambda: None) -> bool:
        """Do all that is owed and that nobody holds; returns whether more may be. Meanwhile: while all is under way."""
        with self.database.writing() as session:
            lost = posts.stranded(session, enqueued_before=self.now, now=self.now)
        for post_id in lost:
            self._take(post_id)
            self.fan_out(-1, len(READERS) + 1)
            self.end_a_slice(-1)
        later = self.now + LEASE
        with self.database.writing() as session:
            formed = digests.form(session, now=self.now, limit=1000)
            due = notifications.due(session, now=self.now, lost_before=later, limit=1000)
            due += notifications.due(session, now=self.now, lost_before=later, limit=1000, replacing=True)
            planned = session.scalars(select(PostEdit.post_id).where(PostEdit.replace_at.is_not(None))).all()
            leads = digests.leads(session, formed.digests).values()
            waiting = session.scalars(select(Notification.id).where(Notification.deferred.is_not(None))).all()
        self._claim({*due, *leads})
        meanwhile()
        while self.batches:
            self.send_and_record(0, ["delivered"])
        return bool(lost or due or waiting or planned)

    def _everybody_has_what_is_theirs_once(self) -> None:
        world, fates = self.world, self._fates()
        owed = {(post, user) for post in world.told for user in world.first[post]}
        for post in fates.keys() - world.dropped:
            # An edit that was seen a moment before the post was too old may have been looked at too late.
            if fates[post] != "held" and self.now - world.first_seen[post] < OLD:
                owed |= {(post, user) for user in world.last[post] - world.first[post]}
        statuses = self._statuses()
        has = statuses.keys() | world.pruned
        assert owed <= has
        assert has == world.over
        assert not {"pending", "sending"}.intersection(statuses.values())
        # Nothing is planned or marked any more, so every phone shows the newest text.
        self.a_newer_text_is_shown_or_on_its_way()
        for device_id, user_id in self.devices.items():
            # One that was dead for a while may have missed what was sent meanwhile.
            if device_id not in self.world.ever_dead:
                for post in {post for post, user in has if user == user_id}:
                    times = self.world.delivered[post, device_id]
                    assert times == 1 or (post, device_id) in self.world.given_up


def picked(things, pick: int):  # type: ignore[no-untyped-def]
    """One of the things that are there."""
    return things[pick % len(things)]
