"""When the operator said what it says of a dispute: words arrive in any order."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add one column, which the service may write."""
    op.execute("alter table disputes add column told_at timestamptz")
    op.execute("grant update (told_at) on disputes to spotlight_app")
