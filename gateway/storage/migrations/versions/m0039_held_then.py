"""Which payments were held at an earlier moment is read by an index of those that ever were."""

from alembic import op

revision = "m0039"
down_revision = "m0038"


def upgrade() -> None:
    """Payments that were held before there was a time to decide, and counted after all, have one: by the default of
    a day."""
    for statement in (
        """
        update payments p set decide_by = e.at + interval '1 day' from payment_events e
        where e.to_status = 'held' and e.reference = p.reference and p.decide_by is null
          and p.status in ('settled', 'failed', 'mismatched')
        """,
        "create index payments_ever_held on payments (contest_id, placed_at, vote_id) where decide_by is not null",
    ):
        op.get_bind().exec_driver_sql(statement)
