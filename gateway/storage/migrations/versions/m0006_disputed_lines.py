"""Lines of statements about money that the operator took back."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Allow one kind of line more."""
    op.execute("alter table statement_lines drop constraint statement_lines_kind_check")
    op.execute(
        "alter table statement_lines add constraint statement_lines_kind_check"
        " check (kind in ('collection','refund','payout','dispute','fee','transfer','other'))"
    )
