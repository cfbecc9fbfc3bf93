"""Workers say that they work."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add when each was last seen."""
    op.execute("create table worker_beats (worker text primary key, seen_at timestamptz not null)")
    op.execute("grant select, insert, update, delete on worker_beats to spotlight_app")
