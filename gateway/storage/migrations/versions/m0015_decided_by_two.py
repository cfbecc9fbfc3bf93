"""Differences are decided about by two persons, many at once; an import can be taken back."""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    "alter table differences add column contest_id uuid, add column request_id uuid references staff_requests",
    """update differences d set contest_id = coalesce(
      (select t.contest_id from disputes t where t.reference = d.dispute_reference),
      (select p.contest_id from payments p where p.reference = d.payment_reference),
      (select r.contest_id from refunds r where r.reference = d.refund_reference),
      (select o.contest_id from payouts o where o.reference = d.payout_reference))""",
    "alter table differences drop constraint differences_status_check",
    "alter table differences add constraint differences_status_check check (status in ('open','resolved','undone'))",
    # What came of an import that was taken back stands in the way of nothing.
    "drop index differences_of_line, differences_of_refund, differences_of_payment, differences_of_dispute",
    """create unique index differences_of_line on differences (line_id, kind)
      where line_id is not null and status <> 'undone'""",
    """create unique index differences_of_refund on differences (coalesce(refund_reference, payout_reference), kind)
      where payment_reference is null and line_id is null and kind <> 'balance' and status <> 'undone'""",
    """create unique index differences_of_payment on differences (payment_reference, kind)
      where payment_reference is not null and line_id is null and dispute_reference is null and status <> 'undone'""",
    """create unique index differences_of_dispute on differences (dispute_reference, (amount_minor > 0))
      where dispute_reference is not null and status <> 'undone'""",
    "create index differences_of_contest on differences (contest_id) where status = 'open'",
    "create index differences_of_request on differences (request_id, id) where request_id is not null",
    # What was booked of a line's fee, and in which transaction; unknown of lines that matched before.
    "alter table statement_lines add column fee_booked_minor bigint, add column fee_tx uuid",
    "create index statement_lines_of_file on statement_lines (file_id)",
    "alter table statement_files add column undone_at timestamptz, add column undone_by uuid references staff_requests",
    "alter table statement_files drop constraint statement_files_provider_sha256_key",
    "create unique index statement_files_once on statement_files (provider, sha256) where undone_at is null",
    "grant update (status, contest_id, request_id) on differences to spotlight_app",
    "grant update (line_key, fee_booked_minor, fee_tx) on statement_lines to spotlight_app",
    "grant update (undone_at, undone_by) on statement_files to spotlight_app",
)


def upgrade() -> None:
    """Differences learn whose money they are about."""
    for statement in STATEMENTS:
        op.execute(statement)
