"""A process keeps its plans, also those of a contest's first minutes, when tables are as good as empty. What reads a
table whole then still does so when it has a million rows."""

from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
import pytest

from gateway.orders.fraud import FraudLimits
from gateway.orders.prompting import PromptLimits
from gateway.orders.store import Orders
from payments.settlement.settle import Settlement
from tests.engines import Database
from tests.gateway.storage.test_distribution import Plan, nodes, plans_of_a_vote, table_of
from tests.rigs.money_rig import MoneyRig, opened

# Of a partial index, that of what is due, all may be read.
_WHOLE_INDEXES: Final = """
select k.relname from pg_index i join pg_class k on k.oid = i.indexrelid where i.indpred is null
"""


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    auto = made.engine.execution_options(isolation_level="AUTOCOMMIT")
    made.orders = Orders(auto, made.vault, PromptLimits(), FraudLimits())
    made.settlement = Settlement(made.engine, FraudLimits())
    yield made
    await made.close()


def growing(plan: Plan) -> set[str]:
    """Tables that a statement adds rows to, but for those of sums."""
    return {
        table_of(node)
        for node, _ in nodes(plan)
        if node["Node Type"] == "ModifyTable"
        and node["Operation"] == "Insert"
        and node.get("Conflict Resolution") != "UPDATE"
    }


def read_whole(plan: Plan, tables: set[str], indexes: set[str]) -> set[str]:
    """Of these tables and indexes, those that a plan reads from one end to the other."""
    found: set[str] = set()
    for node, _ in nodes(plan):
        if node["Node Type"] == "Seq Scan" and table_of(node) in tables:
            found.add(table_of(node))
        if table_of(node) in tables and node.get("Index Name") in indexes and "Index Cond" not in node:
            found.add(str(node["Index Name"]))
    return found


@pytest.fixture
async def no_statistics(database: Database) -> AsyncIterator[None]:
    """Without it, statistics of tables that are as good as empty come at any moment, and plans from those read all of
    a few rows; PostgreSQL makes such plans anew with the statistics of more rows."""
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute("alter system set autovacuum = off")
    await connection.execute("select pg_reload_conf()")
    yield
    await connection.execute("alter system reset autovacuum")
    await connection.execute("select pg_reload_conf()")
    await connection.close()


@pytest.mark.usefixtures("no_statistics")
async def test_plans_of_the_first_vote_look_rows_up(rig: MoneyRig, database: Database) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        # As connections have it that keep their plans.
        await connection.execute("set enable_seqscan = off")
        plans = await plans_of_a_vote(rig, database, connection)
        indexes = {row[0] for row in await connection.fetch(_WHOLE_INDEXES)}
    finally:
        await connection.close()
    tables = set[str]().union(*map(growing, plans.values()))
    assert {"payments", "votes", "callbacks", "evidence", "payment_events", "messages_out", "tally_entries"} <= tables
    found = {name: read_whole(plan, tables, indexes) for name, plan in plans.items()}
    assert {name: whole for name, whole in found.items() if whole} == {}


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"Node Type": "Seq Scan"}, {"payments"}),
        ({"Node Type": "Index Scan", "Index Name": "payments_pkey", "Filter": "(status = $1)"}, {"payments_pkey"}),
        ({"Node Type": "Index Scan", "Index Name": "payments_pkey", "Index Cond": "(reference = $1)"}, set()),
        ({"Node Type": "Index Scan", "Index Name": "payments_to_settle"}, set()),
    ],
)
def test_what_is_read_whole_is_found(node: dict[str, Any], found: set[str]) -> None:
    plan = {"Node Type": "Limit", "Plans": [{**node, "Relation Name": "payments_2027_01"}]}
    assert read_whole(plan, {"payments"}, {"payments_pkey"}) == found
