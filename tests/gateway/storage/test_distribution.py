"""Which statements of a vote's way do not say whose contest they are about: they would have to change before contests
are spread over databases. `docs/scaling.md` lists them, and the list is compared with what is really run."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from channels.messages.outbox import SentMessage
from channels.messages.rules import Routes
from gateway.orders.fraud import FraudLimits
from gateway.orders.prompting import PromptLimits
from gateway.orders.store import Orders
from gateway.runtime.owed_work import OwedWork
from gateway.storage.redis_link import connect
from leaderboard.confirming import Confirming
from leaderboard.scores import Scores
from tests.engines import Database
from tests.gateway.storage.plans import Planner, Recorder
from tests.gateway.storage.test_many_rows import pass_time, statements
from tests.rigs.money_rig import MoneyRig, opened
from tests.rigs.scripted_provider import paid

PAGE: Final = Path(__file__).parents[3] / "docs" / "scaling.md"
ROUTES: Final = Routes(("africastalking",))
_CONDITIONS: Final = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond", "Join Filter")
_PARTITION: Final = re.compile(r"_\d{4}_\d{2}$")
_NUMBER: Final = re.compile(r"_\d+$")
_COLUMN: Final = "contest_id"

Plan = Mapping[str, Any]


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    auto = made.engine.execution_options(isolation_level="AUTOCOMMIT")
    made.orders = Orders(auto, made.vault, PromptLimits(), FraudLimits())
    yield made
    await made.close()


async def vote(rig: MoneyRig, database: Database) -> None:
    """A vote from its order to its delivered receipt, and what runs all the time beside it."""
    order = await rig.placed(number="+2250501020304")
    await rig.collect()
    await rig.callback(order, b'{"status": "SUCCESSFUL"}')
    await rig.judge()
    rig.provider.query_script = [paid()]
    await pass_time(database, "payments set next_check_at = now(), asked_at = null where status in ('sent', 'pending')")
    await rig.verify()
    await rig.settle_all()
    due = await rig.outbox.claim_due(100, ROUTES)
    await rig.outbox.record_sent([SentMessage(m.id, m.attempts, "sent", m.carrier, f"c{m.id}") for m in due])
    await rig.outbox.store_report("africastalking", f"c{due[0].id}", "Success", "+2250501020304", None)
    await rig.payments.close_unsent(10)
    await OwedWork(rig.engine.execution_options(isolation_level="AUTOCOMMIT")).owed()
    await Scores(rig.engine).scores()
    await Scores(rig.engine).versions()
    redis = connect("redis://127.0.0.1:1/0")
    await Confirming(rig.engine, redis, {}).votes()
    await redis.aclose()


def nodes(plan: Plan, above: tuple[str, ...] = ()) -> Iterator[tuple[Plan, tuple[str, ...]]]:
    """Every node of a plan, with its own conditions and those of the nodes above."""
    conditions = (*(str(plan[name]) for name in _CONDITIONS if name in plan), *above)
    yield plan, conditions
    for below in plan.get("Plans", ()):
        yield from nodes(below, conditions)


def table_of(node: Plan) -> str:
    """The table that a node reads or writes, without the month of a partition; empty for a node of no table."""
    return _PARTITION.sub("", str(node.get("Relation Name", "")))


def written(plan: Plan) -> set[str]:
    """Tables that a statement writes."""
    return {table_of(node) for node, _ in nodes(plan) if node["Node Type"] == "ModifyTable"}


def without_contest(plan: Plan, spread: Mapping[str, bool]) -> set[str]:
    """Tables that a statement reads, or adds rows to, in all contests. `spread`: the tables that would be spread, and
    whether each has a column of the contest."""
    found = set()
    for node, conditions in nodes(plan):
        table = table_of(node)
        if table not in spread:
            continue
        if node["Node Type"] == "ModifyTable":
            # What it changes or deletes is found by a node below it.
            whole = node["Operation"] == "Insert" and not spread[table]
        else:
            alias = rf"{re.escape(_NUMBER.sub('', node['Alias']))}(_\d+)?\.{_COLUMN}"
            whole = not any(re.search(rf"{alias} = |= (ANY \()?{alias}\b", one) for one in conditions)
        if whole:
            found.add(table)
    return found


def listed(heading: str) -> dict[str, str]:
    """A table of the page: what its first column names, with the text of its second one."""
    part = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]*?) \|", part, re.MULTILINE))


async def plans_of_a_vote(rig: MoneyRig, database: Database, connection: asyncpg.Connection) -> dict[str, Plan]:
    """The plan for any parameters of each statement that a vote runs, by its name in the source."""
    recorder = Recorder()
    with recorder.listening(rig.engine):
        await vote(rig, database)
    assert await rig.votes_for("07") == 5
    names: dict[str, str] = {}
    for name, statement in statements(rig.engine).items():
        # Others may import it.
        names.setdefault(statement, name)
    planner = await Planner.of(connection)
    found = {sent: await planner.generic(sent) for sent in recorder.sent}
    unnamed = [sent for sent, plan in found.items() if sent not in names and any(map(table_of, _each(plan)))]
    assert unnamed == [], "a statement that reads a table stands in its module, under a name"
    return {names[sent]: plan for sent, plan in found.items() if sent in names}


def _each(plan: Plan) -> Iterator[Plan]:
    return (node for node, _ in nodes(plan))


async def test_the_page_lists_what_names_no_contest(rig: MoneyRig, database: Database) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        plans = await plans_of_a_vote(rig, database, connection)
        tables = set[str]().union(*map(written, plans.values()))
        assert {"votes", "payments", "tally_entries", "candidate_totals", "postings", "messages_out"} <= tables
        columns = await connection.fetch(
            "select table_name from information_schema.columns where column_name = $1 and table_name = any($2)",
            _COLUMN,
            list(tables),
        )
        spread = dict.fromkeys(tables, False) | {row[0]: True for row in columns}
        keys = await connection.fetch(_KEYS, list(tables), _COLUMN)
    finally:
        await connection.close()
    found = {name: without_contest(plan, spread) for name, plan in plans.items()}
    statements_listed = listed("Statements that name no contest")
    assert {name: _names(text) for name, text in statements_listed.items()} == {n: t for n, t in found.items() if t}
    assert listed("Tables that have no column of the contest").keys() == {t for t, has in spread.items() if not has}
    keys_listed = listed("Keys that lack the contest")
    assert {table: _names(text) for table, text in keys_listed.items()} == {row[0]: set(row[1]) for row in keys}


def _names(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


# Unique and foreign keys of tables, without the column of the contest: such a key holds in one database alone.
_KEYS: Final = """
with keys as (
  select t.relname as table_name, k.relname as key_name,
    array(select a.attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any(i.indkey)) as columns
  from pg_index i join pg_class t on t.oid = i.indrelid join pg_class k on k.oid = i.indexrelid
  where i.indisunique
  union all
  select t.relname, c.conname,
    array(select a.attname from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any(c.conkey))
  from pg_constraint c join pg_class t on t.oid = c.conrelid
  where c.contype = 'f' and c.conparentid = 0)
