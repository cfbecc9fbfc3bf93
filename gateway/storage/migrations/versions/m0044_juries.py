"""A jury's share of a result: its weight among the rules, its members, and their points."""

from typing import Final

from alembic import op

revision = "m0044"
down_revision = "m0043"
_KEPT: Final = (
    """
create function refuse_decided_points() returns trigger language plpgsql as $$
begin
  raise exception 'points that were decided about are never changed' using errcode = 'insufficient_privilege';
end $$
    """,
    """
    create trigger jurors_append_only before update or delete or truncate on jurors
      for each statement execute function refuse_change()
    """,
    """
    create trigger jury_sheets_stay before delete or truncate on jury_sheets
      for each statement execute function refuse_change()
    """,
    """
    create trigger jury_sheets_are_decided_once before update on jury_sheets for each row
      when (old.id <> new.id or old.contest_id <> new.contest_id or old.round <> new.round
        or old.category <> new.category or old.juror <> new.juror or old.points <> new.points
        or old.entered_by <> new.entered_by or old.entered_at <> new.entered_at or old.leaf is not null
        or old.status <> 'waiting' and (old.status, old.decided_by, old.decided_at, old.number)
          is distinct from (new.status, new.decided_by, new.decided_at, new.number))
      execute function refuse_decided_points()
    """,
)


def upgrade() -> None:
    """No contest has a jury: votes alone decide."""
    for statement in (
        "alter table contests add column jury_percent integer, add check (jury_percent between 1 and 99)",
        """
        create table jurors (
          contest_id uuid not null references contests (id),
          number integer not null check (number > 0),
          name text not null check (name <> ''),
          made_by text not null,
          made_at timestamptz not null default now(),
          primary key (contest_id, number))
        """,
        """
        create table jury_sheets (
          id uuid not null primary key,
          contest_id uuid not null references contests (id),
          round integer not null default 0 check (round >= 0),
          category text not null default '',
          juror integer not null,
          points jsonb not null,
          status text not null default 'waiting' check (status in ('waiting', 'confirmed', 'refused', 'replaced')),
          entered_by text not null,
          entered_at timestamptz not null default now(),
          decided_by text,
          decided_at timestamptz,
          number bigint,
          leaf bigint,
          unique (contest_id, number),
          foreign key (contest_id, juror) references jurors (contest_id, number),
          check ((status = 'waiting') = (decided_by is null)),
          check ((decided_by is null) = (decided_at is null)),
          check ((status = 'confirmed') = (number is not null)),
          check (status <> 'confirmed' or decided_by <> entered_by),
          check (leaf is null or number is not null))
        """,
        "create index jury_sheets_of on jury_sheets (contest_id, entered_at desc)",
        """
        create unique index jury_sheets_waiting on jury_sheets (contest_id, round, category, juror)
          where status = 'waiting'
        """,
        """
        create index jury_sheets_unlogged on jury_sheets (contest_id, number) where number is not null and leaf is null
        """,
        *_KEPT,
        "grant select, insert on jurors, jury_sheets to spotlight_app",
        "grant update (status, decided_by, decided_at, number, leaf) on jury_sheets to spotlight_app",
        """
        select limit_to_organiser(named::regclass, 'contest_id in (select id from contests)')
          from unnest(array['jurors', 'jury_sheets']) as named
        """,
        "grant select, insert on jurors, jury_sheets to spotlight_tenant",
        "grant update (status, decided_by, decided_at, number) on jury_sheets to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
