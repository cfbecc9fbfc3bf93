"""An organiser's staff see whether a payer's number is a candidate's, by its keyed hash."""

from alembic import op

revision = "m0032"
down_revision = "m0031"


def upgrade() -> None:
    """Nothing but the right."""
    op.get_bind().exec_driver_sql("grant select (contact_index) on candidate_links to spotlight_tenant")
