"""Bring a database to the newest schema, and refuse one whose schema is of no migration here."""

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.engine import make_engine
from gateway.storage.migrations import FOLDER, revisions

# Any number: all launchers must agree on it, so that only one migrates at a time.
_MIGRATION_LOCK: Final = 0x5907_11_67
# Revisions of before the first release, which one first migration replaced.
_UNRELEASED: Final = frozenset(f"{number:04}" for number in range(1, 17))
_NEWEST: Final = "head"


class UnknownSchema(Exception):
    """The database was made by a version whose migrations are not here; the text says what to do."""


def _refuse_unknown(connection: Connection) -> bool:
    """Every process asks this as it starts. Whether the schema is the newest."""
    if connection.execute(text("select to_regclass('public.alembic_version')")).scalar() is None:
        return False
    known = revisions()
    found = connection.execute(text("select version_num from public.alembic_version")).scalars().all()
    for revision in found:
        if revision in _UNRELEASED:
            raise UnknownSchema(
                "this database was made by a version from before the first release: export its contests with that"
                " version (`spotlight contest export`), then start with a new SPOTLIGHT_DATA_DIR or an empty database"
                " and load them with `spotlight contest apply`"
            )
        if revision not in known:
            raise UnknownSchema(f"this database has the schema {revision} of a newer version: run that version")
    return list(found) == [max(known)]


def _upgrade(connection: Connection, revision: str) -> None:
    newest = _refuse_unknown(connection)
    connection.commit()
    if newest and revision == _NEWEST:
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def refuse_unknown_schema(engine: AsyncEngine) -> None:
    """Raises UnknownSchema. A database without tables passes."""
    async with engine.connect() as connection:
        await connection.run_sync(_refuse_unknown)


async def migrate(owner_url: str, revision: str = _NEWEST) -> None:
    """Run the missing migrations as the schema's owner. Several processes may call it at once. Raises UnknownSchema."""
    engine = make_engine(owner_url, pool_size=1, as_app=False, statement_timeout_ms=120_000, wait_seconds=10.0)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade, revision)
            await connection.commit()
            await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.commit()
    finally:
        await engine.dispose()
