"""What was done for a vote: statements, transactions, commands of Redis, HTTP calls, jobs, log lines."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from redis import Redis
from rq import Worker

_TOTALS: Final = """
select d.xact_commit as transactions, d.xact_rollback as rollbacks, w.wal_bytes::bigint as "WAL bytes",
  w.wal_records as "WAL records", s.calls as statements
from pg_stat_database d, pg_stat_wal w, (
  select sum(calls)::bigint as calls from pg_stat_statements
  where dbid = (select oid from pg_database where datname = $1)) s
where d.datname = $1
"""
_STATEMENTS: Final = """
select queryid, query, calls, rows, total_exec_time + total_plan_time as milliseconds, total_plan_time as planning,
  wal_bytes::bigint as wal
from pg_stat_statements where dbid = (select oid from pg_database where datname = $1) and toplevel
"""
# Every line is one JSON object.
_EVENT: Final = re.compile(rb'^\{.*?"event":"([^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class Statement:
    """What one statement of PostgreSQL took so far. Milliseconds include `planning`."""

    query: str
    calls: int = 0
    rows: int = 0
    milliseconds: float = 0.0
    planning: float = 0.0
    wal: int = 0

    def since(self, before: "Statement") -> "Statement":
        """What it took in between."""
        return Statement(
            self.query,
            self.calls - before.calls,
            self.rows - before.rows,
            self.milliseconds - before.milliseconds,
            self.planning - before.planning,
            self.wal - before.wal,
        )


@dataclass(frozen=True)
class Counts:
    """Counters by name, and statements by PostgreSQL's id of them."""

    by_name: Mapping[str, int]
    statements: Mapping[int, Statement] = field(default_factory=dict)

    def since(self, before: "Counts") -> "Counts":
        """What came in between."""
        names = {name: value - before.by_name.get(name, 0) for name, value in self.by_name.items()}
        changed = {
            key: one.since(before.statements.get(key, Statement(one.query))) for key, one in self.statements.items()
        }
        return Counts(names, {key: one for key, one in changed.items() if one.calls})


@dataclass(frozen=True)
class Meters:
    """Where the counters are read. `logs`: files that the product writes; `country`: address of the operator."""

    superuser_url: str
    database: str
    redis_url: str
    country: str
    logs: Iterable[Path]

    async def read(self) -> Counts:
        """All counters as they are now."""
        connection = await asyncpg.connect(self.superuser_url)
        try:
            totals = await connection.fetchrow(_TOTALS, self.database)
            rows = await connection.fetch(_STATEMENTS, self.database)
        finally:
            await connection.close()
        statements = {row["queryid"]: Statement(*tuple(row)[1:]) for row in rows}
        by_name = {
            **dict(totals or {}),
            **self._redis(),
            **await self._calls(),
            **_lines(self.logs),
        }
        return Counts(by_name, statements)

    def _redis(self) -> dict[str, int]:
        """Commands, what was read from clients at once (a pipeline is one), and jobs that a worker did."""
        with Redis.from_url(self.redis_url) as client:
            stats: dict[str, Any] = client.info("all")
            jobs = sum(worker.successful_job_count for worker in Worker.all(connection=client))
        found = {"Redis round trips": stats["total_reads_processed"], "jobs": jobs}
        commands = {name: value["calls"] for name, value in stats.items() if name.startswith("cmdstat_")}
        found["Redis commands"] = sum(commands.values())
        return {**found, **{f"  {name.removeprefix('cmdstat_')}": calls for name, calls in commands.items()}}

    async def _calls(self) -> dict[str, int]:
        """Calls between the product and the country, by company."""
        async with httpx.AsyncClient(base_url=self.country) as client:
            totals: dict[str, dict[str, int]] = (await client.get("/requests")).raise_for_status().json()
        sums: Counter[str] = Counter()
        for company, ways in totals.items():
            for way, calls in ways.items():
                name = "HTTP calls out" if way == "in" else "HTTP calls in"
                sums[name] += calls
                sums[f"  {name}, {company}"] += calls
        return dict(sums)


def _lines(logs: Iterable[Path]) -> dict[str, int]:
    """Lines of the product's logs, by their event."""
    events = Counter(event for path in logs if path.exists() for event in _EVENT.findall(path.read_bytes()))
    by_event = {f"  log lines, {event.decode()[:30]}": events[event] for event in sorted(events)}
    return {"log lines": events.total(), **by_event}
