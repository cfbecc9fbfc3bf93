"""Alerts about what the service found, to destinations that an organiser's people name."""

from alembic import op

revision = "m0036"
down_revision = "m0035"


def upgrade() -> None:
    """There is no destination; what is in the audit log by now is nobody's news."""
    for statement in (
        """
        create table alert_destinations (
          id uuid not null primary key,
          organiser_id uuid not null references organisers (id),
          contest_id uuid references contests (id),
          channel text not null check (channel in ('mail', 'telegram', 'webhook')),
          language text not null,
          made_by text not null,
          kinds text[] not null check (cardinality(kinds) > 0),
          gap_seconds integer not null check (gap_seconds between 0 and 86400),
          staff_id uuid references staff (id),
          host text,
          secret_cipher bytea,
          code_hash bytea,
          code_until timestamptz,
          chat_id bigint,
          made_at timestamptz not null default now(),
          failing_since timestamptz,
          stopped_at timestamptz,
          removed_at timestamptz,
          check ((channel = 'mail') = (staff_id is not null)),
          check ((channel = 'webhook') = (host is not null)),
          check ((channel = 'webhook') = (secret_cipher is not null)),
          check (channel = 'telegram' or (chat_id is null and code_hash is null)))
        """,
        "create index alert_destinations_of on alert_destinations (organiser_id) where removed_at is null",
        "create unique index alert_destinations_code on alert_destinations (code_hash) where code_hash is not null",
        """
        create table alerts (
          id uuid not null primary key,
          destination_id uuid not null references alert_destinations (id),
          contest_id uuid references contests (id),
          kind text not null,
          many bigint not null check (many > 0),
          since timestamptz not null,
          until timestamptz not null,
          due_at timestamptz not null,
          status text not null default 'due' check (status in ('due', 'sent', 'refused')),
          attempts integer not null default 0,
          next_try_at timestamptz,
          ended_at timestamptz,
          answer text not null default '',
          check ((status = 'due') = (next_try_at is not null)),
          check ((status = 'due') = (ended_at is null)))
        """,
        "create index alerts_due on alerts (next_try_at) where status = 'due'",
        "create index alerts_of on alerts (destination_id, contest_id, kind, due_at desc)",
        "create index alerts_latest on alerts (destination_id, due_at desc)",
        "create index alerts_ended on alerts (ended_at) where status <> 'due'",
        """
        create table alert_position (
          one boolean not null default true primary key check (one),
          seen bigint not null default 0,
          gaps jsonb not null default '[]',
          read_at timestamptz not null default now())
        """,
        "insert into alert_position (seen) select coalesce(max(id), 0) from audit_log",
        "grant select on alert_destinations, alerts, alert_position to spotlight_app",
        "grant update (seen, gaps, read_at) on alert_position to spotlight_app",
        """
        grant insert, update (code_hash, code_until, chat_id, failing_since, stopped_at, removed_at)
          on alert_destinations to spotlight_app
        """,
        """
        grant insert, delete, update (many, until, status, attempts, next_try_at, ended_at, answer)
          on alerts to spotlight_app
        """,
        """
        select limit_to_organiser('alert_destinations', 'organiser_id in (select id from organisers)
  and (contest_id is null and nullif(current_setting(''app.contest'', true), '''') is null
    or contest_id in (select id from contests))')
        """,
        """
        select limit_to_organiser('alerts',
          'exists (select from alert_destinations d where d.id = alerts.destination_id)')
        """,
        """
        grant select (id, organiser_id, contest_id, channel, language, made_by, kinds, gap_seconds, staff_id, host,
            code_until, chat_id, made_at, failing_since, stopped_at, removed_at),
          insert, update (failing_since, stopped_at, removed_at) on alert_destinations to spotlight_tenant
        """,
        "grant select, insert, update (status, next_try_at, ended_at, answer) on alerts to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
