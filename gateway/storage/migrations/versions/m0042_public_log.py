"""The public logs of contests."""

from alembic import op

revision = "m0042"
down_revision = "m0041"

_APPEND_ONLY = ("checkpoints", "cosignatures", "keys", "leaves", "rules")


def upgrade() -> None:
    """Nothing is in them: the builder begins with the first entry of every tally."""
    for statement in (
        """
        create table log_heads (
          contest_id uuid not null primary key references contests (id),
          size bigint not null default 0,
          next_seq bigint not null default 1,
          rules_version integer not null default 0,
          signed_size bigint not null default 0,
          signed_at timestamptz,
          checked_at timestamptz not null default now(),
          check (signed_size <= size))
        """,
        """
        create table log_leaves (
          contest_id uuid not null references contests (id),
          index bigint not null check (index >= 0),
          seq bigint,
          leaf text not null check (octet_length(leaf) <= 65535),
          primary key (contest_id, index),
          unique (contest_id, seq))
        """,
        """
        create table log_salts (
          contest_id uuid not null,
          index bigint not null,
          salt bytea not null check (octet_length(salt) = 16),
          primary key (contest_id, index),
          foreign key (contest_id, index) references log_leaves (contest_id, index))
        """,
        """
        create table log_tiles (
          contest_id uuid not null references contests (id),
          level integer not null,
          number bigint not null,
          hashes bytea not null check (octet_length(hashes) % 32 = 0),
          primary key (contest_id, level, number),
          check (octet_length(hashes) between 32 and 8192))
        """,
        """
        create table log_rules (
          contest_id uuid not null references contests (id),
          version integer not null,
          document text not null,
          sha256 bytea not null check (sha256 = sha256(convert_to(document, 'UTF8'))),
          made_at timestamptz not null default now(),
          primary key (contest_id, version))
        """,
        """
        create table log_checkpoints (
          contest_id uuid not null references contests (id),
          size bigint not null,
          root bytea not null check (octet_length(root) = 32),
          note text not null,
          made_at timestamptz not null default now(),
          primary key (contest_id, size))
        """,
        """
        create table log_cosignatures (
          contest_id uuid not null,
          size bigint not null,
          name text not null,
          line text not null,
          made_at timestamptz not null default now(),
          primary key (contest_id, size, name),
          foreign key (contest_id, size) references log_checkpoints (contest_id, size))
        """,
        """
        create table log_keys (
          contest_id uuid not null references contests (id),
          key text not null,
          since timestamptz not null default now(),
          primary key (contest_id, key))
        """,
        *(
            f"""
            create trigger log_{name}_append_only before update or delete or truncate on log_{name}
              for each statement execute function refuse_change()
            """
            for name in _APPEND_ONLY
        ),
        """
        grant select, insert on log_checkpoints, log_cosignatures, log_heads, log_keys, log_leaves, log_rules,
          log_salts, log_tiles to spotlight_app
        """,
        """
        grant update (size, next_seq, rules_version, signed_size, signed_at, checked_at) on log_heads to spotlight_app
        """,
        "grant update (hashes) on log_tiles to spotlight_app",
        """
        select limit_to_organiser(named::regclass, 'contest_id in (select id from contests)') from unnest(array[
          'log_checkpoints', 'log_cosignatures', 'log_heads', 'log_keys', 'log_leaves', 'log_rules', 'log_salts',
          'log_tiles']) as named
        """,
        """
        grant select on log_checkpoints, log_cosignatures, log_heads, log_keys, log_leaves, log_rules, log_tiles
          to spotlight_tenant
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
