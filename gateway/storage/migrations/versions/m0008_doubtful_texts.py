"""Above how many votes a text is asked about; tries of updates."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    "alter table contests add column confirm_above integer check (confirm_above > 0)",
    "alter table telegram_updates add column tries integer not null default 1",
    "grant update (tries) on telegram_updates to spotlight_app",
)


def upgrade() -> None:
    """Two columns."""
    for statement in _STATEMENTS:
        op.execute(statement)
