"""`python -m tests.bench.finale [--rates 100] [--seconds 15] [--workers 1] [--viewers 200] [--statements 12]`."""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg
import uvloop

from gateway.storage.engine import make_engine
from payments.ledger.audit import audit_money
from tests.bench.finale.floor import Floor
from tests.bench.finale.rush import Caller, Rush, goals, idle, rush, taken_by_operator
from tests.bench.finale.stage import Stage, staged
from tests.bench.measure import Inexact, Result

_WARM_SECONDS = 3.0
_WARM_RATE = 20.0
_START_SECONDS = 60.0
# Of each rate, before and after it.
_FLOORS = 2


async def _run(stage: Stage, options: argparse.Namespace) -> None:
    await _until_beating(stage, options.workers)
    caller = Caller(options.seed)
    await rush(stage, caller, rate=_WARM_RATE, seconds=_WARM_SECONDS, viewers=1)
    print("without votes, % of a core: " + _listed(await idle(stage)))
    results: list[Result] = []
    async with Floor(stage) as floor:
        for rate in options.rates:
            inserts, paced = [await floor.cost() for _ in range(_FLOORS)], [await floor.cost_at(rate)]
            done = await rush(stage, caller, rate=rate, seconds=options.seconds, viewers=options.viewers)
            _print(done, options.statements)
            await _check(stage)
            paced += [await floor.cost_at(rate)]
            inserts += [await floor.cost() for _ in range(_FLOORS)]
            _print_floor(done, inserts, "as fast as they go")
            _print_floor(done, paced, f"{rate:g} a second")
            results += goals(done, statistics.median(inserts), statistics.median(paced))
    for result in results:
        print(result.line())
    if options.results:
        options.results.write_text(json.dumps([asdict(result) for result in results]))


async def _until_beating(stage: Stage, workers: int) -> None:
    database = await asyncpg.connect(stage.database_url)
    deadline = time.monotonic() + _START_SECONDS
    while await database.fetchval("select count(*) from worker_beats") < workers:
        if time.monotonic() > deadline:
            raise RuntimeError(f"fewer than {workers} workers work")
        await asyncio.sleep(0.2)
    await database.close()


async def _check(stage: Stage) -> None:
    """Money is votes: by the audit, and by the operator's statement. Raises Inexact."""
    engine = make_engine(stage.database_url, pool_size=1, statement_timeout_ms=60_000)
    broken = {name: rows for name, rows in await audit_money(engine) if rows}
    await engine.dispose()
    taken = sum(int(line["amount"]) for line in taken_by_operator(stage))
    database = await asyncpg.connect(stage.database_url)
    counted = int(await database.fetchval("select sum(amount_minor) from tally_entries"))
    await database.close()
    if broken or taken != counted:
        raise Inexact(f"taken {taken}, counted {counted}, audit {broken}")
    print(f"  money = votes: {taken:,} taken by the operator's statement, {counted:,} counted, the audit finds nothing")


def _print(done: Rush, statements: int) -> None:
    print(
        f"\n{done.rate:g} dials a second for {done.seconds:g} s: {done.sent} sent, {done.answered} answered, "
        f"{done.ordered} ordered, {done.counted} counted, {done.receipts} receipts"
    )
    print(
        f"  hop {_waits(done.hops, 1000)} ms; PIN to counted {_waits(done.to_counted)} s, to page "
        f"{_waits(done.to_page)} s; all counted, with receipts, {done.after:.1f} s after the last dial"
    )
    way = ", ".join(f"{name} {statistics.median(waits):.2f}" for name, waits in done.way.items())
    print(f"  from step to step, median s: {way}")
    print(
        f"  processor, ms a vote: {_listed(done.cost)}; sum {sum(done.cost.values()):.1f} "
        f"(others: {_listed(done.others)})"
    )
    votes = done.counted
    print("  a vote:")
    for name, value in done.counts.by_name.items():
        if value / votes >= (0.05 if name.startswith(" ") else 0):
            print(f"    {name:<36} {value / votes:>10.2f}")
    top = sorted(done.counts.statements.values(), key=lambda one: -one.milliseconds)[:statements]
    print(f"  statements: {'ms':>6} {'planning':>8} {'calls':>7} {'rows':>6} {'WAL':>6}  a vote")
    for one in top:
        shown = textwrap.shorten(one.query, 110)
        print(
            f"              {one.milliseconds / votes:>6.3f} {one.planning / votes:>8.3f} {one.calls / votes:>7.3f} "
            f"{one.rows / votes:>6.2f} {one.wal / votes:>6.0f}  {shown}"
        )


def _print_floor(done: Rush, inserts: Sequence[float], how: str) -> None:
    insert, shown = statistics.median(inserts), ", ".join(f"{one:.2f}" for one in inserts)
    votes = sum(done.cost.values()) / insert
    print(f"  a raw insert over HTTP, {how}: {insert:.2f} ms ({shown}); a vote is {votes:.1f} of them")


def _listed(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in figures.items())


def _waits(values: Sequence[float], factor: float = 1) -> str:
    return f"p50 {factor * statistics.median(values):.2f} p99 {factor * statistics.quantiles(values, n=100)[98]:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Votes from the one-dial string to the receipt, everything real.")
    parser.add_argument("--rates", type=lambda words: [float(word) for word in words.split(",")], default=[100.0])
    parser.add_argument("--seconds", type=float, default=15.0, help="for each rate")
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    parser.add_argument("--viewers", type=int, default=200, help="of the contest's stream")
    parser.add_argument("--lean", action="store_true", help="an operator that does only what a vote needs")
    parser.add_argument("--statements", type=int, default=12, help="so many of the dearest statements are shown")
    parser.add_argument("--results", type=Path, help="a file for the results, as JSON")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the callers")
    options = parser.parse_args()
    # What was started is also ended when a signal ends this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # All share the machine, whatever core the caller keeps to.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with staged(options.workers, lean=options.lean) as stage:
        uvloop.run(_run(stage, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
