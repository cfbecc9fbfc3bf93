"""Dialogues are counted by how far they came."""

from alembic import op

revision = "m0030"
down_revision = "m0029"


def upgrade() -> None:
    """Of earlier dialogues nothing is known."""
    for statement in (
        """
        create table dialogue_steps (
          contest_id uuid not null,
          at timestamptz not null,
          step text not null,
          many bigint not null,
          primary key (contest_id, at, step),
          check (step in ('dialled', 'chosen', 'confirming')))
        """,
        "grant select, insert, update on dialogue_steps to spotlight_app",
        "grant select on dialogue_steps to spotlight_tenant",
        "select limit_to_organiser('dialogue_steps', 'contest_id in (select id from contests)')",
    ):
        op.get_bind().exec_driver_sql(statement)
