"""Candidates correct their own presentation and are told what was decided; a nomination has no code until then."""

from alembic import op

revision = "m0016"
down_revision = "m0015"


def upgrade() -> None:
    """Codes that were given stay."""
    for statement in (
        """
        alter table candidates drop constraint candidates_code_check, add constraint candidates_code
          check (code ~ '^[0-9]{2,6}$' and (code !~ '^00' or status not in ('approved', 'evicted')))
        """,
        "drop trigger candidates_keep_their_code on candidates",
        """
        create trigger candidates_keep_their_code before update of code, contest_id on candidates for each row
          when (old.code is distinct from new.code and not (old.code like '00%' and new.code not like '00%')
            or old.contest_id is distinct from new.contest_id)
          execute function refuse_new_code()
        """,
        "alter table contests add nominations_close_at timestamptz",
        "alter table candidate_links add contact_index bytea",
        """
        create index candidate_links_of_contact on candidate_links (contact_index, made_at)
          where contact_index is not null
        """,
        "alter table messages_out add params_cipher bytea",
        """
        create table candidate_corrections (
          candidate_id uuid not null primary key references candidates (id),
          contest_id uuid not null references contests (id),
          text text,
          photo text,
          photo_sides integer[] not null default '{}',
          photo_blur bytea,
          reason text,
          made_at timestamptz not null default now(),
          constraint candidate_corrections_photo check ((photo is null) = (photo_blur is null)
            and (photo is null) = (photo_sides = '{}') and octet_length(photo_blur) <= 1024),
          check ((reason is null) = (text is not null or photo is not null)))
        """,
        """
        create index candidate_corrections_waiting on candidate_corrections (contest_id, made_at)
          where reason is null
        """,
        "grant select, insert, update, delete on candidate_corrections to spotlight_app",
        "grant update (params_cipher) on messages_out to spotlight_app",
        "select limit_to_organiser('candidate_corrections', 'contest_id in (select id from contests)')",
        "grant select, update, delete on candidate_corrections to spotlight_tenant",
        "grant select (language) on candidate_links to spotlight_tenant",
        """
        create policy told on messages_out for insert to spotlight_tenant
          with check (payment_reference is null and kind like 'nomination_%')
        """,
        "grant insert on messages_out to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
