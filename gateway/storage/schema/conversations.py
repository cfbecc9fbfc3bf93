"""Texts to and from voters, dialogues, chats, support tickets."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.storage.schema.columns import binary, identity, integer, metadata, one_of, string, timestamp

messages_out = Table(
    "messages_out",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("kind"),
    string("key"),
    Column("payment_reference", Uuid),
    binary("recipient_index"),
    binary("recipient_cipher"),
    string("language"),
    Column("params", JSONB, nullable=False),
    string("status", default="due"),
    integer("attempts", default="0", big=False),
    timestamp("next_try_at", default="now()"),
    string("carrier", null=True),
    string("carrier_message_id", null=True),
    integer("parts", null=True, big=False),
    string("cost", null=True),
    string("last_error", null=True),
    string("delivery_status", null=True),
    timestamp("delivery_at"),
    timestamp("created_at", null=False, default="now()"),
    timestamp("sent_at"),
    integer("chat_id", null=True),
    timestamp("purged_at"),
    UniqueConstraint("kind", "key"),
    one_of("status", "due", "sending", "sent", "refused", "unknown"),
    CheckConstraint(
        "payment_reference is not null or recipient_cipher is not null or chat_id is not null",
        name="messages_out_addressed",
    ),
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
Index("messages_out_created", messages_out.c.created_at, postgresql_where=text("purged_at is null"))

messages_in = Table(
    "messages_in",
    metadata,
    string("carrier", key=True),
    string("carrier_id", key=True),
    timestamp("received_at", null=False, default="now()"),
    binary("sender_index", null=False),
    binary("sender_cipher", null=False),
    string("recipient"),
    string("text"),
    binary("text_hash", null=False),
    string("network", null=True),
    timestamp("handled_at"),
    string("outcome", null=True),
)
Index("messages_in_received", messages_in.c.received_at)
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
    identity(),
    string("carrier"),
    string("carrier_message_id"),
    string("status"),
    string("failure", null=True),
    binary("phone_index"),
    timestamp("received_at", null=False, default="now()"),
)
Index("delivery_reports_message", delivery_reports.c.carrier, delivery_reports.c.carrier_message_id)
Index("delivery_reports_phone", delivery_reports.c.phone_index, delivery_reports.c.received_at)
Index("delivery_reports_of_carrier", delivery_reports.c.carrier, delivery_reports.c.received_at)

text_opt_outs = Table(
    "text_opt_outs",
    metadata,
    binary("phone_index", null=False, key=True),
    timestamp("since", null=False, default="now()"),
)

unfinished_dialogues = Table(
    "unfinished_dialogues",
    metadata,
    binary("phone_index", null=False, key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    binary("phone_cipher", null=False),
    string("candidate_code"),
    integer("quantity", null=True, big=False),
    string("language"),
    timestamp("reached_at", null=False, default="now()"),
    timestamp("handled_at"),
    string("outcome", null=True),
    CheckConstraint("quantity > 0"),
)
Index("unfinished_dialogues_reached", unfinished_dialogues.c.reached_at)
Index("unfinished_dialogues_due", unfinished_dialogues.c.reached_at, postgresql_where=text("handled_at is null"))

chosen_languages = Table(
    "chosen_languages",
    metadata,
    binary("phone_index", null=False, key=True),
    string("language"),
    timestamp("chosen_at", null=False, default="now()"),
)
Index("chosen_languages_by_age", chosen_languages.c.chosen_at)

support_tickets = Table(
    "support_tickets",
    metadata,
    identity(),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    binary("phone_index"),
    binary("phone_cipher"),
    Column("payment_reference", Uuid),
    string("language"),
    string("channel"),
    string("kind"),
    string("note", default=""),
    string("status", default="open"),
    timestamp("opened_at", null=False, default="now()"),
    timestamp("closed_at"),
    one_of("status", "open", "closed"),
    CheckConstraint("phone_index is not null or payment_reference is not null", name="support_tickets_whose"),
)
Index(
    "support_tickets_open_once",
    support_tickets.c.phone_index,
    support_tickets.c.contest_id,
    support_tickets.c.kind,
    unique=True,
    postgresql_where=text("status = 'open'"),
)
Index(
    "support_tickets_of_payment_once",
    support_tickets.c.payment_reference,
    support_tickets.c.kind,
    unique=True,
    postgresql_where=text("status = 'open' and phone_index is null"),
)
Index(
    "support_tickets_of_payment",
    support_tickets.c.payment_reference,
    postgresql_where=text("payment_reference is not null"),
)

telegram_updates = Table(
    "telegram_updates",
    metadata,
    Column("update_id", BigInteger, primary_key=True, autoincrement=False),
    integer("chat_id", null=True),
    timestamp("received_at", null=False, default="now()"),
    binary("body_cipher", null=False),
    timestamp("handled_at"),
    string("outcome", null=True),
    integer("tries", default="1", big=False),
)
Index(
    "telegram_updates_handled",
    telegram_updates.c.handled_at,
    postgresql_where=text("handled_at is not null"),
)
Index("telegram_updates_due", telegram_updates.c.update_id, postgresql_where=text("handled_at is null"))

telegram_chats = Table(
    "telegram_chats",
    metadata,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    integer("user_id"),
    string("language", null=True),
    Column("contest_id", Uuid, ForeignKey("contests.id")),
    binary("phone_index"),
    binary("phone_cipher"),
    timestamp("verified_at"),
    Column("reachable", Boolean, nullable=False, server_default=text("true")),
    Column("board_contest_id", Uuid, ForeignKey("contests.id")),
    integer("board_message_id", null=True),
    binary("board_hash"),
    timestamp("board_until"),
    timestamp("board_edited_at"),
    timestamp("created_at", null=False, default="now()"),
    timestamp("seen_at", null=False, default="now()"),
    CheckConstraint("(phone_index is null) = (phone_cipher is null)"),
)
Index(
    "telegram_chats_of_phone", telegram_chats.c.phone_index, postgresql_where=telegram_chats.c.phone_index.is_not(None)
)
Index(
    "telegram_chats_boards",
    telegram_chats.c.board_until,
    postgresql_where=telegram_chats.c.board_message_id.is_not(None),
)


def recipient_place(message_id: UUID) -> str:
    """The place (see `Vault.seal`) of the recipient of a text."""
    return f"messages_out.recipient:{message_id}"


def sender_place(carrier: str, carrier_id: str) -> str:
    """The place (see `Vault.seal`) of the sender of a text."""
    return f"messages_in.sender:{carrier}:{carrier_id}"
