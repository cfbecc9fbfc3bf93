"""Candidates are evicted and reinstated, and each change of their state is a row with its moment and reason."""

from alembic import op

revision = "m0015"
down_revision = "m0014"


def upgrade() -> None:
    """Nobody is evicted yet. Earlier changes are read from the audit log."""
    for statement in (
        """
        alter table candidates
          add column evicted_at timestamptz,
          drop constraint candidates_status_check,
          add constraint candidates_status_check
            check (status in ('submitted', 'approved', 'rejected', 'withdrawn', 'evicted')),
          add constraint candidates_evicted check ((status = 'evicted') = (evicted_at is not null))
        """,
        """
        create table candidate_changes (
          id bigint generated always as identity primary key,
          contest_id uuid not null references contests (id),
          candidate_id uuid not null references candidates (id),
          from_status text,
          to_status text not null,
          reason text not null,
          made_by text not null,
          made_at timestamptz not null default now())
        """,
        "create index candidate_changes_of on candidate_changes (candidate_id, id)",
        """
        insert into candidate_changes (contest_id, candidate_id, from_status, to_status, reason, made_by, made_at)
        select k.contest_id, k.id, c.value ->> 'before', c.value ->> 'after', coalesce(l.detail ->> 'reason', ''),
          l.actor, l.at
        from audit_log l join contests s on s.slug = l.subject
          cross join lateral jsonb_array_elements(
            case when jsonb_typeof(l.detail -> 'changes') = 'array' then l.detail -> 'changes' else '[]' end) c
          join candidates k on k.contest_id = s.id and c.value ->> 'what' = 'candidate ' || k.code || ' status'
        order by l.id
        """,
        """
        create trigger candidate_changes_append_only before update or delete or truncate on candidate_changes
          for each statement execute function refuse_change()
        """,
        "grant select, insert on candidate_changes to spotlight_app, spotlight_tenant",
        "select limit_to_organiser('candidate_changes', 'contest_id in (select id from contests)')",
    ):
        op.get_bind().exec_driver_sql(statement)
