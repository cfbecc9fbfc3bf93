"""The audit log says which contest a line is about; what was held at an instant is found by index."""

from alembic import op

revision = "m0017"
down_revision = "m0016"


def upgrade() -> None:
    """Lines about a contest that are there get it too; nothing else of a line is changed."""
    run = op.get_bind().exec_driver_sql
    run("alter table audit_log add contest_id uuid")
    run("alter table audit_log disable trigger audit_log_append_only")
    run(
        "update audit_log l set contest_id = c.id from contests c"
        " where l.subject = c.slug and l.act ~ '^(contest|candidate|video)[.]'"
    )
    run(
        "update audit_log l set contest_id = r.contest_id from staff_requests r"
        " where l.detail ->> 'request' = r.id::text and r.contest_id is not null"
    )
    run("alter table audit_log enable trigger audit_log_append_only")
    run("create index audit_log_of_contest on audit_log (contest_id, id) where contest_id is not null")
    run("create index payment_events_held on payment_events (at) where to_status = 'held'")
    run("select limit_to_organiser('audit_log', 'contest_id in (select id from contests)')")
    run("create policy about_none on audit_log for insert to spotlight_tenant with check (contest_id is null)")
    run("grant select on audit_log to spotlight_tenant")
