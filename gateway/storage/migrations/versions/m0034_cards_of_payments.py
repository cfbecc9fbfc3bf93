"""The card and the name of who paid, as keyed hashes, where an operator shows them."""

from alembic import op

revision = "m0034"
down_revision = "m0033"


def upgrade() -> None:
    """Payments of before have none."""
    for statement in (
        "alter table payments add column card_index bytea, add column holder_index bytea",
        "create index payments_of_card on payments (card_index, placed_at desc) where card_index is not null",
        "create index payments_of_holder on payments (holder_index, placed_at desc) where holder_index is not null",
        "grant update (card_index, holder_index) on payments to spotlight_app",
    ):
        op.get_bind().exec_driver_sql(statement)
