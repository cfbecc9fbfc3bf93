"""People are invited and reset their passwords by mail; recovery codes and passkeys stand beside the phone's codes."""

from alembic import op

revision = "m0006"
down_revision = "m0005"


def upgrade() -> None:
    """New tables, and the language that a person reads."""
    for statement in (
        """
        create table invitations (
          id uuid not null,
          link_hash bytea not null,
          email text not null,
          role text not null,
          language text not null,
          invited_by text not null,
          organiser_id uuid,
          contest_id uuid,
          created_at timestamp with time zone default now() not null,
          expires_at timestamp with time zone not null,
          accepted_at timestamp with time zone,
          withdrawn_at timestamp with time zone,
          primary key (id),
          unique (link_hash),
          check (email = lower(email)),
          foreign key(organiser_id) references organisers (id),
          foreign key(contest_id) references contests (id)
        )
        """,
        "create index invitations_ended on invitations (expires_at)",
        "create index invitations_open on invitations (email) where accepted_at is null and withdrawn_at is null",
        """
        create table password_resets (
          link_hash bytea not null,
          staff_id uuid not null,
          created_at timestamp with time zone default now() not null,
          expires_at timestamp with time zone not null,
          used_at timestamp with time zone,
          primary key (link_hash),
          foreign key(staff_id) references staff (id)
        )
        """,
        "create index password_resets_ended on password_resets (expires_at)",
        "create index password_resets_of on password_resets (staff_id)",
        """
        create table recovery_codes (
          staff_id uuid not null,
          code_hash bytea not null,
          created_at timestamp with time zone default now() not null,
          used_at timestamp with time zone,
          primary key (staff_id, code_hash),
          foreign key(staff_id) references staff (id)
        )
        """,
        """
        create table passkeys (
          id uuid not null,
          staff_id uuid not null,
          credential_id bytea not null,
          public_key bytea not null,
          sign_count bigint not null,
          name text not null,
          created_at timestamp with time zone default now() not null,
          used_at timestamp with time zone,
          challenged_at timestamp with time zone,
          primary key (id),
          unique (credential_id),
          foreign key(staff_id) references staff (id)
        )
        """,
        "create index passkeys_of on passkeys (staff_id, created_at)",
        """
        create table mails (
          id uuid not null,
          kind text not null,
          recipient text not null,
          language text not null,
          params_cipher bytea,
          status text default 'due' not null,
          attempts integer default 0 not null,
          next_try_at timestamp with time zone default now(),
          created_at timestamp with time zone default now() not null,
          sent_at timestamp with time zone,
          last_error text,
          primary key (id),
          check (status in ('due', 'sent', 'refused')),
          check ((status = 'due') = (params_cipher is not null))
        )
        """,
        "create index mails_created on mails (created_at)",
        "create index mails_due on mails (next_try_at) where status = 'due'",
        "alter table staff add column language text default 'fr' not null",
        "grant select, insert, update, delete on invitations, mails, passkeys, password_resets, recovery_codes to spotlight_app",
    ):
        op.get_bind().exec_driver_sql(statement)
