"""How many votes a payment is for whose own callback says that it is paid, before the operator is asked."""

from alembic import op

revision = "m0051"
down_revision = "m0050"


def upgrade() -> None:
    """Callbacks of before claim nothing."""
    for statement in (
        "alter table payments add column claimed_votes bigint",
        "grant update (claimed_votes) on payments to spotlight_app",
    ):
        op.get_bind().exec_driver_sql(statement)
