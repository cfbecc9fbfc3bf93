"""Owed work: what is due in PostgreSQL, how each kind is drained, and the sweeper that finds it without a doorbell.

A drain runs until nothing is due or its time is over, then rings again. In a rush the steps of a kind begin a moment
apart, so that each has something to do. The followers of a batch begin at once beside it, so that counting does not
wait for the last callback to be judged. Two rings at the same time in one process share a drain; two processes are kept
apart by the statements.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.rules import REMIND_AFTER
from gateway.storage import queue_head
from gateway.storage.doorbell import Doorbell, Work
from gateway.values.organiser import Deed, states_without
from payments.settlement.settle import OLDEST_BY_CONTEST

DRAIN_SECONDS_MAX: Final = 20.0
EVERY_SECONDS: Final = 1.0
# Until then a worker may be about to do it.
NEGLECTED_SECONDS: Final = 10.0
BEAT_SECONDS: Final = 3.0
# A worker hangs if one of its steps takes longer.
STUCK_SECONDS: Final = 120.0
# A worker that has not recorded itself for so long does not work.
SILENCE_SECONDS: Final = 15

_REMIND_AFTER: Final = f"make_interval(secs => {REMIND_AFTER.total_seconds()})"
# Each branch reads the head of one partial index.
_OWED: Final = text(f"""
with {OLDEST_BY_CONTEST}
select work, cast(extract(epoch from now() - since) as float8) as seconds from (
select 'collect' as work, min(least(next_check_at, expires_at)) as since from payments
  where status = 'created' and next_check_at >= :collect and (next_check_at <= now() or expires_at <= now())
union all select 'callbacks', (select received_at from callbacks where handled_at is null order by id limit 1)
union all select 'verify', least(
    (select min(next_check_at) from payments
      where status in ('sent','pending','expired','failed') and next_check_at between :verify and now()),
    (select now() from payments
      where provisional and status = 'settled' and coalesce(next_check_at, '-infinity') <= now() limit 1))
union all select 'settle', least((select min(confirmed_at) from waiting),
    (select min(confirmed_at) from payments where status in ('surplus','mismatched')),
    (select min(decide_by) from payments where status = 'held' and decide_by <= now()))
union all select 'texts_in', min(received_at) from messages_in where handled_at is null
union all select 'texts_out', min(next_try_at) from messages_out
  where status in ('due','sending','unknown') and next_try_at between :texts and now()
union all select 'refund', min(next_try_at) from refunds
  where status in ('due','sent') and next_try_at <= now()
union all select 'reversals', min(next_try_at) from reversal_questions where next_try_at <= now()
union all select 'payouts', min(o.next_try_at) from payouts o join organisers g on g.id = o.organiser_id
  where o.status in ('due','sent') and o.next_try_at <= now()
    and (o.status = 'sent' or g.state not in ({states_without(Deed.BE_PAID)}))
union all select 'videos', min(ask_at) from video_uploads where ask_at <= now()
union all select 'exports', min(try_at) from exports where try_at <= now()
union all select 'staff_acts', min(decided_at) from staff_requests where status = 'approved'
union all select 'mails', min(next_try_at) from mails where status = 'due' and next_try_at <= now()
union all select 'alerts', min(next_try_at) from alerts where status = 'due' and next_try_at <= now()
union all select 'nudges', min(reached_at) + {_REMIND_AFTER} from unfinished_dialogues
  where handled_at is null and reached_at <= now() - {_REMIND_AFTER}
) o where since is not null
""")


# Workers that are gone for a day are forgotten.
_BEAT: Final = text("""
with gone as (delete from worker_beats where seen_at < now() - interval '1 day' and worker <> :worker)
insert into worker_beats (worker, seen_at) values (:worker, now())
on conflict (worker) do update set seen_at = excluded.seen_at
""")
_WORKERS: Final = text("""
select count(*) from worker_beats where seen_at > now() - make_interval(secs => :silence)
""").bindparams(silence=SILENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon a step follows one that found something: `apart` seconds after that began, so that what becomes due
    meanwhile has no transactions of its own; at once when it did `full` or more, for then more may be waiting."""

    apart: float = 0.1
    full: int = 32


