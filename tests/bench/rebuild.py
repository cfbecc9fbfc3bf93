"""P15: the ranking of a tally of two million entries, put back into an empty Redis."""

import time
from uuid import UUID

import asyncpg

from gateway.runtime import operations
from gateway.runtime.settings import Settings
from gateway.storage.redis_link import connect
from leaderboard.scores import ScoreFeed, Scores, heal_scores
from tests.bench.measure import Inexact, Result, interleave, ratio
from tests.bench.world import World
from tests.rigs.rig import SECRET_KEY

ENTRIES = 2_000_000
CANDIDATES = 500
# Neither side reads by these, and to write them takes most of the time.
_UNREAD = ("tally_entries_once", "tally_entries_receipt", "tally_entries_adjusted_once")
_FILL = """
insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
  ledger_tx)
select $1, n, 'vote', ($2::uuid[])[1 + n * 7919 % cardinality($2::uuid[])], 1 + n % 7, 100 * (1 + n % 7),
  gen_random_uuid(), 'R' || n, gen_random_uuid()
from generate_series(1, $3::bigint) n
"""
_SUMS = "select candidate_id, sum(quantity) as votes from tally_entries group by 1"
_TOTALS = """
insert into candidate_totals as t (candidate_id, contest_id, votes, amount_minor)
select candidate_id, $1, sum(quantity), sum(amount_minor) from tally_entries group by 1
on conflict (candidate_id, round) do update set votes = excluded.votes, amount_minor = excluded.amount_minor
"""


async def p15(world: World) -> list[Result]:
    """The ranking of two million entries put back into an empty Redis, as `spotlight tally rebuild` does. Settlement
    keeps the totals with each batch; which entry reached each of them is read from the tally."""
    async with world.fresh(CANDIDATES) as backlog:
        contest = await backlog.rig.one("select id from contests where slug = :slug", slug=backlog.slug)
        owner = await asyncpg.connect(backlog.superuser_url)
        app = await asyncpg.connect(backlog.app_url)
        redis = connect(world.redis_url)
        settings = Settings(
            DATABASE_URL=backlog.app_url, REDIS_URL=world.redis_url, SPOTLIGHT_SECRET_KEY=SECRET_KEY, _env_file=None
        )
        feed, scores = ScoreFeed(redis), Scores(backlog.rig.engine)
        try:
            codes = await _fill(owner, contest)

            async def floor() -> float:
                started = time.perf_counter()
                await app.fetch(_SUMS)
                return 1 / (time.perf_counter() - started)

            async def rebuild() -> float:
                await owner.execute("update candidate_totals set reached_seq = 0")
                await feed.forget(contest)
                started = time.perf_counter()
                await operations.rebuild_tally(settings)
                seconds = time.perf_counter() - started
                held = await feed.read(contest)
                votes = {codes[row["candidate_id"]]: int(row["votes"]) for row in await app.fetch(_SUMS)}
                if held is None or held[:2] != (ENTRIES, votes) or max(held[2].values()) != ENTRIES:
                    raise Inexact("Redis has another ranking than the tally")
                return 1 / seconds

            rates = await interleave({"rebuild": rebuild, "group_by": floor}, "group_by")
            await feed.forget(contest)
            started = time.perf_counter()
            await heal_scores(scores=scores, feed=feed)
            healed = time.perf_counter() - started
        finally:
            await redis.aclose()
            await app.close()
            await owner.close()
    detail = {
        "group_by_ms": round(1000 / max(rates["group_by"])),
        "rebuild_ms": round(1000 / max(rates["rebuild"])),
        # What a worker does by itself, from totals alone.
        "healed_ms": round(1000 * healed),
    }
    what = "ranking of 2 M entries put back, to the GROUP BY"
    return [Result("P15", what, ratio(rates, "group_by", "rebuild"), 5, 2, lower=True, detail=detail)]


async def _fill(owner: asyncpg.Connection, contest: UUID) -> dict[UUID, str]:
    """Write the tally and its totals; the code of each candidate."""
    codes = {row["id"]: row["code"] for row in await owner.fetch("select id, code from candidates")}
    of_contest = await owner.fetch("select id from candidates where contest_id = $1", contest)
    # Without the triggers that look for what each entry names.
    await owner.execute("set session_replication_role = replica")
    await owner.execute("".join(f"drop index {name};" for name in _UNREAD))
    await owner.execute(_FILL, contest, [row["id"] for row in of_contest], ENTRIES)
    await owner.execute(_TOTALS, contest)
    await owner.execute("update contests set tie_break = 'earliest' where id = $1", contest)
    await owner.execute("update contest_heads set next_seq = $2 where contest_id = $1", contest, ENTRIES + 1)
    await owner.execute("vacuum analyze tally_entries")
    return codes
