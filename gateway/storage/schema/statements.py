"""Operators' statements and balances, and where they differ from the book."""

from sqlalchemy import UniqueConstraint

from gateway.storage.schema.columns import (
    big_number_lists,
    binaries,
    documents,
    identity,
    index,
    integers,
    one_of,
    small_integers,
    strings,
    table,
    timestamps,
    uuids,
)

statement_files = table(
    "statement_files",
    uuids("id", key=True),
    strings("provider", "name", "imported_by"),
    binaries("sha256"),
    small_integers("lines"),
    timestamps("first_at", "last_at", "undone_at", null=True),
    timestamps("imported_at", default="now()"),
    uuids("undone_by", null=True, of="staff_requests.id"),
    index("statement_files_once", "provider", "sha256", where="undone_at is null", unique=True),
)

statement_lines = table(
    "statement_lines",
    identity(),
    uuids("file_id", of="statement_files.id"),
    small_integers("line_no"),
    strings("provider", "line_key", "kind", "currency"),
    strings("our_reference", "external_id", "provider_reference", "matched_by", null=True),
    binaries("payer_index", null=True),
    integers("amount_minor"),
    integers("fee_minor", default="0"),
    timestamps("at", "matched_at", null=True),
    documents("raw"),
    uuids("matched_reference", "fee_tx", null=True),
    integers("fee_booked_minor", null=True),
    UniqueConstraint("provider", "line_key"),
    one_of("kind", "collection", "refund", "payout", "dispute", "fee", "transfer", "other"),
    index("statement_lines_of_file", "file_id"),
    index("statement_lines_matched", "matched_reference", where="matched_reference is not null"),
    index("statement_lines_open", "provider", "id", where="matched_at is null"),
)

differences = table(
    "differences",
    identity(),
    strings("provider", "kind", "currency", "detail"),
    integers("line_id", null=True, of="statement_lines.id"),
    uuids(
        "payment_reference",
        "refund_reference",
        "payout_reference",
        "dispute_reference",
        "ledger_tx",
        "contest_id",
        null=True,
    ),
    strings("wallet", default="collection"),
    integers("amount_minor"),
    timestamps("found_at", default="now()"),
    strings("status", default="open"),
    strings("resolution", "note", "resolved_by", null=True),
    timestamps("resolved_at", null=True),
    uuids("request_id", null=True, of="staff_requests.id"),
    one_of("kind", "missing_here", "missing_there", "amount", "date", "double", "balance"),
    one_of("status", "open", "resolved", "undone"),
    index("differences_of_contest", "contest_id", where="status = 'open'"),
    index("differences_of_request", "request_id", "id", where="request_id is not null"),
    index("differences_open", "provider", "id", where="status = 'open'"),
    index("differences_of_line", "line_id", "kind", where="line_id is not null and status <> 'undone'", unique=True),
    index(
        "differences_of_refund",
        "coalesce(refund_reference, payout_reference)",
        "kind",
        where="payment_reference is null and line_id is null and kind <> 'balance' and status <> 'undone'",
        unique=True,
    ),
    index(
        "differences_of_balance",
        "provider",
        "wallet",
        "currency",
        where="kind = 'balance' and status = 'open'",
        unique=True,
    ),
    index(
        "differences_of_payment",
        "payment_reference",
        "kind",
        where="payment_reference is not null and line_id is null and dispute_reference is null and status <> 'undone'",
        unique=True,
    ),
    index(
        "differences_of_dispute",
        "dispute_reference",
        "(amount_minor > 0)",
        where="dispute_reference is not null and status <> 'undone'",
        unique=True,
    ),
    index(
        "differences_of_invented",
        "provider",
        where="kind = 'missing_there' and status = 'open' and amount_minor = 0",
        unique=True,
    ),
)

difference_requests = table(
    "difference_requests",
    uuids("request_id", key=True, of="staff_requests.id"),
    big_number_lists("differences"),
)

balance_checks = table(
    "balance_checks",
    identity(),
    strings("provider", "wallet", "currency"),
    integers("operator_minor", "book_minor"),
    timestamps("at", default="now()"),
)
