"""Large exports are made in the background, and kept for a day."""

from alembic import op

revision = "m0035"
down_revision = "m0034"


def upgrade() -> None:
    """A table; nothing was exported so far."""
    for statement in (
        """
        create table exports (
          id uuid not null primary key,
          contest_id uuid not null,
          kind text not null,
          asked_by text not null,
          asked_key text not null,
          language text not null,
          query text not null default '',
          month text,
          reason text,
          by_platform boolean not null,
          as_of timestamptz,
          try_at timestamptz,
          finished_at timestamptz,
          expires_at timestamptz,
          asked_at timestamptz not null default now(),
          state text not null default 'waiting',
          tries integer not null default 0,
          rows_done bigint not null default 0,
          rows_total bigint,
          bytes bigint,
          check (kind in ('orders', 'payments', 'journal', 'month')),
          check (state in ('waiting', 'making', 'ready', 'failed', 'cancelled')),
          constraint exports_due_while_unfinished check ((state in ('waiting', 'making')) = (try_at is not null)),
          constraint exports_expire_once_ready check ((state = 'ready') = (expires_at is not null)),
          unique (contest_id, asked_by, asked_key))
        """,
        "create index exports_of on exports (contest_id, asked_at desc)",
        "create index exports_due on exports (try_at) where try_at is not null",
        "create index exports_old on exports (asked_at)",
        """
        grant select, insert, delete, update (state, tries, try_at, rows_done, rows_total, bytes, finished_at, expires_at)
          on exports to spotlight_app
        """,
        "grant select, insert, update (state, try_at, finished_at) on exports to spotlight_tenant",
        "select limit_to_organiser('exports', 'contest_id in (select id from contests) and not by_platform')",
    ):
        op.get_bind().exec_driver_sql(statement)
