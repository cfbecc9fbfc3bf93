"""Corrections of jurors' names."""

from alembic import op

revision = "m0049"
down_revision = "m0048"


def upgrade() -> None:
    """Every juror has the name that was typed first."""
    for statement in (
        """
        create table juror_names (
          contest_id uuid not null,
          juror integer not null,
          number integer not null check (number > 0),
          name text not null,
          made_by text not null,
          made_at timestamptz not null default now(),
          primary key (contest_id, juror, number),
          foreign key (contest_id, juror) references jurors (contest_id, number))
        """,
        """
        create trigger juror_names_append_only before update or delete or truncate on juror_names
          for each statement execute function refuse_change()
        """,
        "grant select, insert on juror_names to spotlight_app",
        "select limit_to_organiser('juror_names', 'contest_id in (select id from contests)')",
        "grant select, insert on juror_names to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
