"""A contest lists the numbers of the people who work for it."""

from alembic import op

revision = "m0050"
down_revision = "m0049"


def upgrade() -> None:
    """Nobody is listed."""
    for statement in (
        "alter table fraud_entries drop constraint fraud_entries_list_check",
        "alter table fraud_entries add check (list in ('deny', 'allow', 'own'))",
        "alter table fraud_entries add constraint fraud_entries_own check (list <> 'own' or kind = 'number')",
    ):
        op.get_bind().exec_driver_sql(statement)
