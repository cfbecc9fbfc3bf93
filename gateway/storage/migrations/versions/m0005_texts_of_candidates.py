"""A candidate has a presentation, a category and a reason; a contest lists its categories; an import waits for its word."""

from alembic import op

revision = "m0005"
down_revision = "m0004"


def upgrade() -> None:
    """No candidate has a text, a category or a reason yet, and no contest takes nominations."""
    for statement in (
        """
        alter table contests
          add column categories text[] not null default '{}',
          add column nominations boolean not null default false
        """,
        """
        alter table candidates
          add column category text not null default '',
          add column text text not null default '',
          add column reason text not null default ''
        """,
        """
        create table candidate_imports (
          id uuid not null primary key,
          contest_id uuid not null references contests (id),
          entries jsonb not null,
          plan_hash bytea not null,
          made_by text not null,
          made_at timestamptz not null default now())
        """,
        "create index candidate_imports_of on candidate_imports (contest_id)",
        "create index audit_log_about on audit_log (subject, id)",
        "grant select, insert, delete on candidate_imports to spotlight_app",
    ):
        op.get_bind().exec_driver_sql(statement)
