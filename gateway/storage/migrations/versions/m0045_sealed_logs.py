"""Keys under which entries of public logs are sealed until the announcement."""

from alembic import op

revision = "m0045"
down_revision = "m0044"


def upgrade() -> None:
    """Nothing is sealed."""
    for statement in (
        "alter table contests add column blackout_sealed boolean not null default false",
        """
        create table log_seals (
          contest_id uuid not null references contests (id),
          number integer not null,
          key_cipher bytea not null,
          sha256 bytea not null check (octet_length(sha256) = 32),
          began_index bigint not null,
          began_at timestamptz not null default now(),
          released_at timestamptz,
          asked_by text,
          agreed_by text,
          opened_index bigint check (opened_index > began_index),
          primary key (contest_id, number),
          check (opened_index is null or released_at is not null),
          check (num_nulls(released_at, asked_by, agreed_by) in (0, 3)),
          check (lower(asked_by) <> lower(agreed_by)))
        """,
        "create index log_leaves_of_no_entry on log_leaves (contest_id, index) where seq is null",
        "create unique index log_seals_closed on log_seals (contest_id) where opened_index is null",
        "grant select, insert, update (released_at, asked_by, agreed_by, opened_index) on log_seals to spotlight_app",
        "select limit_to_organiser('log_seals', 'contest_id in (select id from contests)')",
        """
        grant select (contest_id, number, sha256, began_index, began_at, released_at, asked_by, agreed_by, opened_index)
          on log_seals to spotlight_tenant
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
