"""The schema as built: its tables, its guards, and what the service's role may not do."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from channels.messages.rules import Routes
from gateway.storage import schema
from gateway.storage.engine import APP_ROLE, make_engine
from gateway.storage.migrate import UnknownSchema, migrate, refuse_unknown_schema
from tests.engines import Database, Engines
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

MIGRATIONS: Final = Path(schema.__file__).parent.parent / "migrations"
# All that a schema is, but for the order of columns, in which a migration may differ from the tables.
_CATALOGUE: Final = {
    "columns": """
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
          pg_get_expr(d.adbin, d.adrelid), a.attacl::text
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')""",
    "relations": """
        select c.relname, c.relkind::text, pg_get_userbyid(c.relowner), c.relacl::text, pg_get_partkeydef(c.oid),
          pg_get_expr(c.relpartbound, c.oid), c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'S')""",
    "constraints": """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        from pg_constraint where connamespace = 'public'::regnamespace""",
    "indexes": """
        select i.indrelid::regclass::text, c.relname, pg_get_indexdef(i.indexrelid)
        from pg_index i join pg_class c on c.oid = i.indexrelid
        where c.relnamespace = 'public'::regnamespace and not c.relispartition""",
    "policies": """
        select tablename, policyname, permissive, roles::text, cmd, qual, with_check from pg_policies""",
    "triggers": """
        select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
        from pg_trigger where not tgisinternal and tgparentid = 0""",
    "functions": """
        select proname, pg_get_userbyid(proowner), proacl::text, pg_get_functiondef(oid)
        from pg_proc where pronamespace = 'public'::regnamespace""",
    "schema": "select nspacl::text from pg_namespace where nspname = 'public'",
    "database": "select datacl::text from pg_database where datname = current_database()",
}
_VERSIONS: Final = "alembic_version"


async def catalogue(database: Database) -> dict[str, set[str]]:
    """The schema of a database, by kind; without the table of versions, which migrations alone need."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        found = {kind: await connection.fetch(question) for kind, question in _CATALOGUE.items()}
    finally:
        await connection.close()
    return {kind: {str(tuple(row)) for row in rows if _VERSIONS not in str(row[0])} for kind, rows in found.items()}


def make_from_tables(connection: Connection) -> None:
    """What `gateway.storage.schema` says, by itself."""
    schema.metadata.create_all(connection)
    for name in ("functions.sql", "rights.sql", "tenants.sql"):
        statements = (Path(schema.__file__).parent / name).read_text(encoding="utf-8").split("\n\n")
        for statement in statements:
            connection.exec_driver_sql(statement)


async def test_migrations_end_at_the_schema_that_is_written_down(engines: Engines) -> None:
    migrated, written = engines.create_database("template0"), engines.create_database("template0")
    await migrate(migrated.owner_url)
    engine = make_engine(written.owner_url, as_app=False, pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(make_from_tables)
    await engine.dispose()
    ours, theirs = await catalogue(migrated), await catalogue(written)
    for database in (migrated, written):
        engines.drop_database(database.name)
    assert all(theirs.values())
    for kind, lines in theirs.items():
        assert sorted(ours[kind] ^ lines) == [], kind


async def test_an_upgrade_from_the_first_migration_keeps_what_is_there(engines: Engines) -> None:
    database = engines.create_database("template0")
    await migrate(database.owner_url, "m0001")
    owner = await asyncpg.connect(database.owner_url)
    for statement in FIRST_ROWS.split(";"):
        await owner.execute(statement)
    await migrate(database.owner_url)
    question = """
      select o.slug, o.state, c.keyword, d.code, t.votes, v.quantity, p.status, e.quantity as counted,
        (select sum(amount_minor) from postings) as balance
      from organisers o join contests c on c.organiser_id = o.id join candidates d on d.contest_id = c.id
        join candidate_totals t on t.candidate_id = d.id join votes v on v.candidate_id = d.id
        join payments p on p.vote_id = v.id join tally_entries e on e.payment_reference = p.reference
    """
    rows = await owner.fetch(question)
    decisions = await owner.fetch("""
      select r.differences, array_agg(d.request_id is null) as free from difference_requests r, differences d group by 1
    """)
    await owner.close()
    engines.drop_database(database.name)
    assert [tuple(row) for row in rows] == [("demo", "limited", "STAR", "07", 3, 3, "settled", 3, 0)]
    assert [tuple(row) for row in decisions] == [([1, 2], [True, True])]


# As the first migration takes it; later ones have to cope with it.
FIRST_ROWS: Final = """
insert into organisers (id, slug, name, frozen_at, frozen_reason) values
  ('00000000-0000-0000-0000-000000000001', 'demo', 'Demo', now(), 'no papers');
