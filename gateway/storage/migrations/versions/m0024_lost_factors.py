"""A lost second factor is taken away by two persons, a day after the second one agreed.

Whoever was paid nothing before m0019 is limited, not frozen: their voting goes on.
"""

from alembic import op

revision = "m0024"
down_revision = "m0023"


def upgrade() -> None:
    """Those who were frozen since then were frozen by a person, as the audit log has it; they stay so."""
    for statement in (
        """
        create table factor_resets (
          id uuid not null primary key,
          staff_id uuid not null references staff (id),
          asked_by text not null,
          reason text not null,
          asked_at timestamptz not null default now(),
          agreed_by text,
          agreed_at timestamptz,
          due_at timestamptz,
          link_hash bytea unique,
          done_at timestamptz,
          stopped_at timestamptz,
          stopped_by text,
          check (agreed_by is distinct from asked_by),
          check ((agreed_by is null) = (agreed_at is null) and (agreed_by is null) = (due_at is null)),
          check ((agreed_by is null) = (link_hash is null)),
          check (done_at is null or (agreed_by is not null and stopped_at is null)))
        """,
        "create index factor_resets_of on factor_resets (staff_id)",
        "create index factor_resets_due on factor_resets (due_at) where done_at is null and stopped_at is null",
        "grant select, insert, update on factor_resets to spotlight_app",
        "select limit_to_organiser('factor_resets', 'exists (select from staff s where s.id = factor_resets.staff_id)')",
        """
        grant select (id, staff_id, asked_by, reason, asked_at, agreed_by, agreed_at, due_at, done_at, stopped_at),
          insert, update (agreed_by, agreed_at, due_at, link_hash, stopped_at, stopped_by)
          on factor_resets to spotlight_tenant
        """,
        """
        update organisers o set state = 'limited' where state = 'frozen' and not exists (
          select from audit_log a where a.subject = o.slug and a.act = 'organiser.state' and a.detail ->> 'to' = 'frozen')
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
