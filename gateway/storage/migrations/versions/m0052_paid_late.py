"""Which payments were still refused or unanswered at an earlier moment is read by an index of what they did next."""

from alembic import op

revision = "m0052"
down_revision = "m0051"


def upgrade() -> None:
    """An index of few rows: most payments that failed stay so."""
    op.get_bind().exec_driver_sql(
        "create index payment_events_paid_late on payment_events (at) where from_status in ('failed', 'expired')"
    )
