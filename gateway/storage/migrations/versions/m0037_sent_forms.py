"""Forms of staff that are sent twice are done once."""

from alembic import op

revision = "m0037"
down_revision = "m0036"


def upgrade() -> None:
    """None was sent so far."""
    for statement in (
        "create table sent_forms (id uuid primary key, led_to text, sent_at timestamptz not null default now())",
        "create index sent_forms_oldest on sent_forms (sent_at)",
        "grant select, insert, update, delete on sent_forms to spotlight_app",
    ):
        op.get_bind().exec_driver_sql(statement)
