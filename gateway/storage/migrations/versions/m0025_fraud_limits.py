"""Fraud rules: what they saw of a payment, the limits of each contest, and until when a person may decide."""

from alembic import op

revision = "m0025"
down_revision = "m0024"


def upgrade() -> None:
    """Contests have the limits that a new one has; what is held already waits for a person without an end."""
    for statement in (
        "alter table contests add column fraud_limits jsonb not null default '{}'",
        """
        create table fraud_limits (
          contest_id uuid not null references contests (id),
          version integer not null,
          document jsonb not null,
          reason text not null,
          made_by text not null,
          made_at timestamptz not null default now(),
          primary key (contest_id, version))
        """,
        """
        create table fraud_findings (
          reference uuid not null,
          rule text not null,
          contest_id uuid not null references contests (id),
          verdict text not null check (verdict in ('hold', 'flag')),
          weight integer not null,
          limits_version integer not null,
          seen jsonb not null,
          found_at timestamptz not null default now(),
          primary key (reference, rule))
        """,
        "create index fraud_findings_of_contest on fraud_findings (contest_id, found_at desc)",
        """
        alter table payments add column payer_block bytea, add column decide_by timestamptz,
          add column address_shared boolean not null default false
        """,
        "create index payments_to_decide on payments (decide_by) where status = 'held'",
        "create index payments_of_block on payments (payer_block, placed_at desc) where payer_block is not null",
        "grant select, insert on fraud_findings, fraud_limits to spotlight_app",
        "grant update (decide_by) on payments to spotlight_app",
        "select limit_to_organiser('fraud_findings', 'contest_id in (select id from contests)')",
        "select limit_to_organiser('fraud_limits', 'contest_id in (select id from contests)')",
        "grant select on fraud_findings, fraud_limits to spotlight_tenant",
        "grant insert on fraud_limits to spotlight_tenant",
        """
        create trigger fraud_findings_append_only before update or delete or truncate on fraud_findings
          for each statement execute function refuse_change()
        """,
        """
        create trigger fraud_limits_append_only before update or delete or truncate on fraud_limits
          for each statement execute function refuse_change()
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
