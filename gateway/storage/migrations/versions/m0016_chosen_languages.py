"""The language that a number chose stays."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """By the keyed hash of the number alone."""
    op.execute(
        "create table chosen_languages (phone_index bytea primary key, language text not null, "
        "chosen_at timestamptz not null default now())"
    )
    op.execute("create index chosen_languages_by_age on chosen_languages (chosen_at)")
    op.execute("grant select, insert, update, delete on chosen_languages to spotlight_app")
