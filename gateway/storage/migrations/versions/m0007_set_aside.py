"""What fails by itself is set aside, and shown."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table."""
    op.execute(
        """
        create table set_aside (
          kind text not null, subject text not null, error text not null,
          since timestamptz not null default now(), until timestamptz not null, times integer not null default 1,
          primary key (kind, subject))
        """
    )
    op.execute("grant select, insert, update, delete on set_aside to spotlight_app")