# A step waits for no window when there is nothing before it, so a lone vote waits for none. In a rush a payer waits for
# the first of these before the prompt, 0.13 s in the mean. From the PIN to the page there are four: a callback is
# judged, the question asked, its answer recorded (`payments.collection.store`), the vote counted, 0.8 s at most and
# half of it in the mean, of the two seconds that a voter may wait. A receipt may wait a second.
PACES: Final[Mapping[Work, Pace]] = {
    Work.COLLECT: Pace(0.25, 128),
    Work.CALLBACKS: Pace(0.2, 500),
    Work.VERIFY: Pace(0.2, 200),
    Work.SETTLE: Pace(0.2, 500),
    Work.TEXTS_OUT: Pace(1.0, 64),
}
USUAL: Final = Pace()

# Work that may be due once a batch of another kind is done, and that a person waits for; what else follows is found by
# the sweeper within a second.
FOLLOWS: Final[Mapping[Work, tuple[Work, ...]]] = {
    Work.COLLECT: (Work.TEXTS_OUT,),
    Work.CALLBACKS: (Work.VERIFY, Work.SETTLE),
    Work.REVERSALS: (Work.VERIFY, Work.TEXTS_OUT),
    Work.VERIFY: (Work.SETTLE, Work.TEXTS_OUT),
    Work.SETTLE: (Work.TEXTS_OUT,),
    Work.TEXTS_IN: (Work.COLLECT, Work.TEXTS_OUT),
    Work.TEXTS_OUT: (),
    Work.REMINDERS: (Work.TEXTS_OUT,),
    Work.REFUND: (Work.TEXTS_OUT,),
    Work.PAYOUTS: (),
    Work.MAILS: (),
    Work.ALERTS: (Work.MAILS,),
    Work.VIDEOS: (),
    Work.EXPORTS: (),
    Work.STAFF_ACTS: (Work.REFUND, Work.CALLBACKS, Work.TEXTS_OUT),
}

Step = Callable[[], Awaitable[int]]
"""Does a batch of one kind; returns how much it did."""
Chore = tuple[float, Callable[[], Awaitable[object]]]
"""Something to do from time to time, after the seconds between."""
_log = structlog.get_logger(__name__)


class OwedWork:
    """What is owed, and the signs of life of workers. `engine` commits each statement by itself."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._heads = {
            "collect": queue_head.QueueHead(queue_head.TO_COLLECT),
            "verify": queue_head.QueueHead(queue_head.TO_VERIFY),
            "texts": queue_head.QueueHead(queue_head.TEXTS_OUT),
        }

    async def owed(self) -> Mapping[Work, float]:
        """Kinds of work that are due, each with the age of its oldest piece in seconds."""
        async with self._engine.connect() as connection:
            since = {work: await head.since(connection) for work, head in self._heads.items()}
            return {Work(row.work): row.seconds for row in await connection.execute(_OWED, since)}

    async def beat(self, worker: str) -> None:
        """Record that this worker works."""
        async with self._engine.connect() as connection:
            await connection.execute(_BEAT, {"worker": worker})

    async def workers(self) -> int:
        """How many workers recorded it lately."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_WORKERS)).scalar_one())

    async def worker_alive(self) -> bool:
        """Whether any worker works."""
        return await self.workers() > 0


