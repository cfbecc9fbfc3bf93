"""Rows of an organiser are apart from those of others in the database too: with no word of a scope in a statement."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.engine import APP_ROLE, TENANT_ROLE, narrow, scoped
from gateway.values.scope import OneContest, Scope
from payments.requests import Act
from tests.engines import Database
from tests.rigs.money_rig import ASKER, REASON, MoneyRig

OTHER, THEIR_CONTEST, SECOND = UUID(int=70), UUID(int=71), UUID(int=72)
# What belongs to no organiser, and may be seen by all.
SEEN_BY_ALL = {"account_health", "balance_position", "rollup_position"}
# What is about an organiser's data under no name of it, or about many organisers at once: no tenant reads any of it.
UNSEEN = {"balance_checks", "difference_requests", "statement_files", "statement_lines"}
COLUMNS = {"contest_id", "organiser_id", "payment_reference", "staff_id"}
_CONTEST = """
insert into contests (id, organiser_id, slug, name, country, currency, price_minor, opens_at, closes_at, service_code,
  short_code, keyword)
select :id, :organiser, :slug, 'Theirs', 'CI', 'XOF', 100, now(), now() + interval '1 day', '', '', ''
"""


@dataclass
class Two:
    """A service with an organiser who sold votes, and another one."""

    rig: MoneyRig
    demo: UUID

    async def seen(self, scope: Scope, table: str) -> int:
        async with scoped(self.rig.engine, scope) as connection:
            many: int = (await connection.execute(text(f"select count(*) from {table}"))).scalar_one()
        return many


@pytest.fixture
async def two(database: Database) -> AsyncIterator[Two]:
    rig = await MoneyRig(database.app_url).open()
    counted = await rig.counted()
    await rig.late(number="+2250501020306")
    await rig.callback(counted, b"{}")
    await rig.charge_fees()
    await rig.acts.ask(Act.REFUND_PAYMENT, str(counted.payment_reference), {}, REASON, ASKER)
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("insert into organisers (id, slug, name) values (:id, 'other', 'x')"), {"id": OTHER}
        )
        for contest, organiser, slug in (
            (THEIR_CONTEST, OTHER, "theirs"),
            (SECOND, rig.contest.organiser_id, "second"),
        ):
            await connection.execute(text(_CONTEST), {"id": contest, "organiser": organiser, "slug": slug})
    yield Two(rig, rig.contest.organiser_id)
    await rig.close()


async def limited_tables(database: Database, right: str, *, whole: bool = False) -> set[str]:
    """Tables of which a tenant has a right to some column; `whole`: to all."""
    owner = await asyncpg.connect(database.superuser_url)
    try:
        rows = await owner.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
            f" and has_{'table' if whole else 'any_column'}_privilege($1, oid, $2)",
            TENANT_ROLE,
            right,
        )
    finally:
        await owner.close()
    return {row["relname"] for row in rows}


async def test_every_table_of_an_organisers_data_is_behind_the_wall(database: Database) -> None:
    owner = await asyncpg.connect(database.superuser_url)
    rows = await owner.fetch(
        "select c.relname, c.relrowsecurity and c.relforcerowsecurity as walled, array_agg(a.attname::text) as columns"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"
        " group by 1, 2"
    )
    await owner.close()
    walled = {row["relname"] for row in rows if row["walled"]}
    theirs = {row["relname"] for row in rows if COLUMNS & set(row["columns"])}
    # A table that is new here wants a `select limit_to_organiser(…)`, see gateway/storage/schema/tenants.sql.
    assert theirs - walled - UNSEEN == set()
    for right in ("select", "update"):
        assert await limited_tables(database, right) - walled == (SEEN_BY_ALL if right == "select" else set())
    assert not UNSEEN & (await limited_tables(database, "select"))
    assert len(walled) > 30


async def test_a_tenant_is_nobody_special(two: Two) -> None:
    who = text("select current_user, rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = current_user")
    async with scoped(two.rig.engine, two.demo) as connection:
        assert tuple((await connection.execute(who)).one()) == (TENANT_ROLE, False, False, False)
    async with scoped(two.rig.engine, None) as connection:
        assert (await connection.execute(who)).one()[0] == APP_ROLE


async def test_without_a_scope_in_the_statement_nothing_foreign_comes(two: Two, database: Database) -> None:
    seen = dict.fromkeys(await limited_tables(database, "select") - SEEN_BY_ALL, 0)
    of_other = {"organisers": 1, "contests": 1}
    for table in seen:
        seen[table] = await two.seen(two.demo, table)
        assert await two.seen(OTHER, table) == of_other.get(table, 0), table
        assert await two.seen(None, table) >= seen[table]
    for table in ("payments", "payment_events", "callbacks", "postings", "refunds", "staff_requests", "tally_entries"):
        assert seen[table] == await two.seen(None, table) > 0, table
    assert seen["organisers"] == 1
    assert seen["contests"] == await two.seen(None, "contests") - 1


async def test_without_an_organiser_there_is_nothing(two: Two, database: Database) -> None:
    tables = await limited_tables(database, "select") - SEEN_BY_ALL
    async with two.rig.engine.connect() as connection:
        # As the setting is after a transaction that had one.
        await narrow(connection, two.demo)
        await connection.commit()
        for name in ("", None):
            await connection.execute(text("select set_config('role', :role, true)"), {"role": TENANT_ROLE})
            if name is not None:
                await connection.execute(text("select set_config('app.organiser', :name, true)"), {"name": name})
            for table in tables:
                assert (await connection.execute(text(f"select count(*) from {table}"))).scalar_one() == 0, table
            await connection.rollback()


async def test_a_scope_ends_with_its_transaction(two: Two) -> None:
    async with two.rig.engine.connect() as connection:
        await narrow(connection, OTHER)
        assert await count(connection) == 0
        await connection.commit()
        assert await count(connection) > 0
        await narrow(connection, OTHER)
        await connection.rollback()
        assert await count(connection) > 0


async def count(connection: AsyncConnection) -> Any:
    return (await connection.execute(text("select count(*) from payments"))).scalar_one()


async def test_one_contest_of_an_organiser(two: Two) -> None:
    star, second = OneContest(two.demo, two.rig.contest.id), OneContest(two.demo, SECOND)
    assert await two.seen(star, "contests") == await two.seen(second, "contests") == 1
    assert await two.seen(star, "payments") == await two.seen(two.demo, "payments") > 0
    assert await two.seen(star, "staff_requests") == 1
    for table in ("payments", "postings", "staff_requests", "staff", "fee_plans", "refund_events"):
        assert await two.seen(second, table) == 0, table
    # A contest of another organiser is none of this one.
    assert await two.seen(OneContest(OTHER, two.rig.contest.id), "payments") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "update contests set name = 'mine' where slug = 'star'",
        "update contests set organiser_id = '00000000-0000-0000-0000-000000000046' where true",
        "insert into candidates (id, contest_id, code, name, status)"
        " select gen_random_uuid(), id, '99', 'Mine', 'approved' from contests",
    ],
)
async def test_what_is_written_is_the_organisers_own(two: Two, statement: str) -> None:
    before = await two.rig.rows("select id, name, organiser_id from contests order by id")
    async with scoped(two.rig.engine, OTHER) as connection:
        await connection.execute(text(statement))
    after = await two.rig.rows("select id, name, organiser_id from contests order by id")
    assert [tuple(row) for row in before] == [tuple(row) for row in after]
    assert (
        await two.rig.one("select count(*) from candidates where contest_id <> :id and code = '99'", id=THEIR_CONTEST)
        == 0
    )


async def test_a_row_cannot_be_given_to_another_organiser(two: Two) -> None:
    with pytest.raises(DBAPIError, match="row-level security"):
        async with scoped(two.rig.engine, OTHER) as connection:
            await connection.execute(
                text(
                    "insert into candidates (id, contest_id, code, name, status)"
                    " values (gen_random_uuid(), :star, '99', 'Mine', 'approved')"
                ),
                {"star": two.rig.contest.id},
            )


@pytest.mark.parametrize("secret", ["password_hash", "totp_cipher"])
async def test_secrets_of_staff_are_not_for_tenants(two: Two, secret: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with scoped(two.rig.engine, two.demo) as connection:
            await connection.execute(text(f"select {secret} from staff"))


@pytest.mark.parametrize(
    "statement",
    [
        "select * from payments where reference = gen_random_uuid()",
        "select * from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at where v.id = null",
        "select * from order_keys where channel = 'ussd' and key = 'x'",
        "select * from candidate_totals where contest_id = gen_random_uuid() order by votes desc",
    ],
)
async def test_the_services_own_plans_know_nothing_of_organisers(two: Two, statement: str) -> None:
    plan = "\n".join(row[0] for row in await two.rig.rows(f"explain {statement}"))
    assert "current_setting" not in plan
    assert "SubPlan" not in plan