select table_name, array_agg(key_name) from keys
where table_name = any($1) and not $2::name = any(columns)
group by 1
"""


@pytest.mark.parametrize(
    ("node", "above", "whole"),
    [
        ({"Index Cond": "(p.contest_id = $1)"}, {}, False),
        ({"Index Cond": "((p.status = 'x'::text) AND (p.contest_id = $1))"}, {}, False),
        ({"Filter": "($1 = p.contest_id)"}, {}, False),
        ({"Filter": "(p.contest_id > $1)"}, {}, True),
        ({"Filter": "(q.contest_id = $1)"}, {}, True),
        ({"Filter": "(p.reference = $1)"}, {"Hash Cond": "(p.contest_id = v.contest_id)"}, False),
        ({"Filter": "(p.reference = $1)"}, {"Hash Cond": "(c.id = p.contest_id)"}, False),
        ({"Filter": "(p.reference = $1)"}, {"Hash Cond": "(p.vote_id = v.id)"}, True),
        ({"Alias": "p_3", "Filter": "(p_3.reference = $1)"}, {"Join Filter": "(v.contest_id = p.contest_id)"}, False),
    ],
)
def test_a_condition_on_the_contest_is_found(node: dict[str, str], above: dict[str, str], whole: bool) -> None:
    scan = {"Node Type": "Index Scan", "Relation Name": "payments_2027_01", "Alias": "p", **node}
    plan = {"Node Type": "Hash Join", **above, "Plans": [scan]}
    assert without_contest(plan, {"payments": True}) == ({"payments"} if whole else set())


def test_a_row_that_is_added_needs_the_column() -> None:
    plan = {"Node Type": "ModifyTable", "Operation": "Insert", "Relation Name": "evidence", "Alias": "evidence"}
    assert without_contest(plan, {"evidence": False}) == {"evidence"}
    assert without_contest(plan, {"evidence": True}) == set()
