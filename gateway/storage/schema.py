"""Bring a database to the newest schema."""

from importlib import resources

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from gateway.storage.engine import make_engine

# Any number: all launchers must agree on it, so that only one migrates at a time.
_MIGRATION_LOCK = 0x5907_11_67


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings, pointing at our migrations and at this open connection."""
    config = Config()
    config.set_main_option("script_location", str(resources.files("gateway.storage") / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")


async def migrate(owner_url: str) -> None:
    """Run the missing migrations as the schema's owner. Safe to run at the same time as itself."""
    engine = make_engine(owner_url, pool_size=1, as_app=False, statement_timeout_ms=120_000, wait_seconds=10.0)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade)
            await connection.commit()
            await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.commit()
    finally:
        await engine.dispose()
