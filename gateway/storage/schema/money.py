"""Payments and what operators reported of them, the book, refunds, disputes, payouts."""

from typing import Final

from sqlalchemy import CheckConstraint, Table, UniqueConstraint

from gateway.storage.schema.columns import (
    binaries,
    checks,
    documents,
    events_of,
    flags,
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

# An index that holds every payment is written at each of its steps; one of paid payments at their last two.
_PAID: Final = "status in ('confirmed','settled','held','surplus','mismatched','refund_due','refunded')"
_COUNTED: Final = "case when status in ('settled','held') then true end"

payments = table(
    "payments",
    uuids("reference", key=True),
    timestamps("placed_at", key=True),
    uuids("vote_id", "contest_id"),
    strings("provider", "method", "country", "currency"),
    integers("amount_minor"),
    strings("status", default="created"),
    binaries("payer_index", "payer_cipher", "secrets_cipher", "orderer", "address", "payer_block", null=True),
    binaries("card_index", "holder_index", null=True),
    strings("base_url", "provider_reference", "received_currency", "reason", "reason_code", "prefix", null=True),
    flags("accepted", "provisional", "address_shared", default="false"),
    small_integers("send_tries", "checks", "not_found_count", default="0"),
    timestamps(
        "not_found_since",
        "next_check_at",
        "hinted_at",
        "asked_at",
        "sent_at",
        "confirmed_at",
        "settled_at",
        "decide_by",
        null=True,
    ),
    timestamps("expires_at"),
    integers("received_minor", "fee_minor", "claimed_votes", null=True),
    checks("amount_minor > 0"),
    CheckConstraint("(payer_index is null) = (payer_cipher is null)", name="payments_payer_whole"),
    one_of(
        "status",
        "created",
        "sent",
        "pending",
        "confirmed",
        "settled",
        "held",
        "surplus",
        "mismatched",
        "refund_due",
        "refunded",
        "failed",
        "expired",
    ),
    index("payments_of_orderer", "orderer", "placed_at desc", where="orderer is not null"),
    index("payments_of_address", "address", "placed_at desc", where="address is not null"),
    index("payments_of_operator", "provider_reference", where="provider_reference is not null"),
    index("payments_provisional", "reference", where="provisional"),
    # Of a vote one payment is counted at most; how many are not does not matter.
    index("payments_of_vote", "vote_id", "placed_at", f"({_COUNTED})", unique=True),
    index("payments_open_once", "vote_id", "placed_at", where="status in ('created','sent','pending')", unique=True),
    index("payments_to_collect", "next_check_at", where="status = 'created'"),
    index(
        "payments_to_verify",
        "next_check_at",
        where="status in ('sent','pending','expired','failed') and next_check_at is not null",
    ),
    index(
        "payments_hinted",
        "provider",
        "next_check_at",
        where="hinted_at is not null and status in ('sent','pending','expired','failed')",
    ),
    index("payments_to_settle", "contest_id", "confirmed_at", where="status = 'confirmed'"),
    index(
        "payments_not_counted",
        "contest_id",
        "status",
        "placed_at",
        "vote_id",
        where="status in ('held','surplus','mismatched','refund_due','refunded','failed','expired')",
    ),
    index("payments_ever_held", "contest_id", "placed_at", "vote_id", where="decide_by is not null"),
    index("payments_held", "confirmed_at", where="status = 'held'"),
    index("payments_to_decide", "decide_by", where="status = 'held'"),
    index("payments_of_block", "payer_block", "placed_at desc", where=f"payer_block is not null and {_PAID}"),
    index("payments_of_card", "card_index", "placed_at desc", where=f"card_index is not null and {_PAID}"),
    index("payments_of_holder", "holder_index", "placed_at desc", where=f"holder_index is not null and {_PAID}"),
    index("payments_to_give_back", "reference", where="status in ('surplus','mismatched')"),
    index("payments_of_payer", "payer_index", "placed_at desc"),
    partition_by="placed_at",
)

# What the fraud rules found about a payment when it was to be counted.
fraud_findings = table(
    "fraud_findings",
    uuids("reference", key=True),
    strings("rule", key=True),
    uuids("contest_id", of="contests.id"),
    strings("verdict"),
    small_integers("weight", "limits_version"),
    documents("seen"),
    timestamps("found_at", default="now()"),
    one_of("verdict", "hold", "flag"),
    index("fraud_findings_of_contest", "contest_id", "found_at desc"),
)

# Numbers, devices and addresses from which a contest takes no votes, or always does.
fraud_entries = table(
    "fraud_entries",
    uuids("id", key=True),
    uuids("contest_id", of="contests.id"),
    strings("list", "kind", "origin", "shown", "reason", "made_by"),
    binaries("subject"),
    timestamps("made_at", default="now()"),
    timestamps("until"),
    timestamps("lifted_at", null=True),
    strings("lifted_by", null=True),
    one_of("list", "deny", "allow", "own"),
    CheckConstraint("list <> 'own' or kind = 'number'", name="fraud_entries_own"),
    one_of("kind", "number", "device", "address"),
    one_of("origin", "person", "rule"),
    checks("until > made_at", "(lifted_at is null) = (lifted_by is null)"),
    index("fraud_entries_subject", "contest_id", "subject", where="lifted_at is null"),
    index("fraud_entries_until", "contest_id", "until desc"),
)

# Orders on the web that were refused because so many came from one place.
fraud_refusals = table(
    "fraud_refusals",
    identity(),
    uuids("contest_id", of="contests.id"),
    binaries("subject"),
    timestamps("at", default="now()"),
    index("fraud_refusals_of", "contest_id", "subject", "at"),
    index("fraud_refusals_at", "at"),
)

payment_events = events_of(
    "payment",
    index("payment_events_held", "at", where="to_status = 'held'"),
    index("payment_events_paid_late", "at", where="from_status in ('failed','expired')"),
)

evidence = table(
    "evidence",
    identity(),
    uuids("reference"),
    strings("word", "source", "raw"),
    integers("amount_minor", null=True),
    strings("currency", "provider_reference", null=True),
    timestamps("seen_at", default="clock_timestamp()"),
    one_of("word", "succeeded", "failed", "disputed", "dispute_won", "reversed"),
    index("evidence_of_payment", "reference"),
)

callbacks = table(
    "callbacks",
    identity(),
    timestamps("received_at", default="now()", key=True),
    strings("provider", "method", "remote"),
    uuids("payment_reference", "record_id", null=True),
    documents("headers"),
    binaries("body", "body_cipher", null=True),
    binaries("body_hash"),
    timestamps("handled_at", "replayed_at", null=True),
    strings("outcome", null=True),
    integers("duplicate_of", null=True),
    index("callbacks_same", "provider", "body_hash", where="payment_reference is null"),
    index("callbacks_record", "received_at", "record_id", unique=True),
    index("callbacks_due", "id", where="handled_at is null"),
    index("callbacks_of_payment", "payment_reference", where="payment_reference is not null"),
    partition_by="received_at",
)

callback_counts = table(
    "callback_counts",
    strings("provider", "outcome", key=True),
    integers("many"),
)

account_health = table(
    "account_health",
    strings("account", key=True),
    timestamps("closed_until", null=True),
    small_integers("closed_seconds", default="0"),
    strings("reason", default=""),
    timestamps("changed_at", default="now()"),
)

postings = table(
    "postings",
    identity(),
    uuids("tx"),
    uuids("contest_id", null=True, of="contests.id"),
    strings("provider", "account", "currency", "memo"),
    integers("amount_minor"),
    timestamps("at", default="now()"),
    index("postings_tx", "tx"),
    index("postings_provider", "provider", "account"),
    index("postings_at", "at"),
    index("postings_account", "contest_id", "account", "currency", holds=("amount_minor",)),
)

fee_plans = table(
    "fee_plans",
    uuids("id", key=True),
    uuids("organiser_id", of="organisers.id"),
    strings("currency", "created_by"),
    strings("method", default=""),
    timestamps("valid_from"),
    small_integers("percent_bp"),
    integers("fixed_minor", "minimum_minor", default="0"),
    timestamps("created_at", default="now()"),
    UniqueConstraint("organiser_id", "currency", "method", "valid_from"),
    checks("percent_bp between 0 and 10000", "fixed_minor >= 0", "minimum_minor >= 0"),
)

refunds = table(
    "refunds",
    uuids("reference", key=True),
    uuids("payment_reference"),
    uuids("contest_id", of="contests.id"),
    integers("amount_minor"),
    strings("currency", "reason"),
    strings("status", default="due"),
    timestamps("created_at", default="now()"),
    strings("provider", default=""),
    strings("requested_by", default="rule"),
    uuids("request_id", "replaces", null=True),
    integers("tally_seq", null=True),
    strings("base_url", "provider_reference", "reason_code", "manual_reference", null=True),
    binaries("secrets_cipher", null=True),
    small_integers("send_tries", "checks", "not_found_count", default="0"),
    timestamps("not_found_since", "sent_at", "done_at", null=True),
    timestamps("next_try_at", null=True, default="now()"),
    checks("amount_minor > 0"),
    one_of("status", "due", "sent", "done", "failed", "void", "manual"),
    index("refunds_due", "next_try_at", where="status in ('due','sent') and next_try_at is not null"),
    index("refunds_of_operator", "provider_reference", where="provider_reference is not null"),
    index("refunds_by_status", "status", "created_at"),
    index("refunds_by_hand", "manual_reference", where="manual_reference is not null"),
    index("refunds_of_payment", "payment_reference"),
    index("refunds_of_request", "request_id", where="request_id is not null"),
    index("refunds_once", "payment_reference", where="status <> 'void'", unique=True),
)

refund_events = events_of("refund")

disputes = table(
    "disputes",
    uuids("reference", key=True),
    strings("provider", "operator_reference", "code", "currency", "status"),
    uuids("payment_reference"),
    uuids("contest_id", of="contests.id"),
    integers("amount_minor"),
    strings("effect", null=True),
    integers("reversed_minor", "fee_minor", default="0"),
    timestamps("opened_at", default="now()"),
    timestamps("closed_at", "told_at", null=True),
    UniqueConstraint("provider", "operator_reference"),
    checks("amount_minor > 0"),
    one_of("status", "open", "won", "lost"),
    one_of("effect", "taken_back", "refund_stopped", "twice", "person"),
    checks(
        "(status = 'open') = (closed_at is null)",
        "effect is null or status = 'lost'",
        "(reversed_minor > 0) = (coalesce(effect, '') in ('taken_back','refund_stopped'))",
    ),
    index("disputes_of_payment", "payment_reference"),
    index("disputes_undecided", "contest_id", where="status = 'open' or (status = 'lost' and effect is null)"),
    index("disputes_to_act", "reference", where="status = 'lost' and effect is null"),
)

dispute_events = events_of("dispute")

reversal_questions = table(
    "reversal_questions",
    strings("provider", "number", key=True),
    timestamps("next_try_at", "asked_at", null=True),
    small_integers("tries", default="0"),
    strings("outcome", null=True),
    index("reversal_questions_due", "next_try_at", where="next_try_at is not null"),
)

reversal_sweeps = table(
    "reversal_sweeps",
    strings("provider", key=True),
    timestamps("seen_until", null=True),
    timestamps("swept_at"),
)

beneficiaries = table(
    "beneficiaries",
    uuids("id", key=True),
    uuids("organiser_id", of="organisers.id"),
    strings("provider", "country", "name", "registered_by"),
    binaries("phone_index", "phone_cipher"),
    timestamps("registered_at", default="now()"),
    strings("confirmed_by", null=True),
    timestamps("confirmed_at", "usable_from", "retired_at", null=True),
    checks("confirmed_by is distinct from registered_by", "(confirmed_at is null) = (usable_from is null)"),
)

payouts = table(
    "payouts",
    uuids("reference", key=True),
    uuids("organiser_id", of="organisers.id"),
    uuids("contest_id", of="contests.id"),
    uuids("beneficiary_id", of="beneficiaries.id"),
    strings("provider", "currency"),
    integers("amount_minor"),
    strings("status", default="due"),
    uuids("request_id"),
    strings("base_url", "provider_reference", "reason_code", null=True),
    binaries("secrets_cipher", null=True),
    small_integers("send_tries", "checks", "not_found_count", default="0"),
    timestamps("not_found_since", "sent_at", "done_at", null=True),
    timestamps("next_try_at", null=True, default="now()"),
    timestamps("created_at", default="now()"),
    checks("amount_minor > 0"),
    one_of("status", "due", "sent", "done", "failed", "manual"),
    index("payouts_due", "next_try_at", where="status in ('due','sent') and next_try_at is not null"),
    index("payouts_of_organiser", "organiser_id", "created_at desc"),
)

payout_events = events_of("payout")


def _rollup(name: str) -> Table:
    """Sums of an interval that begins at `at`. `facet`: what `key` is one of; `all`: of the contest as a whole."""
    return table(
        name,
        uuids("contest_id", key=True),
        strings("facet", key=True),
        timestamps("at", key=True),
        strings("key", key=True),
        integers("orders", "asked", "paid", "failed", "expired", "held", "returned", default="0"),
        integers("votes", "amount_minor", "held_minor", "returned_minor", default="0"),
    )


rollup_minutes = _rollup("rollup_minutes")
rollup_hours = _rollup("rollup_hours")


def _position(name: str) -> Table:
    """How far an append-only table is summed, in one row. `seen`: the number of the last row that was read; `gaps`:
    numbers below it that were not there yet."""
    return table(
        name,
        flags("one", key=True, default="true"),
        integers("seen", default="0"),
        documents("gaps", default="'[]'"),
        timestamps("read_at", default="now()"),
        checks("one"),
    )


# Of payment events, and of postings.
rollup_position = _position("rollup_position")
balance_position = _position("balance_position")

# Sums of postings by day, which begins at midnight UTC.
balance_days = table(
    "balance_days",
    uuids("contest_id", null=True),
    strings("provider", "account", "currency"),
    timestamps("day"),
    integers("debit_minor", "credit_minor"),
    UniqueConstraint(
        "contest_id",
        "account",
        "currency",
        "provider",
        "day",
        name="balance_days_once",
        postgresql_nulls_not_distinct=True,
    ),
)
