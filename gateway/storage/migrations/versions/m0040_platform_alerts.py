"""Alerts of the platform, which are about wallets and carriers."""

from alembic import op

revision = "m0040"
down_revision = "m0039"


def upgrade() -> None:
    """A destination without an organiser is the platform's."""
    for statement in (
        "alter table alert_destinations alter column organiser_id drop not null",
        "alter table alert_destinations add check (organiser_id is not null or contest_id is null)",
        "alter table alerts add column subjects text[] not null default '{}'",
        "grant update (subjects) on alerts to spotlight_app",
    ):
        op.get_bind().exec_driver_sql(statement)
