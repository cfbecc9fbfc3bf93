"""The schema as built: its tables, its guards, and what the service's role may not do."""

from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from channels.messages.texting import Routes
from gateway.storage import conversation_tables, staff_tables, tables
from gateway.storage.columns import metadata
from gateway.storage.engine import APP_ROLE, connects_as, make_engine
from gateway.storage.schema import migrate
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


async def test_migrations_build_what_the_tables_say(database: Any) -> None:
    def differences(connection: Connection) -> list[Any]:
        assert (
            tables.votes.metadata
            is metadata
            is conversation_tables.messages_out.metadata
            is staff_tables.staff.metadata
        )
        names = set(metadata.tables)

        def include(name: str | None, kind: str, _: Any) -> bool:
            return kind != "table" or name in names

        context = MigrationContext.configure(connection, opts={"include_name": include, "compare_type": True})
        found: list[Any] = compare_metadata(context, metadata)
        return found

    engine = make_engine(database.owner_url, as_app=False, pool_size=1)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_migrating_twice_changes_nothing(database: Any) -> None:
    await migrate(database.owner_url)


async def test_the_service_owns_nothing_and_is_no_superuser(database: Any) -> None:
    assert connects_as(database.app_url) == APP_ROLE
    engine = make_engine(database.app_url, pool_size=1)
    async with engine.connect() as connection:
        role = (
            await connection.execute(
                text("select current_user, rolsuper, rolbypassrls from pg_roles where rolname = current_user")
            )
        ).one()
        owned = await connection.execute(
            text(
                "select count(*) from pg_class where relowner = (select oid from pg_roles where rolname = current_user)"
            )
        )
        assert tuple(role) == (APP_ROLE, False, False)
        assert owned.scalar_one() == 0
    await engine.dispose()


async def test_an_owner_steps_down_to_the_services_role(database: Any) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute("grant spotlight_app to spotlight_owner")
    await connection.close()
    engine = make_engine(database.owner_url, pool_size=1)
    async with engine.connect() as stepped_down:
        assert (await stepped_down.execute(text("select current_user"))).scalar_one() == APP_ROLE
    await engine.dispose()


FORBIDDEN = [
    "update tally_entries set quantity = 999",
    "delete from tally_entries",
    "truncate postings",
    "delete from payment_events",
    "update evidence set amount_minor = 1",
    "update audit_log set actor = 'nobody'",
    "update payments set amount_minor = 1",
    "update payments set payer_index = ''",
    "update votes set quantity = 1000",
    "delete from payments",
    "delete from callbacks",
    "update order_keys set receipt = 'X'",
    "create table mine (id int)",
    "alter table votes add column x int",
    "drop table votes",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_service_may_not(database: Any, statement: str) -> None:
    engine = make_engine(database.app_url, pool_size=1)
    with pytest.raises(DBAPIError) as refused:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    assert "permission denied" in str(refused.value) or "must be owner" in str(refused.value)
    await engine.dispose()


@pytest.mark.parametrize("statement", FORBIDDEN[:6])
async def test_not_even_the_owner_rewrites_what_was_counted(database: Any, statement: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_an_unbalanced_transaction_is_refused_by_the_database(database: Any) -> None:
    rig = await Rig(database.app_url).open()
    insert = text(
        "insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo) "
        "values (gen_random_uuid(), :contest, 'mtn_momo', 'sales', 'XOF', 500, 'one leg')"
    )
    with pytest.raises(DBAPIError, match="does not balance"):
        async with rig.engine.begin() as connection:
            await connection.execute(insert, {"contest": rig.contest.id})
    await rig.close()


async def test_coming_partitions_can_be_made_by_the_service(database: Any) -> None:
    engine = make_engine(database.app_url, pool_size=1)
    async with engine.begin() as connection:
        made = list((await connection.execute(text("select make_partitions(12)"))).scalars())
        again = list((await connection.execute(text("select make_partitions(12)"))).scalars())
    assert any(name.startswith("votes_") for name in made)
    assert len(made) % 3 == 0
    assert again == []
    await engine.dispose()


async def test_no_number_is_stored_in_clear(database: Any) -> None:
    rig = await Rig(database.app_url).open()
    order = await rig.placed(number="+2250599887766")
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    await rig.messages.claim_due(5, Routes(("africastalking",)))
    for table in metadata.tables:
        for row in await rig.rows(f"select cast(t.* as text) from {table} t"):
            assert "599887766" not in row[0], table
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert view.payer_masked == "+225 05 •• •• 77 66"
    await rig.close()
