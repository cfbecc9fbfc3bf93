"""One rush: voters who dial by the clock, the operator's word that they paid, and how long everything took."""

import asyncio
import csv
import io
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

import asyncpg
import httpx

from tests.bench.finale.counters import Counts
from tests.bench.finale.crowd import crowd
from tests.bench.finale.processes import Part, since, spent
from tests.bench.finale.stage import Stage
from tests.bench.live import Screen, gather, waits_of
from tests.bench.load import open_loop, request
from tests.bench.measure import Inexact, Result

CODE: Final = "07"
_DIAL_PATH: Final = "/ussd/africastalking"
_EVENTS_PATH: Final = "/api/contests/star/leaderboard/events"
_BACKLOG_SECONDS_MAX: Final = 240.0
# Delivery reports, sums and public log follow; they are part of what a vote costs.
_AFTER_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.25
_IDLE_SECONDS: Final = 5.0
# So many screens are timed.
_TIMED: Final = 10

_NOW: Final = """
select (select count(*) from votes) as ordered,
  (select coalesce(sum(next_seq - 1), 0)::bigint from contest_heads) as counted,
  (select count(*) from messages_out where status = 'sent') as receipts
"""
_OWED: Final = "select count(*) from messages_out where status in ('due', 'sending')"
# When each step of a vote was written, in seconds since 1970.
_STEPS: Final = """
select t.payment_reference::text as reference, t.seq, extract(epoch from p.placed_at)::float8 as ordered,
  (select extract(epoch from min(e.at)) from payment_events e where e.reference = p.reference
    and e.to_status in ('sent', 'pending'))::float8 as asked,
  (select extract(epoch from min(c.received_at)) from callbacks c where c.payment_reference = p.reference)::float8
    as callback,
  (select extract(epoch from min(c.handled_at)) from callbacks c where c.payment_reference = p.reference)::float8
    as judged,
  extract(epoch from p.confirmed_at)::float8 as confirmed, extract(epoch from t.counted_at)::float8 as counted,
  (select extract(epoch from min(m.sent_at)) from messages_out m where m.payment_reference = p.reference)::float8
    as receipt
from tally_entries t join payments p on p.reference = t.payment_reference where t.seq > $1 order by t.seq
"""
_WAY: Final = ("ordered", "asked", "PIN", "callback", "judged", "confirmed", "counted", "receipt")


@dataclass(frozen=True)
class Rush:
    """What came of it. Seconds; `cost` and `others` are processor milliseconds a counted vote by process; `after`:
    until all was counted and all receipts were sent, from the last dial; `way`: from each step of a vote to the next,
    under the name of the later one."""

    rate: float
    seconds: float
    sent: int
    answered: int
    ordered: int
    counted: int
    receipts: int
    hops: Sequence[float]
    way: Mapping[str, Sequence[float]]
    to_counted: Sequence[float]
    to_page: Sequence[float]
    after: float
    cost: Mapping[str, float]
    others: Mapping[str, float]
    counts: Counts = field(repr=False)


