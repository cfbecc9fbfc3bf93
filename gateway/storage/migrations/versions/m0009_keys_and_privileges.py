"""Which keys sealed what is here; the service makes neither temporary tables nor large objects."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = [
    """
    create table vault_keys (
      key_id integer primary key, fingerprint bytea not null, since timestamptz not null default now())
    """,
    "grant select, insert on vault_keys to spotlight_app",
    # A temporary table hides the real one of the same name from whoever made it.
    "do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$",
]


def upgrade() -> None:
    """Add the table, take the privilege away."""
    for statement in STATEMENTS:
        op.execute(statement)
