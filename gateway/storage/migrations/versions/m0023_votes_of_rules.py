"""Votes that were placed under a later version of the rules are found by index."""

from alembic import op

revision = "m0023"
down_revision = "m0022"


def upgrade() -> None:
    """Nothing but the index: contests that never changed their rules have nothing in it."""
    op.get_bind().exec_driver_sql(
        "create index votes_of_rules on votes (contest_id, rules_version) where rules_version > 1"
    )
