"""Candidates have photos of our own making: where they are, the sides of their squares, and a blurred one."""

from alembic import op

revision = "m0007"
down_revision = "m0006"


def upgrade() -> None:
    """No candidate has one yet."""
    op.get_bind().exec_driver_sql("""
      alter table candidates
        add column photo text,
        add column photo_sides integer[] not null default '{}',
        add column photo_blur bytea,
        add constraint candidates_photo check (
          (photo is null) = (photo_blur is null) and (photo is null) = (photo_sides = '{}')
          and octet_length(photo_blur) <= 1024)
    """)
