"""One batch of notifications: claim them, send to each device, record what became of each, all in few statements."""

import logging
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from uuid import uuid4

from pipeline.delivery import decisions as judging
from pipeline.delivery.asking import Timing
from pipeline.delivery.channel_faults import (
    Answer,
    Refusal,
    alone,
    find_fault,
    is_refusal,
    is_served,
    is_well,
    without_blame,
)
from pipeline.delivery.compose import compose
from pipeline.delivery.digest_text import compose_digest
from pipeline.delivery.health import Health
from pipeline.delivery.lease import Lease
from pipeline.delivery.quota import Quota
from pipeline.delivery.recording import Batch, Recorder, Tally
from pipeline.push.channel import INTERNAL_ERROR, NOT_SENT, Channel
from pipeline.push.message import Message, Platform
from pipeline.push.outcome import CHANNEL_WAIT_S, Outcome, OutcomeKind
from pipeline.resources import now
from storage import channel_health, channels, claims, digests, outgoing, pauses, probes
from storage.claims import Claimed
from storage.clock import TOLERANCE
from storage.models import ChannelState
from storage.notifications import FARTHEST_WAIT, Key
from storage.outgoing import PostText, Target
from storage.session import Database
from storage.waiting import fault_of, words

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""A channel that takes longer is not waited for by what went over the others: its part is recorded later."""
MOST_LATE = 2
"""Parts of batches that one channel may have under way longer than that, before what comes next waits its turn."""
_UNFIT = Outcome(kind=OutcomeKind.REJECTED, code="unfit", detail="no message can be made of this post: see the log")
_NO_CHANNEL = Outcome(kind=OutcomeKind.REJECTED, code="no_channel", detail="this version has no channel of that name")

Sending = tuple[str, Sequence[Target], "Future[list[Outcome]]"]


class Deliveries:
    """Delivers batches of notifications in this process; several threads may do so at once."""

    def __init__(
        self,
        database: Database,
        push: Mapping[Platform, Channel],
        *,
        lease_s: float,
        quotas: Mapping[Platform, Quota] | None = None,
        timing: Timing | None = None,
        inbox_link: str = "",
        rand: Callable[[], float] = random.random,
        on_recorded: Callable[[Tally, datetime], None] = lambda _tally, _at: None,
    ) -> None:
        """lease_s: how long a claimed batch is ours; requests are cancelled at half of it.

        timing: whom to ask when people want to be rung. inbox_link: where a tap on a digest leads; "": nowhere.

        on_recorded: told once per recorded part of a batch what was recorded, and when.
        """
        self._database = database
        self._channels: Mapping[str, Channel] = {str(name): channel for name, channel in push.items()}
        self._lease_s = lease_s
        self._quotas: Mapping[str, Quota] = {str(name): quota for name, quota in (quotas or {}).items()}
        self._timing = timing or Timing()
        self._inbox_link = inbox_link
        self._rand = rand
        self._health = Health()
        self._recorder = Recorder(database, self._health, on_recorded)
        # Of each channel its own: one that hangs holds no other's threads.
        self._threads = {
            name: ThreadPoolExecutor(max_workers=2 * MOST_LATE + 2, thread_name_prefix=f"channel-{name}")
            for name in self._channels
        }
        self._later = ThreadPoolExecutor(max_workers=2 * MOST_LATE * len(push) + 2, thread_name_prefix="late-part")
        self._late: Counter[str] = Counter()
        self._late_lock = threading.Lock()

    def deliver(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Deliver those of the given notifications that are due and free; returns the new status of each of these.

        What a slow channel has not answered for yet is not among them: it is recorded when that is known.
        """
        token = uuid4().hex
        lease = Lease(self._database, token, self._lease_s)
        at = now()
        with self._database.writing() as session:
            claimed = claims.claim(
                session,
                keys,
                token=token,
                now=at,
                lease_until=at + timedelta(seconds=self._lease_s),
                everybody=self._timing.for_everybody,
            )
            pushed = self._timing.pushes(session, claimed, token=token, now=at)
        if not claimed:
            return {}
        with self._database.reading() as session:
            leads = [n.digest_id for n in claimed if n.digest_id is not None and n.to_show is None]
            contents = digests.contents(session, leads) if leads else {}
            # Before the texts: what is marked between the two would send a phone the text that it shows.
            targets = outgoing.targets(session, [n.id for n in claimed])
            posts = {n.post_id for n in claimed}.union(m.post_id for c in contents.values() for m in c.members)
            closed = pauses.closed(session)
            batch = Batch(
                lease=lease,
                notifications={n.id: n for n in claimed},
                posts=outgoing.post_texts(session, posts),
                digests=contents,
                paused=closed.faulty,
                held=closed.held,
                troubled=closed.troubled,
            )
        batch.put_off = self._timing.put_off(batch, pushed, at)
        if batch.put_off:
            targets = [target for target in targets if target.notification_id not in batch.put_off]
        sending = self._send_all(batch, targets, at)
        return self._collect(batch, sending)

    def _send_all(self, batch: Batch, targets: Sequence[Target], at: datetime) -> list[Sending]:
        """Sort out what may go now, and send it over all channels side by side."""
        ready: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            if batch.is_too_old(target, at):
                batch.attempts.append(judging.expired(target))
            elif (hold := batch.hold(target)) is not None:
                batch.attempts.append(judging.held(target, hold, **batch.age_and_ttl(target, at)))
            elif target.not_before is not None and TOLERANCE < target.not_before - at < FARTHEST_WAIT:
                delay, times = (target.not_before - at).total_seconds(), batch.age_and_ttl(target, at)
                batch.attempts.append(judging.kept_back(target, delay, "the vendor asked to wait", **times))
            elif target.platform not in self._channels:
                times = batch.age_and_ttl(target, at)
                batch.attempts.append(judging.attempted(target, _NO_CHANNEL, **times, rand=0))
            else:
                ready[target.platform].append(target)
        allowed = {name: self._allowed(batch, name, waiting, at) for name, waiting in ready.items()}
        # Whatever took its time until here (a lock, a stopped process), others may have it by now.
        batch.keep(batch.lease.still_ours(batch.notifications))
        sending = []
        for name, chosen in allowed.items():
            ours = [target for target in chosen if target.notification_id in batch.notifications]
            if ours:
                sending.append(self._send(batch, name, ours))
        return sending

    def _send(self, batch: Batch, name: str, targets: Sequence[Target]) -> Sending:
        messages, composed = [], []
        for target in targets:
            notification, post = batch.of(target)
            try:
                messages.append(self._compose(batch, notification, post, target))
            except Exception:
                logger.exception("a message cannot be composed", extra={"fields": {"post": post.id}})
                times = batch.age_and_ttl(target, now())
                batch.attempts.append(judging.attempted(target, _UNFIT, **times, rand=0))
            else:
                composed.append(target)
        return name, composed, self._threads[name].submit(self._answers, name, messages, batch.lease)

    def _compose(self, batch: Batch, notification: Claimed, post: PostText, target: Target) -> Message:
        content = batch.digests.get(notification.id)
        if content is None:
            return compose(post, notification, target, batch.drafts)
        told = batch.told(notification, now())
        if len(told) > 1:
            return compose_digest(content.id, told, notification, target, link=self._inbox_link)
        # Alone it is itself.
        return compose(told[0][1] if told else post, notification, target, batch.drafts)

    def _answers(self, name: str, messages: Sequence[Message], lease: Lease) -> list[Outcome]:
        """One outcome for each message, whatever the channel does."""
        left = lease.sends_for_s()
        if left <= 0:
            return [NOT_SENT] * len(messages)
        try:
            outcomes = list(self._channels[name].send(messages, left))
        except Exception:
            logger.exception("channel failed", extra={"fields": {"channel": name}})
            return [INTERNAL_ERROR] * len(messages)
        return outcomes if len(outcomes) == len(messages) else [INTERNAL_ERROR] * len(messages)

    def _allowed(self, batch: Batch, name: str, waiting: Sequence[Target], at: datetime) -> Sequence[Target]:
        """Those that may go over a channel now; the others are kept back.

        All, as far as the quota goes; none when the channel is paused, or one when it is time to look whether it is
        well again; none either while it has not answered for those before.
        """
        pause = batch.paused.get(name)
        if pause is not None:
            probe = self._probe(name, pause, waiting, at)
            fault = fault_of(name)
            reason = words(fault, pause.code)
            for target in waiting:
                if target is not probe:
                    delay = judging.paused_delay_s(pause.paused_until, at, self._rand())
                    times = batch.age_and_ttl(target, at)
                    batch.attempts.append(judging.kept_back(target, delay, reason, fault, **times))
            return [] if probe is None else [probe]
        if self._late[name] >= MOST_LATE:
            batch.attempts += [
                judging.slow(target, **batch.age_and_ttl(target, at), rand=self._rand()) for target in waiting
            ]
            return []
        quota = self._quotas.get(name)
        if quota is None:
            return waiting
        count = quota.take(len(waiting))
        for place, target in enumerate(waiting[count:]):
            times = batch.age_and_ttl(target, at)
            batch.attempts.append(judging.kept_back(target, quota.delay_s(place), f"{name} quota", **times))
        return waiting[:count]

    def _probe(self, name: str, pause: ChannelState, waiting: Sequence[Target], at: datetime) -> Target | None:
        """With whom a paused channel is tried, if it is time to: if anybody else waits, with none that was refused."""
        if pause.paused_until > at:
            return None
        probe = next((target for target in waiting if target.refused_code is None), None)
        with self._database.writing() as session:
            if probe is None:
                best = probes.probe_device(session, name, at_hand=[target.device_id for target in waiting])
                probe = next((target for target in waiting if target.device_id == best), None)
            until = at + timedelta(seconds=CHANNEL_WAIT_S)
            if probe is None or not probes.take_probe(session, name, now=at, until=until):
                return None
        return probe

    def _collect(self, batch: Batch, sending: Sequence[Sending]) -> dict[Key, str]:
        """Judge what came back and record it; what a slow channel still owes is recorded by a thread of its own."""
        wait([future for _, _, future in sending], timeout=PATIENCE_S)
        late = [each for each in sending if not each[2].done()]
        for name, tried, future in sending:
            if future.done():
                self._judge(batch, name, tried, future.result())
        if late:
            part = batch.split({target.notification_id for _, tried, _ in late for target in tried})
            with self._late_lock:
                self._late.update(name for name, _, _ in late)
            self._later.submit(self._collect_late, part, late)
        return self._recorder.record(batch)

    def _collect_late(self, batch: Batch, late: Sequence[Sending]) -> None:
        try:
            for name, tried, future in late:
                try:
                    self._judge(batch, name, tried, future.result())
                finally:
                    with self._late_lock:
                        self._late[name] -= 1
            self._recorder.record(batch)
        except Exception:
            # Its lease ends, and the sweep sends for it again.
            logger.exception("a late part of a batch was not recorded")

    def _judge(self, batch: Batch, name: str, targets: Sequence[Target], outcomes: list[Outcome]) -> None:
        """Learn from a channel's answers, and decide on each of them."""
        at = now()
        trouble = self._health.learn(name, outcomes, now=at)
        if trouble is not None:
            batch.troubles[name] = trouble
        if any(o.kind is OutcomeKind.DELIVERED for o in outcomes):
            batch.accepted.add(name)
        # Nearly always nobody is refused, and this is done for each message.
        refused: list[str | None] = [
            o.code if o.kind is not OutcomeKind.DELIVERED and is_refusal(o) else None for o in outcomes
        ]
        if any(refused) or any(o.kind is OutcomeKind.CHANNEL_DOWN for o in outcomes):
            outcomes = self._without_faults(batch, name, targets, outcomes, at)
        elif name in batch.paused and is_well(outcomes, batch.paused[name].code):
            batch.well.add(name)
        for target, code, outcome in zip(targets, refused, outcomes, strict=True):
            if outcome.kind is OutcomeKind.DELIVERED:
                batch.attempts.append(judging.delivered(target, outcome))
                continue
            times = batch.age_and_ttl(target, at)
            batch.attempts.append(judging.attempted(target, outcome, code, **times, rand=self._rand()))

    def _without_faults(
        self, batch: Batch, name: str, targets: Sequence[Target], outcomes: Sequence[Outcome], at: datetime
    ) -> list[Outcome]:
        """What refusals mean: a fault of the channel, which pauses it, or of each device alone."""
        answers = [
            Answer(
                device=target.device_id,
                user=batch.of(target)[0].user_id,
                outcome=outcome,
                refused_code=target.refused_code,
                refused_since=target.refused_since,
            )
            for target, outcome in zip(targets, outcomes, strict=True)
        ]
        accepted_at = self._health.accepted_at(name)
        earlier: Sequence[Refusal] = ()
        if not is_served(answers):
            with self._database.reading() as session:
                known = channel_health.evidence(session, name)
            accepted_at = max(filter(None, (accepted_at, known.accepted_at)), default=None)
            earlier = [Refusal(device=d, user=u, code=code, since=since) for d, u, code, since in known.refused]
        fault = find_fault(answers, earlier, accepted_at=accepted_at, now=at)
        pause = self._pause_meanwhile(batch, name)
        codes = set()
        if fault is not None:
            batch.faults[name] = fault
            codes.add(fault.code)
        if pause is not None:
            codes.add(pause.code)
            # Only a probe says so: what was on its way when the pause began does not.
            if name in batch.paused and fault is None and is_well(outcomes, pause.code):
                batch.well.add(name)
        spared = alone(answers, accepted_at=accepted_at, now=at)
        judged = [o if o.code in codes else each for o, each in zip(outcomes, spared, strict=True)]
        for code in codes:
            judged = without_blame(judged, code)
        return judged

    def _pause_meanwhile(self, batch: Batch, name: str) -> ChannelState | None:
        """The channel's pause, looked up again: another process may have understood a burst first."""
        if name in batch.paused:
            return batch.paused[name]
        with self._database.reading() as session:
            return next((state for state in channels.paused(session) if state.name == name), None)
