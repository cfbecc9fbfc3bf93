"""Certified results of contests."""

from alembic import op

revision = "m0046"
down_revision = "m0045"


def upgrade() -> None:
    """No result is certified."""
    for statement in (
        """
        create table certified_results (
          contest_id uuid not null references contests (id),
          number integer not null check (number > 0),
          document text not null,
          sha256 bytea not null check (sha256 = sha256(convert_to(document, 'UTF8'))),
          reason text not null default '',
          request_id uuid not null references staff_requests (id) unique,
          made_at timestamptz not null,
          primary key (contest_id, number),
          check ((number = 1) = (reason = '')))
        """,
        """
        create trigger certified_results_append_only before update or delete or truncate on certified_results
          for each statement execute function refuse_change()
        """,
        "grant select, insert on certified_results to spotlight_app",
        "select limit_to_organiser('certified_results', 'contest_id in (select id from contests)')",
        "grant select on certified_results to spotlight_tenant",
        """
        create index disputes_undecided on disputes (contest_id)
          where status = 'open' or (status = 'lost' and effect is null)
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
