"""Payments and what operators reported of them, the book, refunds, disputes, payouts."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.storage.schema.columns import binary, events_of, identity, integer, metadata, one_of, string, timestamp

payments = Table(
    "payments",
    metadata,
    Column("reference", Uuid, primary_key=True),
    timestamp("placed_at", null=False, key=True),
    Column("vote_id", Uuid, nullable=False),
    Column("contest_id", Uuid, nullable=False),
    string("provider"),
    string("method"),
    string("country"),
    integer("amount_minor"),
    string("currency"),
    string("status", default="created"),
    binary("payer_index"),
    binary("payer_cipher"),
    string("base_url", null=True),
    string("provider_reference", null=True),
    binary("secrets_cipher"),
    Column("accepted", Boolean, nullable=False, server_default=text("false")),
    integer("send_tries", default="0", big=False),
    integer("checks", default="0", big=False),
    integer("not_found_count", default="0", big=False),
    timestamp("not_found_since"),
    timestamp("next_check_at"),
    timestamp("hinted_at"),
    timestamp("asked_at"),
    timestamp("expires_at", null=False),
    timestamp("sent_at"),
    timestamp("confirmed_at"),
    timestamp("settled_at"),
    integer("received_minor", null=True),
    string("received_currency", null=True),
    string("reason", null=True),
    string("reason_code", null=True),
    integer("fee_minor", null=True),
    Column("provisional", Boolean, nullable=False, server_default=text("false")),
    binary("orderer"),
    binary("address"),
    CheckConstraint("amount_minor > 0"),
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
    postgresql_partition_by="RANGE (placed_at)",
)
Index(
    "payments_of_orderer",
    payments.c.orderer,
    desc(payments.c.placed_at),
    postgresql_where=text("orderer is not null"),
)
Index(
    "payments_of_address",
    payments.c.address,
    desc(payments.c.placed_at),
    postgresql_where=text("address is not null"),
)
Index(
    "payments_of_operator",
    payments.c.provider_reference,
    postgresql_where=text("provider_reference is not null"),
)
Index("payments_provisional", payments.c.reference, postgresql_where=text("provisional"))
Index(
    "payments_counted_once",
    payments.c.vote_id,
    payments.c.placed_at,
    unique=True,
    postgresql_where=text("status in ('settled','held')"),
)
Index(
    "payments_open_once",
    payments.c.vote_id,
    payments.c.placed_at,
    unique=True,
    postgresql_where=text("status in ('created','sent','pending')"),
)
Index("payments_of_vote", payments.c.vote_id)
Index("payments_to_collect", payments.c.next_check_at, postgresql_where=text("status = 'created'"))
Index(
    "payments_to_verify",
    payments.c.next_check_at,
    postgresql_where=text("status in ('sent','pending','expired','failed') and next_check_at is not null"),
)
Index(
    "payments_to_settle", payments.c.contest_id, payments.c.confirmed_at, postgresql_where=text("status = 'confirmed'")
)
Index(
    "payments_prompting",
    payments.c.payer_index,
    payments.c.provider,
    postgresql_where=text("status in ('sent','pending')"),
)
Index("payments_held", payments.c.confirmed_at, postgresql_where=text("status = 'held'"))
Index("payments_to_give_back", payments.c.reference, postgresql_where=text("status in ('surplus','mismatched')"))
Index("payments_of_payer", payments.c.payer_index, desc(payments.c.placed_at))

payment_events = events_of("payment")

evidence = Table(
    "evidence",
    metadata,
    identity(),
    Column("reference", Uuid, nullable=False),
    string("word"),
    string("source"),
    integer("amount_minor", null=True),
    string("currency", null=True),
    string("provider_reference", null=True),
    string("raw"),
    timestamp("seen_at", null=False, default="clock_timestamp()"),
    one_of("word", "succeeded", "failed", "disputed", "dispute_won", "reversed"),
)
Index("evidence_of_payment", evidence.c.reference)

callbacks = Table(
    "callbacks",
    metadata,
    identity(),
    timestamp("received_at", null=False, default="now()", key=True),
    string("provider"),
    Column("payment_reference", Uuid),
    string("method"),
    Column("headers", JSONB, nullable=False),
    binary("body"),
    binary("body_cipher"),
    binary("body_hash", null=False),
    string("remote"),
    timestamp("handled_at"),
    string("outcome", null=True),
    integer("duplicate_of", null=True),
    timestamp("replayed_at"),
    Column("record_id", Uuid),
    postgresql_partition_by="RANGE (received_at)",
)
Index(
    "callbacks_same",
    callbacks.c.provider,
    callbacks.c.body_hash,
    postgresql_where=text("payment_reference is null"),
)
Index("callbacks_record", callbacks.c.received_at, callbacks.c.record_id, unique=True)
Index("callbacks_due", callbacks.c.id, postgresql_where=text("handled_at is null"))
Index("callbacks_of_payment", callbacks.c.payment_reference, postgresql_where=text("payment_reference is not null"))

callback_counts = Table(
    "callback_counts",
    metadata,
    string("provider", key=True),
    string("outcome", key=True),
    integer("many"),
)

account_health = Table(
    "account_health",
    metadata,
    string("account", key=True),
    timestamp("closed_until"),
    Column("closed_seconds", Integer, nullable=False, server_default=text("0")),
    string("reason", default=""),
    timestamp("changed_at", null=False, default="now()"),
)

postings = Table(
    "postings",
    metadata,
    identity(),
    Column("tx", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id")),
    string("provider"),
    string("account"),
    string("currency"),
    integer("amount_minor"),
    string("memo"),
    timestamp("at", null=False, default="now()"),
)
Index("postings_tx", postings.c.tx)
Index("postings_provider", postings.c.provider, postings.c.account)
Index("postings_at", postings.c.at)
Index("postings_account", postings.c.contest_id, postings.c.account)

fee_plans = Table(
    "fee_plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    string("currency"),
    timestamp("valid_from", null=False),
    integer("percent_bp", big=False),
    integer("fixed_minor", default="0"),
    integer("minimum_minor", default="0"),
    string("created_by"),
    timestamp("created_at", null=False, default="now()"),
    UniqueConstraint("organiser_id", "currency", "valid_from"),
    CheckConstraint("percent_bp between 0 and 10000"),
    CheckConstraint("fixed_minor >= 0"),
    CheckConstraint("minimum_minor >= 0"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("reference", Uuid, primary_key=True),
    Column("payment_reference", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    integer("amount_minor"),
    string("currency"),
    string("reason"),
    string("status", default="due"),
    timestamp("created_at", null=False, default="now()"),
    string("provider", default=""),
    string("requested_by", default="rule"),
    Column("request_id", Uuid),
    Column("replaces", Uuid),
    integer("tally_seq", null=True),
    string("base_url", null=True),
    string("provider_reference", null=True),
    binary("secrets_cipher"),
    integer("send_tries", default="0", big=False),
    integer("checks", default="0", big=False),
    integer("not_found_count", default="0", big=False),
    timestamp("not_found_since"),
    timestamp("next_try_at", default="now()"),
    timestamp("sent_at"),
    timestamp("done_at"),
    string("reason_code", null=True),
    string("manual_reference", null=True),
    CheckConstraint("amount_minor > 0"),
    one_of("status", "due", "sent", "done", "failed", "void", "manual"),
)
Index(
    "refunds_due",
    refunds.c.next_try_at,
    postgresql_where=text("status in ('due','sent') and next_try_at is not null"),
)
Index("refunds_of_operator", refunds.c.provider_reference, postgresql_where=text("provider_reference is not null"))
Index("refunds_by_status", refunds.c.status, refunds.c.created_at)
Index("refunds_by_hand", refunds.c.manual_reference, postgresql_where=text("manual_reference is not null"))
Index("refunds_of_payment", refunds.c.payment_reference)
Index("refunds_of_request", refunds.c.request_id, postgresql_where=text("request_id is not null"))
Index("refunds_once", refunds.c.payment_reference, unique=True, postgresql_where=text("status <> 'void'"))

refund_events = events_of("refund")

disputes = Table(
    "disputes",
    metadata,
    Column("reference", Uuid, primary_key=True),
    string("provider"),
    string("operator_reference"),
    Column("payment_reference", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    string("code"),
    integer("amount_minor"),
    string("currency"),
    string("status"),
    string("effect", null=True),
    integer("reversed_minor", default="0"),
    integer("fee_minor", default="0"),
    timestamp("opened_at", null=False, default="now()"),
    timestamp("closed_at"),
    timestamp("told_at"),
    UniqueConstraint("provider", "operator_reference"),
    CheckConstraint("amount_minor > 0"),
    one_of("status", "open", "won", "lost"),
    one_of("effect", "taken_back", "refund_stopped", "twice", "person"),
    CheckConstraint("(status = 'open') = (closed_at is null)"),
    CheckConstraint("effect is null or status = 'lost'"),
    CheckConstraint("(reversed_minor > 0) = (coalesce(effect, '') in ('taken_back','refund_stopped'))"),
)
Index("disputes_of_payment", disputes.c.payment_reference)
Index("disputes_to_act", disputes.c.reference, postgresql_where=text("status = 'lost' and effect is null"))

dispute_events = events_of("dispute")

reversal_questions = Table(
    "reversal_questions",
    metadata,
    string("provider", key=True),
    string("number", key=True),
    timestamp("next_try_at"),
    integer("tries", big=False, default="0"),
    timestamp("asked_at"),
    string("outcome", null=True),
)
Index(
    "reversal_questions_due",
    reversal_questions.c.next_try_at,
    postgresql_where=text("next_try_at is not null"),
)

reversal_sweeps = Table(
    "reversal_sweeps",
    metadata,
    string("provider", key=True),
    timestamp("seen_until"),
    timestamp("swept_at", null=False),
)

beneficiaries = Table(
    "beneficiaries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    string("provider"),
    string("country"),
    binary("phone_index", null=False),
    binary("phone_cipher", null=False),
    string("name"),
    string("registered_by"),
    timestamp("registered_at", null=False, default="now()"),
    string("confirmed_by", null=True),
    timestamp("confirmed_at"),
    timestamp("usable_from"),
    timestamp("retired_at"),
    CheckConstraint("confirmed_by is distinct from registered_by"),
    CheckConstraint("(confirmed_at is null) = (usable_from is null)"),
)

payouts = Table(
    "payouts",
    metadata,
    Column("reference", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    Column("beneficiary_id", Uuid, ForeignKey("beneficiaries.id"), nullable=False),
    string("provider"),
    integer("amount_minor"),
    string("currency"),
    string("status", default="due"),
    Column("request_id", Uuid, nullable=False),
    string("base_url", null=True),
    string("provider_reference", null=True),
    binary("secrets_cipher"),
    integer("send_tries", default="0", big=False),
    integer("checks", default="0", big=False),
    integer("not_found_count", default="0", big=False),
    timestamp("not_found_since"),
    timestamp("next_try_at", default="now()"),
    timestamp("created_at", null=False, default="now()"),
    timestamp("sent_at"),
    timestamp("done_at"),
    string("reason_code", null=True),
    CheckConstraint("amount_minor > 0"),
    one_of("status", "due", "sent", "done", "failed", "manual"),
)
Index(
    "payouts_due",
    payouts.c.next_try_at,
    postgresql_where=text("status in ('due','sent') and next_try_at is not null"),
)
Index("payouts_of_organiser", payouts.c.organiser_id, desc(payouts.c.created_at))

payout_events = events_of("payout")
