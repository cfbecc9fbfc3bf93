"""Rows of an organiser are apart from those of others in the database, too; a request names whose it is."""

from pathlib import Path

from alembic import op

revision = "m0008"
down_revision = "m0007"


def upgrade() -> None:
    """Requests that are there are whose their subject is. In the file a blank line ends a statement."""
    for statement in (
        """
        alter table staff_requests
          add column organiser_id uuid references organisers (id), add column contest_id uuid references contests (id)
        """,
        """
        update staff_requests r set contest_id = c.id, organiser_id = c.organiser_id
        from contests c where c.slug = r.preview ->> 'contest' and r.act not in ('reconcile', 'undo_import')
        """,
        """
        update staff_requests r set organiser_id = b.organiser_id
        from beneficiaries b where r.act = 'beneficiary' and b.id::text = r.subject
        """,
        *Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"),
    ):
        op.get_bind().exec_driver_sql(statement)
