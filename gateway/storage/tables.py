"""The tables as SQLAlchemy sees them. The migrations build them; a test holds the two together.

Instants are UTC. Amounts are minor units. `*_index` is a keyed hash of a phone number and
`*_cipher` the number encrypted (see `gateway.storage.vault`): no number is stored in clear.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

metadata = MetaData()


def _instant(name: str, *, null: bool = True, default: str | None = None, key: bool = False) -> Column[Any]:
    server_default = text(default) if default else None
    return Column(name, TIMESTAMP(timezone=True), nullable=null, server_default=server_default, primary_key=key)


def _text(name: str, *, null: bool = False, default: str | None = None, key: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=null, server_default=default, primary_key=key)


def _number(name: str, *, null: bool = False, default: str | None = None, big: bool = True) -> Column[Any]:
    return Column(
        name, BigInteger if big else Integer, nullable=null, server_default=text(default) if default else None
    )


def _bytes(name: str, *, null: bool = True, key: bool = False) -> Column[Any]:
    return Column(name, LargeBinary, nullable=null, primary_key=key)


def _counter(*, key: bool = True) -> Column[Any]:
    return Column("id", BigInteger, Identity(always=True), primary_key=key)


organisers = Table(
    "organisers",
    metadata,
    Column("id", Uuid, primary_key=True),
    _text("slug"),
    _text("name"),
    _instant("created_at", null=False, default="now()"),
    UniqueConstraint("slug"),
)

contests = Table(
    "contests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    _text("slug"),
    _text("name"),
    _text("country"),
    _text("currency"),
    _number("price_minor"),
    _instant("opens_at", null=False),
    _instant("closes_at", null=False),
    _number("late_seconds", default="600", big=False),
    _number("quantity_max", default="10000", big=False),
    _text("service_code"),
    _text("short_code"),
    _text("keyword"),
    _text("language", default="fr"),
    _number("version", default="1", big=False),
    _instant("created_at", null=False, default="now()"),
    UniqueConstraint("slug"),
    UniqueConstraint("service_code"),
    UniqueConstraint("short_code", "keyword"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    _text("code"),
    _text("name"),
    _text("status"),
    _instant("created_at", null=False, default="now()"),
    UniqueConstraint("contest_id", "code"),
)

contest_heads = Table(
    "contest_heads",
    metadata,
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    _number("next_seq", default="1"),
)

candidate_totals = Table(
    "candidate_totals",
    metadata,
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), primary_key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    _number("votes", default="0"),
    _number("amount_minor", default="0"),
)
Index("candidate_totals_ranking", candidate_totals.c.contest_id, desc(candidate_totals.c.votes))

order_keys = Table(
    "order_keys",
    metadata,
    _text("channel", key=True),
    _text("key", key=True),
    _bytes("request_hash", null=False),
    Column("vote_id", Uuid, nullable=False),
    Column("payment_reference", Uuid, nullable=False),
    _instant("placed_at", null=False),
    _text("receipt"),
    _text("order_code"),
    UniqueConstraint("receipt"),
)
Index("order_keys_order_code", order_keys.c.order_code)

votes = Table(
    "votes",
    metadata,
    Column("id", Uuid, primary_key=True),
    _instant("placed_at", null=False, key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), nullable=False),
    _text("channel"),
    _text("language"),
    _number("quantity", big=False),
    _number("price_minor"),
    _number("amount_minor"),
    _text("currency"),
    _bytes("voter_index"),
    _bytes("voter_cipher"),
    _text("receipt"),
    postgresql_partition_by="RANGE (placed_at)",
)
Index("votes_of_voter", votes.c.voter_index, desc(votes.c.placed_at), postgresql_where=votes.c.voter_index.is_not(None))

payments = Table(
    "payments",
    metadata,
    Column("reference", Uuid, primary_key=True),
    _instant("placed_at", null=False, key=True),
    Column("vote_id", Uuid, nullable=False),
    Column("contest_id", Uuid, nullable=False),
    _text("provider"),
    _text("method"),
    _text("country"),
    _number("amount_minor"),
    _text("currency"),
    _text("status", default="created"),
    _bytes("payer_index", null=False),
    _bytes("payer_cipher", null=False),
    _text("base_url", null=True),
    _text("provider_reference", null=True),
    _bytes("secrets_cipher"),
    Column("accepted", Boolean, nullable=False, server_default=text("false")),
    _number("send_tries", default="0", big=False),
    _number("checks", default="0", big=False),
    _number("not_found_count", default="0", big=False),
    _instant("not_found_since"),
    _instant("next_check_at"),
    _instant("hinted_at"),
    _instant("asked_at"),
    _instant("expires_at", null=False),
    _instant("sent_at"),
    _instant("confirmed_at"),
    _instant("settled_at"),
    _number("received_minor", null=True),
    _text("received_currency", null=True),
    _text("reason", null=True),
    _text("reason_code", null=True),
    postgresql_partition_by="RANGE (placed_at)",
)
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
Index("payments_to_settle", payments.c.contest_id, payments.c.reference, postgresql_where=text("status = 'confirmed'"))
Index(
    "payments_prompting",
    payments.c.payer_index,
    payments.c.provider,
    postgresql_where=text("status in ('sent','pending')"),
)
Index("payments_to_give_back", payments.c.reference, postgresql_where=text("status in ('surplus','mismatched')"))
Index("payments_of_payer", payments.c.payer_index, desc(payments.c.placed_at))

payment_events = Table(
    "payment_events",
    metadata,
    _counter(),
    Column("reference", Uuid, nullable=False),
    _text("from_status", null=True),
    _text("to_status"),
    _text("seen"),
    _text("actor"),
    _text("detail", null=True),
    _instant("at", null=False, default="clock_timestamp()"),
)
Index("payment_events_story", payment_events.c.reference, payment_events.c.id)

evidence = Table(
    "evidence",
    metadata,
    _counter(),
    Column("reference", Uuid, nullable=False),
    _text("word"),
    _text("source"),
    _number("amount_minor", null=True),
    _text("currency", null=True),
    _text("provider_reference", null=True),
    _text("raw"),
    _instant("seen_at", null=False, default="clock_timestamp()"),
)
Index("evidence_of_payment", evidence.c.reference)

callbacks = Table(
    "callbacks",
    metadata,
    _counter(),
    _instant("received_at", null=False, default="now()", key=True),
    _text("provider"),
    Column("payment_reference", Uuid),
    _text("method"),
    Column("headers", JSONB, nullable=False),
    _bytes("body", null=False),
    _bytes("body_hash", null=False),
    _text("remote"),
    _instant("handled_at"),
    _text("outcome", null=True),
    postgresql_partition_by="RANGE (received_at)",
)
Index("callbacks_due", callbacks.c.id, postgresql_where=text("handled_at is null"))
Index("callbacks_of_payment", callbacks.c.payment_reference, postgresql_where=text("payment_reference is not null"))

tally_entries = Table(
    "tally_entries",
    metadata,
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _text("kind"),
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), nullable=False),
    _number("quantity"),
    _number("amount_minor"),
    Column("payment_reference", Uuid),
    _text("receipt", null=True),
    Column("ledger_tx", Uuid, nullable=False),
    _text("reason", null=True),
    _instant("counted_at", null=False, default="now()"),
)
Index("tally_entries_once", tally_entries.c.payment_reference, unique=True, postgresql_where=text("kind = 'vote'"))
Index("tally_entries_receipt", tally_entries.c.receipt, unique=True, postgresql_where=text("kind = 'vote'"))

postings = Table(
    "postings",
    metadata,
    _counter(),
    Column("tx", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    _text("provider"),
    _text("account"),
    _text("currency"),
    _number("amount_minor"),
    _text("memo"),
    _instant("at", null=False, default="now()"),
)
Index("postings_tx", postings.c.tx)
Index("postings_account", postings.c.contest_id, postings.c.account)

refunds = Table(
    "refunds",
    metadata,
    Column("reference", Uuid, primary_key=True),
    Column("payment_reference", Uuid, nullable=False),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    _number("amount_minor"),
    _text("currency"),
    _text("reason"),
    _text("status", default="due"),
    _instant("created_at", null=False, default="now()"),
)
Index("refunds_once", refunds.c.payment_reference, unique=True, postgresql_where=text("status <> 'void'"))

messages_out = Table(
    "messages_out",
    metadata,
    Column("id", Uuid, primary_key=True),
    _text("kind"),
    _text("key"),
    Column("payment_reference", Uuid),
    _bytes("recipient_index"),
    _bytes("recipient_cipher"),
    _text("language"),
    Column("params", JSONB, nullable=False),
    _text("status", default="due"),
    _number("attempts", default="0", big=False),
    _instant("next_try_at", default="now()"),
    _text("carrier", null=True),
    _text("carrier_message_id", null=True),
    _number("parts", null=True, big=False),
    _text("cost", null=True),
    _text("last_error", null=True),
    _text("delivery_status", null=True),
    _instant("delivery_at"),
    _instant("created_at", null=False, default="now()"),
    _instant("sent_at"),
    UniqueConstraint("kind", "key"),
)
Index(
    "messages_out_due",
    messages_out.c.next_try_at,
    postgresql_where=text("status in ('due','sending','unknown') and next_try_at is not null"),
)
Index(
    "messages_out_carrier_id",
    messages_out.c.carrier,
    messages_out.c.carrier_message_id,
    postgresql_where=text("carrier_message_id is not null"),
)
Index(
    "messages_out_of_payment",
    messages_out.c.payment_reference,
    postgresql_where=text("payment_reference is not null"),
)

messages_in = Table(
    "messages_in",
    metadata,
    _text("carrier", key=True),
    _text("carrier_id", key=True),
    _instant("received_at", null=False, default="now()"),
    _bytes("sender_index", null=False),
    _bytes("sender_cipher", null=False),
    _text("recipient"),
    _text("text"),
    _bytes("text_hash", null=False),
    _text("network", null=True),
    _instant("handled_at"),
    _text("outcome", null=True),
)
Index("messages_in_due", messages_in.c.received_at, postgresql_where=text("handled_at is null"))
Index(
    "messages_in_same",
    messages_in.c.sender_index,
    messages_in.c.recipient,
    messages_in.c.text_hash,
    messages_in.c.received_at,
)

delivery_reports = Table(
    "delivery_reports",
    metadata,
    _counter(),
    _text("carrier"),
    _text("carrier_message_id"),
    _text("status"),
    _text("failure", null=True),
    _bytes("phone_index"),
    _instant("received_at", null=False, default="now()"),
)
Index("delivery_reports_message", delivery_reports.c.carrier, delivery_reports.c.carrier_message_id)
Index("delivery_reports_phone", delivery_reports.c.phone_index, delivery_reports.c.received_at)

text_opt_outs = Table(
    "text_opt_outs",
    metadata,
    _bytes("phone_index", null=False, key=True),
    _instant("since", null=False, default="now()"),
)

audit_log = Table(
    "audit_log",
    metadata,
    _counter(),
    _instant("at", null=False, default="now()"),
    _text("actor"),
    _text("act"),
    _text("subject"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
)
