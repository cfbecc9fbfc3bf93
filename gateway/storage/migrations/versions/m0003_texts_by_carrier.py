"""Texts by carrier: figures of a day, and whether a carrier reports on later texts."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add two indexes."""
    op.execute("create index messages_out_created on messages_out (created_at)")
    op.execute("create index delivery_reports_of_carrier on delivery_reports (carrier, received_at)")
