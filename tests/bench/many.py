"""What the ranking of a contest with very many candidates costs: `python -m tests.bench.many <data directory> <count>`.

Needs a running product (`make run`) whose data may be spoilt: it adds candidates with votes to the demo contest.
Figures are milliseconds of the gateway's processor for each request, so other work on the machine does not count.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import psutil

REPEATS: Final = 40
_ADD: Final = """
insert into candidates (id, contest_id, code, name, status)
  select gen_random_uuid(), c.id, cast(100000 + n as text), 'Candidate ' || n, 'approved'
  from contests c, generate_series(0, $1 - 1) n where c.slug = 'star'
"""
_VOTES: Final = """
insert into candidate_totals (candidate_id, contest_id, votes, amount_minor)
  select p.id, c.id, cast(p.code as int) * 7919 % 1000, cast(p.code as int) * 7919 % 1000 * 100
  from candidates p join contests c on c.id = p.contest_id where c.slug = 'star' and length(p.code) = 6
"""
_ONE_MORE: Final = """
update candidate_totals set votes = votes + 5, amount_minor = amount_minor + 500
  where candidate_id = (select p.id from candidates p join contests c on c.id = p.contest_id
    where c.slug = 'star' order by p.code desc limit 1)
"""
_NEXT: Final = (
    "update contest_heads set next_seq = next_seq + 1 where contest_id in (select id from contests where slug = 'star')"
)
_BOARD: Final = "/api/contests/star/leaderboard"


def processor_of(pid: int) -> float:
    """Seconds that a process has computed."""
    spent = psutil.Process(pid).cpu_times()
    return float(spent.user + spent.system)


async def version_of(client: httpx.AsyncClient) -> int:
    """The version that is shown."""
    return int((await client.get(f"{_BOARD}?limit=1")).json()["version"])


async def measure(home: Path, count: int) -> None:
    """Add the candidates and print what each page costs."""
    environment: dict[str, Any] = json.loads((home / "up.json").read_text())["environment"]
    gateway = json.loads((home / "pids.json").read_text())["serve"]
    base = f"http://{environment['HOST']}:{environment['PORT']}"
    database = await asyncpg.connect(environment["DATABASE_URL"])
    async with httpx.AsyncClient(base_url=base, timeout=120) as client:
        before = await version_of(client)
        for statement, values in ((_ADD, (count,)), (_VOTES, ()), (_NEXT, ())):
            await database.execute(statement, *values)
        while await version_of(client) == before:  # noqa: ASYNC110 - what changes is another process
            await asyncio.sleep(0.5)
        await asyncio.sleep(5)
        pages, light = -(-(count + 12) // 50), -(-(count + 12) // 10)
        for path in (
            "/c/star",
            f"/c/star?page={pages}",
            "/c/star/b",
            f"/c/star/b?page={light}",
            f"{_BOARD}?limit=100",
            f"{_BOARD}?limit=1000",
            f"/c/star/{99999 + count}",
            "/c/star?q=candidate+99",
        ):
            began = processor_of(gateway)
            await client.get(path)
            first = processor_of(gateway) - began
            for _ in range(REPEATS):
                (await client.get(path)).raise_for_status()
            again = (processor_of(gateway) - began - first) / REPEATS
            print(f"{path:45} first {first * 1000:7.0f} ms, then {again * 1000:6.1f} ms")
        began, since = processor_of(gateway), time.monotonic()
        await asyncio.sleep(10)
        print(f"at rest {100 * (processor_of(gateway) - began) / (time.monotonic() - since):.0f} % of a processor")
        before, began = await version_of(client), processor_of(gateway)
        await database.execute(_ONE_MORE)
        await database.execute(_NEXT)
        slowest = 0.0
        while await version_of(client) == before:
            since = time.monotonic()
            await client.get("/healthz")
            slowest = max(slowest, time.monotonic() - since)
            await asyncio.sleep(0.05)
        spent = (processor_of(gateway) - began) * 1000
        print(f"a vote more: {spent:.0f} ms; slowest answer meanwhile {slowest * 1000:.0f} ms")
    await database.close()


if __name__ == "__main__":
    asyncio.run(measure(Path(sys.argv[1]), int(sys.argv[2])))
