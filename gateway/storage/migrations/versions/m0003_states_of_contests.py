"""A contest is a draft, published or archived, and its times are read in its own time zone."""

from alembic import op

revision = "m0003"
down_revision = "m0002"


def upgrade() -> None:
    """Every contest that is there sells or sold votes: it is published."""
    for statement in (
        """
        alter table contests
          add column state text not null default 'published',
          add column time_zone text not null default 'Africa/Abidjan',
          add constraint contests_state_check check (state in ('draft', 'published', 'archived'))
        """,
        "alter table contests drop constraint contests_short_code_keyword_key",
        # Contests without a short code have no keyword to share.
        "create unique index contests_keyword on contests (short_code, upper(keyword)) where short_code <> ''",
        "update contests set time_zone = 'Africa/Douala' where country = 'CM'",
    ):
        op.get_bind().exec_driver_sql(statement)
