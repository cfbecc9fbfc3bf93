"""Orders of a contest are listed by what is common to ask for, and filters are saved by persons."""

from alembic import op

revision = "m0029"
down_revision = "m0028"


def upgrade() -> None:
    """Indexes, and a table; orders stay as they are."""
    for statement in (
        "create index votes_of_contest on votes (contest_id, placed_at, id)",
        "create index votes_of_candidate on votes (candidate_id, placed_at, id)",
        "create index votes_of_channel on votes (contest_id, channel, placed_at, id)",
        "create index votes_of_amount on votes (contest_id, amount_minor)",
        "create index payments_of_way on payments (contest_id, method, placed_at, vote_id)",
        """
        create index payments_not_counted on payments (contest_id, status, placed_at, vote_id)
          where status in ('held','surplus','mismatched','refund_due','refunded','failed','expired')
        """,
        """
        create table order_filters (
          id uuid not null primary key,
          staff_id uuid not null references staff (id),
          contest_id uuid not null,
          name text not null,
          query text not null,
          unique (staff_id, contest_id, name))
        """,
        "grant select, insert, update, delete on order_filters to spotlight_app, spotlight_tenant",
        "select limit_to_organiser('order_filters', 'contest_id in (select id from contests)')",
    ):
        op.get_bind().exec_driver_sql(statement)
