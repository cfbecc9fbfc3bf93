"""Sums of votes, money and orders by minute and by hour; payments keep the prefix of the payer's number."""

from alembic import op

revision = "m0027"
down_revision = "m0026"

_ROLLUP = """
create table {} (
  contest_id uuid not null,
  facet text not null,
  at timestamptz not null,
  key text not null,
  orders bigint not null default 0,
  asked bigint not null default 0,
  paid bigint not null default 0,
  failed bigint not null default 0,
  expired bigint not null default 0,
  held bigint not null default 0,
  returned bigint not null default 0,
  votes bigint not null default 0,
  amount_minor bigint not null default 0,
  held_minor bigint not null default 0,
  returned_minor bigint not null default 0,
  primary key (contest_id, facet, at, key))
"""


def upgrade() -> None:
    """Earlier payments have no prefix. Workers sum them from the first event on."""
    for statement in (
        "alter table payments add column prefix text",
        _ROLLUP.format("rollup_minutes"),
        _ROLLUP.format("rollup_hours"),
        """
        create table rollup_position (
          one boolean not null default true primary key,
          seen bigint not null default 0,
          gaps jsonb not null default '[]',
          read_at timestamptz not null default now(),
          check (one))
        """,
        "insert into rollup_position default values",
        "grant select, insert, update, delete on rollup_minutes, rollup_hours to spotlight_app",
        "grant select, update (seen, gaps, read_at) on rollup_position to spotlight_app",
        "grant select on rollup_minutes, rollup_hours, rollup_position to spotlight_tenant",
        "select limit_to_organiser('rollup_minutes', 'contest_id in (select id from contests)')",
        "select limit_to_organiser('rollup_hours', 'contest_id in (select id from contests)')",
    ):
        op.get_bind().exec_driver_sql(statement)
