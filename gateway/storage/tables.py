"""Contests, orders, money and the tally as SQLAlchemy sees them; texts and chats are in
`conversation_tables`, what staff and statements bring in `staff_tables`. The migrations build them;
a test holds the two together.

Instants are UTC. Amounts are minor units. `*_index` is a keyed hash of a phone number and
`*_cipher` the number encrypted (see `gateway.storage.vault`): no number is stored in clear.
"""

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
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from gateway.storage.columns import counter, instant, metadata, number, raw, words

organisers = Table(
    "organisers",
    metadata,
    Column("id", Uuid, primary_key=True),
    words("slug"),
    words("name"),
    instant("created_at", null=False, default="now()"),
    instant("frozen_at"),
    words("frozen_reason", null=True),
    UniqueConstraint("slug"),
)

contests = Table(
    "contests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    words("slug"),
    words("name"),
    words("country"),
    words("currency"),
    number("price_minor"),
    instant("opens_at", null=False),
    instant("closes_at", null=False),
    number("late_seconds", default="600", big=False),
    number("quantity_max", default="10000", big=False),
    words("service_code"),
    words("short_code"),
    words("keyword"),
    words("language", default="fr"),
    number("version", default="1", big=False),
    instant("created_at", null=False, default="now()"),
    Column("check_digits", Boolean, nullable=False, server_default=text("false")),
    Column("packs", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
    Column("rules", JSONB, nullable=False, server_default=text("'{}'")),
    words("contact", default=""),
    number("confirm_above", null=True, big=False),
    UniqueConstraint("slug"),
    UniqueConstraint("short_code", "keyword"),
)
Index("contests_service_code", contests.c.service_code)

candidates = Table(
    "candidates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    words("code"),
    words("name"),
    words("status"),
    instant("created_at", null=False, default="now()"),
    words("photo_url", null=True),
    UniqueConstraint("contest_id", "code"),
)

contest_heads = Table(
    "contest_heads",
    metadata,
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    number("next_seq", default="1"),
)

worker_beats = Table(
    "worker_beats",
    metadata,
    words("worker", key=True),
    instant("seen_at", null=False),
)

candidate_totals = Table(
    "candidate_totals",
    metadata,
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), primary_key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    number("votes", default="0"),
    number("amount_minor", default="0"),
)
Index("candidate_totals_ranking", candidate_totals.c.contest_id, desc(candidate_totals.c.votes))

order_keys = Table(
    "order_keys",
    metadata,
    words("channel", key=True),
    words("key", key=True),
    raw("request_hash", null=False),
    Column("vote_id", Uuid, nullable=False),
    Column("payment_reference", Uuid, nullable=False),
    instant("placed_at", null=False),
    words("receipt"),
    words("order_code"),
    UniqueConstraint("receipt"),
)
Index("order_keys_order_code", order_keys.c.order_code)

votes = Table(
    "votes",
    metadata,
    Column("id", Uuid, primary_key=True),
    instant("placed_at", null=False, key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), nullable=False),
    words("channel"),
    words("language"),
    number("quantity", big=False),
    number("price_minor"),
    number("amount_minor"),
    words("currency"),
    raw("voter_index"),
    raw("voter_cipher"),
    words("receipt"),
    number("chat_id", null=True),
    postgresql_partition_by="RANGE (placed_at)",
)
Index("votes_of_chat", votes.c.chat_id, desc(votes.c.placed_at), postgresql_where=votes.c.chat_id.is_not(None))
Index("votes_of_voter", votes.c.voter_index, desc(votes.c.placed_at), postgresql_where=votes.c.voter_index.is_not(None))

