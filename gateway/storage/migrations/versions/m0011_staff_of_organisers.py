"""An organiser's people are read and ended within their organiser: whether they have a passkey, and their sessions."""

from alembic import op

revision = "m0011"
down_revision = "m0010"


def upgrade() -> None:
    """Columns that their pages need, and no others."""
    for statement in (
        "grant select (staff_id) on passkeys to spotlight_tenant",
        "grant select (staff_id, family, revoked_at), update (revoked_at) on staff_sessions to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
