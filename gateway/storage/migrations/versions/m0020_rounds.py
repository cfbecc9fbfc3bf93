"""A contest may have rounds: a vote is of the one in which it was placed, and totals are kept by round."""

from alembic import op

revision = "m0020"
down_revision = "m0019"


def upgrade() -> None:
    """Contests without rounds, and their votes, are of round 0."""
    for statement in (
        """
        create table rounds (
          contest_id uuid not null references contests (id),
          number integer not null,
          name text not null,
          opens_at timestamptz not null,
          closes_at timestamptz not null,
          fresh boolean not null,
          primary key (contest_id, number),
          check (closes_at > opens_at),
          check (number > 0))
        """,
        "grant select, insert, delete on rounds to spotlight_app, spotlight_tenant",
        "select limit_to_organiser('rounds', 'contest_id in (select id from contests)')",
        "alter table votes add column round integer not null default 0",
        "alter table tally_entries add column round integer not null default 0",
        """
        alter table candidate_totals
          add column round integer not null default 0,
          drop constraint candidate_totals_pkey,
          add primary key (candidate_id, round)
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
