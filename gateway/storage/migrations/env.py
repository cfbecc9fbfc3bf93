"""Alembic runs this; the caller hands over an open connection (see `gateway.storage.migrate`)."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
