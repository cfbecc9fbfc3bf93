"""What staff, statements and payouts bring: see `gateway.storage.tables` for how instants, amounts
and phone numbers are held."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.storage.columns import counter, instant, metadata, number, raw, words


def _events(of: str) -> Table:
    table = Table(
        f"{of}_events",
        metadata,
        counter(),
        Column("reference", Uuid, nullable=False),
        words("from_status", null=True),
        words("to_status"),
        words("seen"),
        words("actor"),
        words("detail", null=True),
        instant("at", null=False, default="clock_timestamp()"),
    )
    Index(f"{of}_events_story", table.c.reference, table.c.id)
    return table


refund_events = _events("refund")
payout_events = _events("payout")
dispute_events = _events("dispute")

disputes = Table(
    "disputes",
    metadata,
    Column("reference", Uuid, primary_key=True),
    words("provider"),
    words("operator_reference"),
    Column("payment_reference", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    words("code"),
    number("amount_minor"),
    words("currency"),
    words("status"),
    words("effect", null=True),
    number("reversed_minor", default="0"),
    number("fee_minor", default="0"),
    instant("opened_at", null=False, default="now()"),
    instant("closed_at"),
    instant("told_at"),
    UniqueConstraint("provider", "operator_reference"),
)
Index("disputes_of_payment", disputes.c.payment_reference)
Index("disputes_to_act", disputes.c.reference, postgresql_where=text("status = 'lost' and effect is null"))

reversal_questions = Table(
    "reversal_questions",
    metadata,
    words("provider", key=True),
    words("number", key=True),
    instant("next_try_at"),
    number("tries", big=False, default="0"),
    instant("asked_at"),
    words("outcome", null=True),
)
Index(
    "reversal_questions_due",
    reversal_questions.c.next_try_at,
    postgresql_where=text("next_try_at is not null"),
)

reversal_sweeps = Table(
    "reversal_sweeps",
    metadata,
    words("provider", key=True),
    instant("seen_until"),
    instant("swept_at", null=False),
)

fee_plans = Table(
    "fee_plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    words("currency"),
    instant("valid_from", null=False),
    number("percent_bp", big=False),
    number("fixed_minor", default="0"),
    number("minimum_minor", default="0"),
    words("created_by"),
    instant("created_at", null=False, default="now()"),
    UniqueConstraint("organiser_id", "currency", "valid_from"),
)

statement_files = Table(
    "statement_files",
    metadata,
    Column("id", Uuid, primary_key=True),
    words("provider"),
    words("name"),
    raw("sha256", null=False),
    number("lines", big=False),
    instant("first_at"),
    instant("last_at"),
    words("imported_by"),
    instant("imported_at", null=False, default="now()"),
    instant("undone_at"),
    Column("undone_by", Uuid, ForeignKey("staff_requests.id")),
)
Index(
    "statement_files_once",
    statement_files.c.provider,
    statement_files.c.sha256,
    unique=True,
    postgresql_where=text("undone_at is null"),
)

statement_lines = Table(
    "statement_lines",
    metadata,
    counter(),
    Column("file_id", Uuid, ForeignKey("statement_files.id"), nullable=False),
    number("line_no", big=False),
    words("provider"),
    words("line_key"),
    words("kind"),
    words("our_reference", null=True),
    words("external_id", null=True),
    words("provider_reference", null=True),
    raw("payer_index"),
    number("amount_minor"),
    number("fee_minor", default="0"),
    words("currency"),
    instant("at"),
    Column("raw", JSONB, nullable=False),
    Column("matched_reference", Uuid),
    words("matched_by", null=True),
    instant("matched_at"),
    number("fee_booked_minor", null=True),
    Column("fee_tx", Uuid),
    UniqueConstraint("provider", "line_key"),
)
Index("statement_lines_of_file", statement_lines.c.file_id)
Index(
    "statement_lines_matched",
    statement_lines.c.matched_reference,
    postgresql_where=text("matched_reference is not null"),
)
Index(
    "statement_lines_open",
    statement_lines.c.provider,
    statement_lines.c.id,
    postgresql_where=text("matched_at is null"),
)

differences = Table(
    "differences",
    metadata,
    counter(),
    words("provider"),
    words("kind"),
    Column("line_id", BigInteger, ForeignKey("statement_lines.id")),
    Column("payment_reference", Uuid),
    Column("refund_reference", Uuid),
    Column("payout_reference", Uuid),
    Column("dispute_reference", Uuid),
    words("wallet", default="collection"),
    number("amount_minor"),
    words("currency"),
    words("detail"),
    instant("found_at", null=False, default="now()"),
    words("status", default="open"),
    words("resolution", null=True),
    words("note", null=True),
    words("resolved_by", null=True),
    instant("resolved_at"),
    Column("ledger_tx", Uuid),
    Column("contest_id", Uuid),
    Column("request_id", Uuid, ForeignKey("staff_requests.id")),
)
Index("differences_of_contest", differences.c.contest_id, postgresql_where=text("status = 'open'"))
Index(
    "differences_of_request",
    differences.c.request_id,
    differences.c.id,
    postgresql_where=text("request_id is not null"),
)
Index("differences_open", differences.c.provider, differences.c.id, postgresql_where=text("status = 'open'"))
Index(
    "differences_of_line",
    differences.c.line_id,
    differences.c.kind,
    unique=True,
    postgresql_where=text("line_id is not null and status <> 'undone'"),
)
Index(
    "differences_of_refund",
    func.coalesce(differences.c.refund_reference, differences.c.payout_reference),
    differences.c.kind,
    unique=True,
    postgresql_where=text("payment_reference is null and line_id is null and kind <> 'balance' and status <> 'undone'"),
)
Index(
    "differences_of_balance",
    differences.c.provider,
    differences.c.wallet,
    differences.c.currency,
    unique=True,
    postgresql_where=text("kind = 'balance' and status = 'open'"),
)
Index(
    "differences_of_payment",
    differences.c.payment_reference,
    differences.c.kind,
    unique=True,
    postgresql_where=text(
        "payment_reference is not null and line_id is null and dispute_reference is null and status <> 'undone'"
    ),
)
Index(
    "differences_of_dispute",
    differences.c.dispute_reference,
    text("(amount_minor > 0)"),
    unique=True,
    postgresql_where=text("dispute_reference is not null and status <> 'undone'"),
)

Index(
    "differences_of_invented",
    differences.c.provider,
    unique=True,
    postgresql_where=text("kind = 'missing_there' and status = 'open' and amount_minor = 0"),
)

balance_checks = Table(
    "balance_checks",
    metadata,
    counter(),
    words("provider"),
    words("wallet"),
    words("currency"),
    number("operator_minor"),
    number("book_minor"),
    instant("at", null=False, default="now()"),
)

beneficiaries = Table(
    "beneficiaries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    words("provider"),
    words("country"),
    raw("phone_index", null=False),
    raw("phone_cipher", null=False),
    words("name"),
    words("registered_by"),
    instant("registered_at", null=False, default="now()"),
    words("confirmed_by", null=True),
    instant("confirmed_at"),
    instant("usable_from"),
    instant("retired_at"),
)

payouts = Table(
    "payouts",
    metadata,
    Column("reference", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    Column("beneficiary_id", Uuid, ForeignKey("beneficiaries.id"), nullable=False),
    words("provider"),
    number("amount_minor"),
    words("currency"),
    words("status", default="due"),
    Column("request_id", Uuid, nullable=False),
    words("base_url", null=True),
    words("provider_reference", null=True),
    raw("secrets_cipher"),
    number("send_tries", default="0", big=False),
    number("checks", default="0", big=False),
    number("not_found_count", default="0", big=False),
    instant("not_found_since"),
    instant("next_try_at", default="now()"),
    instant("created_at", null=False, default="now()"),
    instant("sent_at"),
    instant("done_at"),
    words("reason_code", null=True),
)
Index(
    "payouts_due",
    payouts.c.next_try_at,
    postgresql_where=text("status in ('due','sent') and next_try_at is not null"),
)
Index("payouts_of_organiser", payouts.c.organiser_id, desc(payouts.c.created_at))

staff = Table(
    "staff",
    metadata,
    Column("id", Uuid, primary_key=True),
    words("email"),
    words("name", default=""),
    words("password_hash"),
    raw("totp_cipher"),
    instant("totp_confirmed_at"),
    number("totp_last_step", null=True),
    words("role"),
    Column("organiser_id", Uuid, ForeignKey("organisers.id")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    instant("created_at", null=False, default="now()"),
    instant("signed_in_at"),
    UniqueConstraint("email"),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("staff_id", Uuid, ForeignKey("staff.id"), nullable=False),
    Column("family", Uuid, nullable=False),
    raw("refresh_hash", null=False),
    instant("created_at", null=False, default="now()"),
    instant("expires_at", null=False),
    instant("used_at"),
    instant("revoked_at"),
    words("remote", default=""),
    words("agent", default=""),
    instant("factor_at"),
    UniqueConstraint("refresh_hash"),
)
Index("staff_sessions_ended", staff_sessions.c.expires_at)
Index("staff_sessions_family", staff_sessions.c.family)
Index("staff_sessions_of", staff_sessions.c.staff_id, desc(staff_sessions.c.created_at))

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    raw("subject", null=False, key=True),
    number("failures", big=False),
    instant("last_at", null=False, default="now()"),
)

staff_requests = Table(
    "staff_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    words("act"),
    words("subject"),
    Column("params", JSONB, nullable=False, server_default=text("'{}'")),
    Column("preview", JSONB, nullable=False, server_default=text("'{}'")),
    words("reason"),
    words("requested_by"),
    instant("requested_at", null=False, default="now()"),
    words("status", default="waiting"),
    words("decided_by", null=True),
    instant("decided_at"),
    instant("finished_at"),
    words("outcome", null=True),
)
Index("staff_requests_latest", staff_requests.c.requested_at)
Index("staff_requests_by_status", staff_requests.c.status, staff_requests.c.requested_at)
Index("staff_requests_by_act", staff_requests.c.act, staff_requests.c.requested_at)
Index("staff_requests_about", staff_requests.c.subject)
Index("staff_requests_waiting", staff_requests.c.requested_at, postgresql_where=text("status = 'waiting'"))
Index("staff_requests_running", staff_requests.c.requested_at, postgresql_where=text("status = 'approved'"))

void_rows = Table(
    "void_rows",
    metadata,
    Column("request_id", Uuid, ForeignKey("staff_requests.id"), primary_key=True),
    Column("payment_reference", Uuid, primary_key=True),
    instant("placed_at", null=False),
    number("votes"),
    number("amount_minor"),
    words("currency"),
    instant("done_at"),
    words("outcome", null=True),
)
Index(
    "void_rows_left",
    void_rows.c.request_id,
    void_rows.c.payment_reference,
    postgresql_where=text("done_at is null"),
)

upkeep = Table(
    "upkeep",
    metadata,
    words("task", key=True),
    instant("finished_at"),
    instant("failed_at"),
    words("error", null=True),
)

set_aside = Table(
    "set_aside",
    metadata,
    words("kind", key=True),
    words("subject", key=True),
    words("error"),
    instant("since", null=False, default="now()"),
    instant("until", null=False),
    number("times", default="1", big=False),
)

account_health = Table(
    "account_health",
    metadata,
    words("account", key=True),
    instant("closed_until"),
    Column("closed_seconds", Integer, nullable=False, server_default=text("0")),
    words("reason", default=""),
    instant("changed_at", null=False, default="now()"),
)
