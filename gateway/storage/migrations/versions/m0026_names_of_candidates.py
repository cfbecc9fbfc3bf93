"""Candidates correct their own name, a change of name is public once votes are sold, and minors have a guardian."""

from alembic import op

revision = "m0026"
down_revision = "m0025"


def upgrade() -> None:
    """What waits stays; who proposed themselves before has no guardian."""
    for statement in (
        "alter table candidate_changes add former_name text",
        "create index candidate_changes_of_name on candidate_changes (id) where former_name is not null",
        """
        alter table candidate_corrections add name text, add why text,
          drop constraint candidate_corrections_check,
          add constraint candidate_corrections_wanted
            check ((reason is null) = (text is not null or photo is not null or name is not null)),
          add check ((name is null) = (why is null))
        """,
        """
        alter table candidate_links add guardian_cipher bytea,
          add check (guardian_cipher is null or consented_at is not null)
        """,
        "grant select (guardian_cipher) on candidate_links to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
