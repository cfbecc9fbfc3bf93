"""A fee plan may be for one way to pay."""

from alembic import op

revision = "m0021"
down_revision = "m0020"


def upgrade() -> None:
    """Those that are there are for every way."""
    for statement in (
        "alter table fee_plans add column method text not null default ''",
        "alter table fee_plans drop constraint fee_plans_organiser_id_currency_valid_from_key",
        "alter table fee_plans add unique (organiser_id, currency, method, valid_from)",
    ):
        op.get_bind().exec_driver_sql(statement)
