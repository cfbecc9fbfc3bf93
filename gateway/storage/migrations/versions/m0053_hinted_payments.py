"""Payments that a callback hints at are found in the order in which their account is asked about them."""

from alembic import op

revision = "m0053"
down_revision = "m0052"


def upgrade() -> None:
    """An index alone."""
    op.get_bind().exec_driver_sql("""
        create index payments_hinted on payments (provider, next_check_at)
        where hinted_at is not null and status in ('sent','pending','expired','failed')
    """)
