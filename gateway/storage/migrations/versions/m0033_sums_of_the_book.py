"""Sums of the book by account and day."""

from alembic import op

revision = "m0033"
down_revision = "m0032"


def upgrade() -> None:
    """Workers sum the postings from the first on; balances are right meanwhile, too."""
    for statement in (
        """
        create table balance_days (
          contest_id uuid,
          provider text not null,
          account text not null,
          currency text not null,
          day timestamptz not null,
          debit_minor bigint not null,
          credit_minor bigint not null,
          constraint balance_days_once unique nulls not distinct (contest_id, account, currency, provider, day))
        """,
        """
        create table balance_position (
          one boolean not null default true primary key,
          seen bigint not null default 0,
          gaps jsonb not null default '[]',
          read_at timestamptz not null default now(),
          check (one))
        """,
        "insert into balance_position default values",
        "grant select, insert, update, delete on balance_days to spotlight_app",
        "grant select, update (seen, gaps, read_at) on balance_position to spotlight_app",
        "grant select on balance_days, balance_position to spotlight_tenant",
        "select limit_to_organiser('balance_days', 'contest_id in (select id from contests)')",
    ):
        op.get_bind().exec_driver_sql(statement)
