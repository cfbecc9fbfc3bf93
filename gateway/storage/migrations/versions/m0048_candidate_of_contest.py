"""A vote and an entry name a candidate of their own contest: one reference in place of two."""

from alembic import op

revision = "m0048"
down_revision = "m0047"


def upgrade() -> None:
    """Every row refers to a candidate of its contest, or the step fails and nothing is changed."""
    for statement in (
        "alter table candidates add unique (contest_id, id)",
        "alter table votes drop constraint votes_contest_id_fkey, drop constraint votes_candidate_id_fkey",
        "alter table votes add foreign key (contest_id, candidate_id) references candidates (contest_id, id)",
        """
        alter table tally_entries drop constraint tally_entries_contest_id_fkey,
          drop constraint tally_entries_candidate_id_fkey
        """,
        "alter table tally_entries add foreign key (contest_id, candidate_id) references candidates (contest_id, id)",
    ):
        op.get_bind().exec_driver_sql(statement)
