"""A candidate reads how they stand by a private link; who proposed themselves left how to reach them."""

from alembic import op

revision = "m0010"
down_revision = "m0009"


def upgrade() -> None:
    """No candidate has a link yet."""
    for statement in (
        """
        create table candidate_links (
          candidate_id uuid not null primary key references candidates (id),
          token_hash bytea not null unique,
          language text not null,
          contact_cipher bytea,
          made_at timestamptz not null default now(),
          consented_at timestamptz,
          check ((contact_cipher is null) = (consented_at is null)))
        """,
        "grant select, insert, update on candidate_links to spotlight_app",
        "select limit_to_organiser('candidate_links', 'candidate_id in (select id from candidates)')",
        """
        grant select (candidate_id, contact_cipher), insert, update (token_hash) on candidate_links to spotlight_tenant
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
