"""Certified results are leaves of the public log."""

from alembic import op

revision = "m0047"
down_revision = "m0046"


def upgrade() -> None:
    """Those that there are become leaves at the next turn of the builder."""
    for statement in (
        "alter table certified_results add leaf bigint",
        "create index certified_results_unlogged on certified_results (contest_id) where leaf is null",
        "grant update (leaf) on certified_results to spotlight_app",
        "drop trigger certified_results_append_only on certified_results",
        """
        create trigger certified_results_stay before delete or truncate on certified_results
          for each statement execute function refuse_change()
        """,
        """
        create trigger certified_results_are_logged_once before update on certified_results for each row
          when (old.leaf is not null or (old.contest_id, old.number, old.document, old.sha256, old.reason,
            old.request_id, old.made_at) is distinct from (new.contest_id, new.number, new.document, new.sha256,
            new.reason, new.request_id, new.made_at))
          execute function refuse_change()
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
