"""What an account of a contest sums to is read from the index alone."""

from alembic import op

revision = "m0031"
down_revision = "m0030"


def upgrade() -> None:
    """The index has what is summed."""
    op.execute("drop index postings_account")
    op.execute("create index postings_account on postings (contest_id, account, currency) include (amount_minor)")
