"""Numbers, devices and addresses from which a contest takes no votes, or always does."""

from alembic import op

revision = "m0028"
down_revision = "m0027"


def upgrade() -> None:
    """Nothing is listed."""
    for statement in (
        """
        create table fraud_entries (
          id uuid primary key,
          contest_id uuid not null references contests (id),
          list text not null check (list in ('deny', 'allow')),
          kind text not null check (kind in ('number', 'device', 'address')),
          origin text not null check (origin in ('person', 'rule')),
          shown text not null,
          reason text not null,
          made_by text not null,
          subject bytea not null,
          made_at timestamptz not null default now(),
          until timestamptz not null,
          lifted_at timestamptz,
          lifted_by text,
          check (until > made_at),
          check ((lifted_at is null) = (lifted_by is null)))
        """,
        "create index fraud_entries_subject on fraud_entries (contest_id, subject) where lifted_at is null",
        "create index fraud_entries_until on fraud_entries (contest_id, until desc)",
        """
        create table fraud_refusals (
          id bigint generated always as identity primary key,
          contest_id uuid not null references contests (id),
          subject bytea not null,
          at timestamptz not null default now())
        """,
        "create index fraud_refusals_of on fraud_refusals (contest_id, subject, at)",
        "create index fraud_refusals_at on fraud_refusals (at)",
        "grant select, insert, update (lifted_at, lifted_by) on fraud_entries to spotlight_app, spotlight_tenant",
        "grant select, insert, update, delete on fraud_refusals to spotlight_app",
        "select limit_to_organiser('fraud_entries', 'contest_id in (select id from contests)')",
        "select limit_to_organiser('fraud_refusals', 'contest_id in (select id from contests)')",
    ):
        op.get_bind().exec_driver_sql(statement)
