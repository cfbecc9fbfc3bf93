"""Votes that were placed before rules had versions count until the instant that held for them then."""

from alembic import op

revision = "m0014"
down_revision = "m0013"


def upgrade() -> None:
    """By itself, because nobody orders while a column is added."""
    op.get_bind().exec_driver_sql(
        """
        update votes v set counts_until = c.closes_at + make_interval(secs => c.late_seconds)
        from contests c where c.id = v.contest_id and v.counts_until is null
        """
    )