insert into contests (id, organiser_id, slug, name, country, currency, price_minor, opens_at, closes_at, service_code,
  short_code, keyword) values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', 'star',
  'Star', 'CI', 'XOF', 100, now(), now() + interval '1 day', '789', '7890', 'STAR');
insert into candidates (id, contest_id, code, name, status) values ('00000000-0000-0000-0000-000000000003',
  '00000000-0000-0000-0000-000000000002', '07', 'Awa', 'approved');
insert into candidate_totals (candidate_id, contest_id, votes, amount_minor) values
  ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000002', 3, 300);
insert into votes (id, placed_at, contest_id, candidate_id, channel, language, quantity, price_minor, amount_minor,
  currency, receipt) values ('00000000-0000-0000-0000-000000000004', now(), '00000000-0000-0000-0000-000000000002',
  '00000000-0000-0000-0000-000000000003', 'web', 'fr', 3, 100, 300, 'XOF', 'ABCD-EFGH');
insert into payments (reference, placed_at, vote_id, contest_id, provider, method, country, amount_minor, currency,
  status, expires_at) values ('00000000-0000-0000-0000-000000000005', now(), '00000000-0000-0000-0000-000000000004',
  '00000000-0000-0000-0000-000000000002', 'mtn_momo', 'MTN', 'CI', 300, 'XOF', 'settled', now());
insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
  ledger_tx) values ('00000000-0000-0000-0000-000000000002', 1, 'vote', '00000000-0000-0000-0000-000000000003', 3, 300,
  '00000000-0000-0000-0000-000000000005', 'ABCD-EFGH', '00000000-0000-0000-0000-000000000006');
insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo) values
  ('00000000-0000-0000-0000-000000000006', '00000000-0000-0000-0000-000000000002', 'mtn_momo', 'clearing', 'XOF', 300,
  'vote'), ('00000000-0000-0000-0000-000000000006', '00000000-0000-0000-0000-000000000002', 'mtn_momo', 'sales', 'XOF',
  -300, 'vote');
insert into staff_requests (id, act, subject, reason, requested_by) values ('00000000-0000-0000-0000-000000000007',
  'reconcile', 'a group', 'not ours', 'awa@house.test');
insert into differences (provider, kind, amount_minor, currency, detail, request_id) values
  ('mtn_momo', 'missing_here', 500, 'XOF', '', '00000000-0000-0000-0000-000000000007'),
  ('mtn_momo', 'missing_here', 500, 'XOF', '', '00000000-0000-0000-0000-000000000007')
"""


def test_steps_of_the_schema_are_one_line_in_the_order_of_their_files() -> None:
    # `migrate` takes the last file for the newest step, and does not ask Alembic.
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    files = sorted((file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("m*.py")), reverse=True)
    assert steps == files


async def migrate_owned(database: Database) -> None:
    await migrate(database.owner_url)


async def look_as_the_service(database: Database) -> None:
    engine = make_engine(database.app_url, pool_size=1)
    try:
        await refuse_unknown_schema(engine)
    finally:
        await engine.dispose()


@pytest.mark.parametrize("begin", [migrate_owned, look_as_the_service])
@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("0001", "from before the first release: export its contests"),
        ("0016", "from before the first release: export its contests"),
        ("m9999", "the schema m9999 of a newer version"),
    ],
)
async def test_a_schema_of_another_version_is_refused(
    database: Database, begin: Callable[[Database], Awaitable[None]], revision: str, sentence: str
) -> None:
    await begin(database)
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(f"update alembic_version set version_num = '{revision}'")
    await owner.close()
    with pytest.raises(UnknownSchema, match=sentence):
        await begin(database)


async def test_migrating_twice_changes_nothing(database: Any) -> None:
    await migrate(database.owner_url)


async def test_the_service_owns_nothing_and_is_no_superuser(database: Any) -> None:
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
    "update audit_log set actor = 'unknown'",
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
    await rig.outbox.claim_due(5, Routes(("africastalking",)))
    for table in schema.metadata.tables:
        for row in await rig.rows(f"select cast(t.* as text) from {table} t"):
            assert "599887766" not in row[0], table
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert view.payer_masked == "+225 05 •• •• 77 66"
    await rig.close()
