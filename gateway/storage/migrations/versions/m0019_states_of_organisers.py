"""An organiser is active, limited or frozen, and has quotas of its own. One that was paid nothing is frozen."""

from alembic import op

revision = "m0019"
down_revision = "m0018"


def upgrade() -> None:
    """What stood in `frozen_at` and `frozen_reason` is a state."""
    for statement in (
        """
        alter table organisers add column state text not null default 'active'
            check (state in ('active','limited','frozen')),
          add column state_reason text, add column state_since timestamptz,
          add column quotas jsonb not null default '{}'
        """,
        """
        update organisers set state = 'frozen', state_reason = frozen_reason, state_since = frozen_at
        where frozen_at is not null
        """,
        """
        alter table invitations add column sent_at timestamptz not null default now(),
          add column sends integer not null default 1
        """,
        "create index invitations_sent on invitations (organiser_id, sent_at)",
        "alter table organisers drop column frozen_at, drop column frozen_reason",
    ):
        op.get_bind().exec_driver_sql(statement)