class Caller:
    """Numbers that were not used before, anywhere among the operator's subscribers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._used: set[int] = set()

    def dials(self) -> Iterator[bytes]:
        """The one-dial string as the aggregator posts it: a vote is ordered in one hop."""
        while True:
            number = self._random.randrange(10**8)
            if number in self._used:
                continue
            self._used.add(number)
            fields = {
                "sessionId": f"ATUid_{self._random.getrandbits(96):024x}",
                "phoneNumber": f"+22505{number:08d}",
                "networkCode": "61205",
                "serviceCode": "*789#",
                "text": f"{CODE}*1*1",
            }
            body = "&".join(f"{name}={quote(value, safe='*')}" for name, value in fields.items()).encode()
            yield request("POST", _DIAL_PATH, body, Content_Type="application/x-www-form-urlencoded")


async def idle(stage: Stage) -> dict[str, float]:
    """Share of a core that each process takes while there are no votes, in per cent."""
    before = spent(stage.parts)
    await asyncio.sleep(_IDLE_SECONDS)
    return {name: 100 * seconds / _IDLE_SECONDS for name, seconds in since(before, stage.parts).items()}


async def rush(stage: Stage, caller: Caller, *, rate: float, seconds: float, viewers: int) -> Rush:
    """Let people dial so often for so long, and wait until all is counted and has its receipt. Raises Inexact."""
    port, timed = stage.country.port, min(viewers, _TIMED)
    database = await asyncpg.connect(stage.database_url)
    screens = await gather(port, _EVENTS_PATH, timed)
    try:
        async with crowd(port, _EVENTS_PATH, viewers - timed) as watching:
            others = {**stage.others, "viewers": watching}
            return await _measured(stage, caller, database, screens, others, rate=rate, seconds=seconds)
    finally:
        for screen in screens:
            screen.transport.close()
        await database.close()


async def _measured(
    stage: Stage,
    caller: Caller,
    database: "asyncpg.Connection[Any]",
    screens: Sequence[Screen],
    others: Mapping[str, Part],
    *,
    rate: float,
    seconds: float,
) -> Rush:
    before = await _now(database)
    counts, own, beside = await stage.meters.read(), spent(stage.parts), spent(others)
    offset = time.time() - time.perf_counter()
    load = await open_loop("127.0.0.1", stage.country.port, caller.dials(), rate=rate, seconds=seconds)
    ended = time.monotonic()
    after = await _until_receipts(database, before["ordered"] + load.sent, ended)
    now = await _now(database)
    own, beside = since(own, stage.parts), since(beside, others)
    delta = (await stage.meters.read()).since(counts)
    paid = _moments_of_pin(stage)
    rows = [{**row, "PIN": paid[row["reference"]]} for row in await database.fetch(_STEPS, before["counted"])]
    votes = now["counted"] - before["counted"]
    if not votes:
        raise Inexact(f"{load.sent} dialled, answers {load.statuses}, none counted")
    return Rush(
        rate,
        seconds,
        load.sent,
        load.statuses.get(200, 0),
        now["ordered"] - before["ordered"],
        votes,
        now["receipts"] - before["receipts"],
        load.waits,
        {late: [row[late] - row[early] for row in rows] for early, late in pairwise(_WAY)},
        [row["counted"] - row["PIN"] for row in rows],
        _to_page(rows, screens, offset),
        after,
        {name: 1000 * value / votes for name, value in own.items()},
        {name: 1000 * value / votes for name, value in beside.items()},
        delta,
    )


def goals(done: Rush, insert: float, paced: float) -> list[Result]:
    """The figures that have goals. Processor milliseconds of a raw insert: `insert` as fast as they go, where many
    share a commit; `paced` as often as votes came."""
    what = f"at {done.rate:g} a second"
    parts = {name: round(value, 2) for name, value in done.cost.items()}

    def in_inserts(unit: float, how: str) -> Result:
        name, cost = f"a paid vote {what}, in raw inserts {how}", sum(done.cost.values())
        return Result("P17", name, cost / unit, 10, 5, lower=True, detail={"insert_ms": round(unit, 3), **parts})

    return [
        Result("P16", f"finale {what}: hop, p99", 1000 * _p99(done.hops), 100, 50, lower=True, unit=" ms"),
        Result("P16", f"finale {what}: PIN to page, p99", _p99(done.to_page), 2, 0.8, lower=True, unit=" s"),
        Result("P16", f"finale {what}: backlog after", done.after, 10, 5, lower=True, unit=" s"),
        in_inserts(paced, "at that rate"),
        in_inserts(insert, "as fast as they go"),
    ]


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def _now(database: "asyncpg.Connection[Any]") -> dict[str, int]:
    return dict(await database.fetchrow(_NOW) or {})


async def _until_receipts(database: "asyncpg.Connection[Any]", ordered: int, ended: float) -> float:
    """Seconds from the last dial until everything is counted and its receipt sent."""
    while True:
        counted = await database.fetchval("select coalesce(sum(next_seq - 1), 0) from contest_heads")
        if counted >= ordered and await database.fetchval(_OWED) == 0:
            break
        if time.monotonic() - ended > _BACKLOG_SECONDS_MAX:
            raise Inexact(f"after {_BACKLOG_SECONDS_MAX:g} s: {await _now(database)}")
        await asyncio.sleep(_LOOK_SECONDS)
    after = time.monotonic() - ended
    await asyncio.sleep(_AFTER_SECONDS)
    return after


def taken_by_operator(stage: Stage) -> list[dict[str, str]]:
    """The lines of the operator's statement."""
    answer = httpx.get(f"{stage.operator}/statement/mtn_momo.csv", timeout=60).raise_for_status()
    return [line for line in csv.DictReader(io.StringIO(answer.text)) if line["kind"] == "collection"]


def _moments_of_pin(stage: Stage) -> dict[str, float]:
    """When the operator took the money, by our reference, as seconds since 1970."""
    return {
        line["our_reference"]: datetime.fromisoformat(line["completed_at"]).timestamp()
        for line in taken_by_operator(stage)
    }


def _to_page(rows: Sequence[Mapping[str, Any]], screens: Sequence[Screen], offset: float) -> list[float]:
    due = [(int(row["seq"]), row["PIN"] - offset) for row in rows]
    return [wait for screen in screens[:_TIMED] for wait in waits_of(due, screen.seen)]
