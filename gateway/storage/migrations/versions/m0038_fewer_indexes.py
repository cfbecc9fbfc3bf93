"""An index of payments is written at each step of a payment: those that lists had are gone, and what is asked of paid
orders alone is an index of these."""

from alembic import op

revision = "m0038"
down_revision = "m0037"
_PAID = "status in ('confirmed','settled','held','surplus','mismatched','refund_due','refunded')"


def upgrade() -> None:
    """Indexes alone."""
    for statement in (
        "drop index payments_of_way",
        "drop index votes_of_channel",
        "drop index votes_of_amount",
        *(
            change
            for name, column in (
                ("payments_of_block", "payer_block"),
                ("payments_of_card", "card_index"),
                ("payments_of_holder", "holder_index"),
            )
            for change in (
                f"drop index {name}",
                f"create index {name} on payments ({column}, placed_at desc) where {column} is not null and {_PAID}",
            )
        ),
    ):
        op.get_bind().exec_driver_sql(statement)
