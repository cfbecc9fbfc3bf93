"""Money that operators take back is asked about."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add what is to be asked about, and up to when operators' lists were read."""
    op.execute(
        """
        create table reversal_questions (
          provider text not null, number text not null, next_try_at timestamptz, tries integer not null default 0,
          asked_at timestamptz, outcome text, primary key (provider, number))
        """
    )
    op.execute("create index reversal_questions_due on reversal_questions (next_try_at) where next_try_at is not null")
    op.execute(
        """
        create table reversal_sweeps (
          provider text primary key, seen_until timestamptz, swept_at timestamptz not null)
        """
    )
    op.execute(
        """create unique index differences_of_invented on differences (provider)
          where kind = 'missing_there' and status = 'open' and amount_minor = 0"""
    )
    for table in ("reversal_questions", "reversal_sweeps"):
        op.execute(f"grant select, insert, update on {table} to spotlight_app")
