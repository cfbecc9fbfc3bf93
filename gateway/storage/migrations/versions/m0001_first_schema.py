"""The first schema, as `gateway.storage.schema` was at the first release; it stays as it is."""

from pathlib import Path

from alembic import op

revision = "m0001"
down_revision = None


def upgrade() -> None:
    """Make everything. In the file a blank line ends a statement."""
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)
