"""A draft is discarded with all that only it has; what was published stays."""

from pathlib import Path

from alembic import op

revision = "m0022"
down_revision = "m0021"


def upgrade() -> None:
    """In the file a blank line ends a statement."""
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)
