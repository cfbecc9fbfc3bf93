"""From when a contest's ranking is hidden, until its result is announced."""

from alembic import op

revision = "m0043"
down_revision = "m0042"


def upgrade() -> None:
    """No ranking is hidden."""
    op.get_bind().exec_driver_sql(
        """
        alter table contests
          add column hidden_from timestamptz,
          add column announcement_at timestamptz,
          add column announced_at timestamptz,
          add check (announcement_at > hidden_from),
          add check (announced_at >= hidden_from)
        """
    )