class Drains:
    """Drains each kind of work by its step. `paces`: of kinds whose pace is not the usual one.

    `temporary`: errors of servers that come back by themselves, logged in one line.
    """

    def __init__(
        self,
        steps: Mapping[Work, Step],
        doorbell: Doorbell,
        *,
        temporary: tuple[type[Exception], ...] = (),
        paces: Mapping[Work, Pace] = PACES,
    ) -> None:
        self._steps = steps
        self._paces = paces
        self._temporary = temporary
        self._doorbell = doorbell
        self._running: dict[Work, asyncio.Event] = {}
        self._again: set[Work] = set()
        self._step_began: dict[Work, float] = {}
        self._following: set[asyncio.Task[int]] = set()

    async def drain(self, work: Work) -> int:
        """Do what is due of this kind; how much was done. While one is in progress, a second call
        only makes the first look again."""
        if work in self._running:
            self._again.add(work)
            return 0
        end = self._running[work] = asyncio.Event()
        try:
            return await self._drain(work)
        finally:
            del self._running[work]
            end.set()
            self._again.discard(work)
            self._step_began.pop(work, None)

    async def rest(self, *kinds: Work, seconds: float) -> None:
        """Wait until none of these kinds is drained, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while running := [end for work, end in self._running.items() if work in kinds]:
                    await running[0].wait()

    def stuck(self, seconds: float) -> frozenset[Work]:
        """Kinds whose step in progress has taken longer than this."""
        now = time.monotonic()
        return frozenset(work for work, began in self._step_began.items() if now - began > seconds)

    async def _drain(self, work: Work) -> int:
        started, done, pace = time.monotonic(), 0, self._paces.get(work, USUAL)
        while True:
            self._again.discard(work)
            began = self._step_began[work] = time.monotonic()
            did = await self._steps[work]()
            done += did
            if did:
                for follower in FOLLOWS[work]:
                    self._follow(follower)
            elif work not in self._again:
                break
            if time.monotonic() - started > DRAIN_SECONDS_MAX:
                self._doorbell.ring(work)
                break
            await asyncio.sleep(max(0.0, began + pace.apart - time.monotonic()) if did < pace.full else 0)
        if done:
            _log.debug("drained", work=work, done=done, seconds=round(time.monotonic() - started, 3))
        return done

    def _follow(self, work: Work) -> None:
        task: asyncio.Task[int] = asyncio.get_running_loop().create_task(self.drain_logged(work))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def drain_logged(self, work: Work) -> int:
        """`drain` for callers that can do nothing about an error: it is logged. The work is still owed, so the
        sweeper comes back to it."""
        try:
            return await self.drain(work)
        except self._temporary as error:
            _log.warning("drain_waits", work=work, error=type(error).__name__)
        except Exception:
            _log.exception("drain_failed", work=work)
        return 0


async def to_do(owed: OwedWork, doorbell: Doorbell, *, does_work: bool) -> frozenset[Work]:
    """The kinds of owed work that this process does itself: a worker all, a gateway those that wait while no worker
    works; for the others it rings. Work that waits while a worker works waits for something else, such as an
    operator's rate."""
    found = await owed.owed()
    if does_work:
        return frozenset(found)
    neglected = frozenset(work for work, age in found.items() if age > NEGLECTED_SECONDS)
    if neglected and await owed.worker_alive():
        neglected = frozenset()
    for work in found.keys() - neglected:
        doorbell.ring(work)
    if neglected:
        _log.warning("no_worker_works", kinds=len(neglected))
    return neglected


async def keep_beating(owed: OwedWork, drains: Drains, worker: str, *, temporary: tuple[type[Exception], ...]) -> None:
    """Record that this worker works, until cancelled; not while one of its steps hangs."""
    while True:
        stuck = drains.stuck(STUCK_SECONDS)
        if stuck:
            _log.error("worker_hangs", kinds=sorted(stuck))
        else:
            try:
                await owed.beat(worker)
            except temporary as error:
                _log.warning("worker_beat_lost", error=type(error).__name__)
        await asyncio.sleep(BEAT_SECONDS)


async def keep_sweeping(
    *,
    owed: OwedWork,
    drains: Drains,
    doorbell: Doorbell,
    does_work: bool,
    chores: Mapping[str, Chore],
    temporary: tuple[type[Exception], ...],
) -> None:
    """Find owed work every second, and do the chores, until cancelled.

    `temporary`: errors of servers that come back; each is logged once and tried again.
    """
    loop = asyncio.get_running_loop()
    due = {name: loop.time() for name in chores}
    failing: set[str] = set()

    async def attempt(name: str, act: Callable[[], Awaitable[object]]) -> None:
        try:
            await act()
            failing.discard(name)
        except temporary as error:
            if name not in failing:
                _log.warning("sweep_waits", chore=name, error=type(error).__name__)
            failing.add(name)

    async with asyncio.TaskGroup() as group:

        async def begin() -> None:
            # One kind of work that takes long keeps no other from being found.
            for work in await to_do(owed, doorbell, does_work=does_work):
                group.create_task(drains.drain_logged(work))

        while True:
            await attempt("sweep", begin)
            for name, (every, act) in chores.items():
                if loop.time() >= due[name]:
                    due[name] = loop.time() + every
                    await attempt(name, act)
            await asyncio.sleep(EVERY_SECONDS)
