"""Requests of an organiser are found by index."""

from alembic import op

revision = "m0012"
down_revision = "m0011"


def upgrade() -> None:
    """Nothing but the index."""
    op.get_bind().exec_driver_sql("create index staff_requests_of on staff_requests (organiser_id, requested_at)")
