"""Roles of the platform and of organisers, and auditors of one contest."""

from alembic import op

revision = "m0004"
down_revision = "m0003"


def upgrade() -> None:
    """Every role that is held stays."""
    for statement in (
        "alter table staff add column contest_id uuid references contests (id)",
        "alter table staff drop constraint staff_role_check",
        """
        alter table staff add constraint staff_role_check check (role in
          ('owner', 'administrator', 'manager', 'moderator', 'finance', 'support', 'auditor'))
        """,
        """
        alter table staff add constraint staff_one_contest check
          (contest_id is null or (role = 'auditor' and organiser_id is not null))
        """,
        """
        alter table staff add constraint staff_role_exists check
          (case when organiser_id is null then role not in ('manager', 'moderator') else role <> 'administrator' end)
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