payments = Table(
    "payments",
    metadata,
    Column("reference", Uuid, primary_key=True),
    instant("placed_at", null=False, key=True),
    Column("vote_id", Uuid, nullable=False),
    Column("contest_id", Uuid, nullable=False),
    words("provider"),
    words("method"),
    words("country"),
    number("amount_minor"),
    words("currency"),
    words("status", default="created"),
    raw("payer_index"),
    raw("payer_cipher"),
    words("base_url", null=True),
    words("provider_reference", null=True),
    raw("secrets_cipher"),
    Column("accepted", Boolean, nullable=False, server_default=text("false")),
    number("send_tries", default="0", big=False),
    number("checks", default="0", big=False),
    number("not_found_count", default="0", big=False),
    instant("not_found_since"),
    instant("next_check_at"),
    instant("hinted_at"),
    instant("asked_at"),
    instant("expires_at", null=False),
    instant("sent_at"),
    instant("confirmed_at"),
    instant("settled_at"),
    number("received_minor", null=True),
    words("received_currency", null=True),
    words("reason", null=True),
    words("reason_code", null=True),
    number("fee_minor", null=True),
    Column("provisional", Boolean, nullable=False, server_default=text("false")),
    raw("orderer"),
    raw("address"),
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

payment_events = Table(
    "payment_events",
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
Index("payment_events_story", payment_events.c.reference, payment_events.c.id)

evidence = Table(
    "evidence",
    metadata,
    counter(),
    Column("reference", Uuid, nullable=False),
    words("word"),
    words("source"),
    number("amount_minor", null=True),
    words("currency", null=True),
    words("provider_reference", null=True),
    words("raw"),
    instant("seen_at", null=False, default="clock_timestamp()"),
)
Index("evidence_of_payment", evidence.c.reference)

callbacks = Table(
    "callbacks",
    metadata,
    counter(),
    instant("received_at", null=False, default="now()", key=True),
    words("provider"),
    Column("payment_reference", Uuid),
    words("method"),
    Column("headers", JSONB, nullable=False),
    raw("body"),
    raw("body_cipher"),
    raw("body_hash", null=False),
    words("remote"),
    instant("handled_at"),
    words("outcome", null=True),
    number("duplicate_of", null=True),
    instant("replayed_at"),
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
    words("provider", key=True),
    words("outcome", key=True),
    number("many"),
)

tally_entries = Table(
    "tally_entries",
    metadata,
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    words("kind"),
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), nullable=False),
    number("quantity"),
    number("amount_minor"),
    Column("payment_reference", Uuid),
    words("receipt", null=True),
    Column("ledger_tx", Uuid, nullable=False),
    words("reason", null=True),
    instant("counted_at", null=False, default="now()"),
    number("adjusts", null=True),
)
Index(
    "tally_entries_adjusted_once",
    tally_entries.c.contest_id,
    tally_entries.c.adjusts,
    unique=True,
    postgresql_where=text("adjusts is not null"),
)
Index("tally_entries_once", tally_entries.c.payment_reference, unique=True, postgresql_where=text("kind = 'vote'"))
Index("tally_entries_receipt", tally_entries.c.receipt, unique=True, postgresql_where=text("kind = 'vote'"))

postings = Table(
    "postings",
    metadata,
    counter(),
    Column("tx", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id")),
    words("provider"),
    words("account"),
    words("currency"),
    number("amount_minor"),
    words("memo"),
    instant("at", null=False, default="now()"),
)
Index("postings_tx", postings.c.tx)
Index("postings_provider", postings.c.provider, postings.c.account)
Index("postings_at", postings.c.at)
Index("postings_account", postings.c.contest_id, postings.c.account)

refunds = Table(
    "refunds",
    metadata,
    Column("reference", Uuid, primary_key=True),
    Column("payment_reference", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    number("amount_minor"),
    words("currency"),
    words("reason"),
    words("status", default="due"),
    instant("created_at", null=False, default="now()"),
    words("provider", default=""),
    words("requested_by", default="rule"),
    Column("request_id", Uuid),
    Column("replaces", Uuid),
    number("tally_seq", null=True),
    words("base_url", null=True),
    words("provider_reference", null=True),
    raw("secrets_cipher"),
    number("send_tries", default="0", big=False),
    number("checks", default="0", big=False),
    number("not_found_count", default="0", big=False),
    instant("not_found_since"),
    instant("next_try_at", default="now()"),
    instant("sent_at"),
    instant("done_at"),
    words("reason_code", null=True),
    words("manual_reference", null=True),
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

audit_log = Table(
    "audit_log",
    metadata,
    counter(),
    instant("at", null=False, default="now()"),
    words("actor"),
    words("act"),
    words("subject"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
)

vault_keys = Table(
    "vault_keys",
    metadata,
    Column("key_id", Integer, primary_key=True, autoincrement=False),
    raw("fingerprint", null=False),
    instant("since", null=False, default="now()"),
)
