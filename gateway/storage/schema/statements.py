"""Operators' statements and balances, and where they differ from the book."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from gateway.storage.schema.columns import binary, identity, integer, metadata, one_of, string, timestamp

statement_files = Table(
    "statement_files",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("provider"),
    string("name"),
    binary("sha256", null=False),
    integer("lines", big=False),
    timestamp("first_at"),
    timestamp("last_at"),
    string("imported_by"),
    timestamp("imported_at", null=False, default="now()"),
    timestamp("undone_at"),
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
    identity(),
    Column("file_id", Uuid, ForeignKey("statement_files.id"), nullable=False),
    integer("line_no", big=False),
    string("provider"),
    string("line_key"),
    string("kind"),
    string("our_reference", null=True),
    string("external_id", null=True),
    string("provider_reference", null=True),
    binary("payer_index"),
    integer("amount_minor"),
    integer("fee_minor", default="0"),
    string("currency"),
    timestamp("at"),
    Column("raw", JSONB, nullable=False),
    Column("matched_reference", Uuid),
    string("matched_by", null=True),
    timestamp("matched_at"),
    integer("fee_booked_minor", null=True),
    Column("fee_tx", Uuid),
    UniqueConstraint("provider", "line_key"),
    one_of("kind", "collection", "refund", "payout", "dispute", "fee", "transfer", "other"),
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
    identity(),
    string("provider"),
    string("kind"),
    Column("line_id", BigInteger, ForeignKey("statement_lines.id")),
    Column("payment_reference", Uuid),
    Column("refund_reference", Uuid),
    Column("payout_reference", Uuid),
    Column("dispute_reference", Uuid),
    string("wallet", default="collection"),
    integer("amount_minor"),
    string("currency"),
    string("detail"),
    timestamp("found_at", null=False, default="now()"),
    string("status", default="open"),
    string("resolution", null=True),
    string("note", null=True),
    string("resolved_by", null=True),
    timestamp("resolved_at"),
    Column("ledger_tx", Uuid),
    Column("contest_id", Uuid),
    Column("request_id", Uuid, ForeignKey("staff_requests.id")),
    one_of("kind", "missing_here", "missing_there", "amount", "date", "double", "balance"),
    one_of("status", "open", "resolved", "undone"),
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
    identity(),
    string("provider"),
    string("wallet"),
    string("currency"),
    integer("operator_minor"),
    integer("book_minor"),
    timestamp("at", null=False, default="now()"),
)
