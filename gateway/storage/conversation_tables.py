"""What is said to voters and by them: texts, dialogues, chats, support tickets.

See `gateway.storage.tables` for how instants, amounts and phone numbers are held.
"""

from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from gateway.storage.columns import counter, instant, metadata, number, raw, words

messages_out = Table(
    "messages_out",
    metadata,
    Column("id", Uuid, primary_key=True),
    words("kind"),
    words("key"),
    Column("payment_reference", Uuid),
    raw("recipient_index"),
    raw("recipient_cipher"),
    words("language"),
    Column("params", JSONB, nullable=False),
    words("status", default="due"),
    number("attempts", default="0", big=False),
    instant("next_try_at", default="now()"),
    words("carrier", null=True),
    words("carrier_message_id", null=True),
    number("parts", null=True, big=False),
    words("cost", null=True),
    words("last_error", null=True),
    words("delivery_status", null=True),
    instant("delivery_at"),
    instant("created_at", null=False, default="now()"),
    instant("sent_at"),
    number("chat_id", null=True),
    instant("purged_at"),
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
Index("messages_out_created", messages_out.c.created_at, postgresql_where=text("purged_at is null"))

messages_in = Table(
    "messages_in",
    metadata,
    words("carrier", key=True),
    words("carrier_id", key=True),
    instant("received_at", null=False, default="now()"),
    raw("sender_index", null=False),
    raw("sender_cipher", null=False),
    words("recipient"),
    words("text"),
    raw("text_hash", null=False),
    words("network", null=True),
    instant("handled_at"),
    words("outcome", null=True),
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
    counter(),
    words("carrier"),
    words("carrier_message_id"),
    words("status"),
    words("failure", null=True),
    raw("phone_index"),
    instant("received_at", null=False, default="now()"),
)
Index("delivery_reports_message", delivery_reports.c.carrier, delivery_reports.c.carrier_message_id)
Index("delivery_reports_phone", delivery_reports.c.phone_index, delivery_reports.c.received_at)
Index("delivery_reports_of_carrier", delivery_reports.c.carrier, delivery_reports.c.received_at)

text_opt_outs = Table(
    "text_opt_outs",
    metadata,
    raw("phone_index", null=False, key=True),
    instant("since", null=False, default="now()"),
)

unfinished_dialogues = Table(
    "unfinished_dialogues",
    metadata,
    raw("phone_index", null=False, key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    raw("phone_cipher", null=False),
    words("candidate_code"),
    number("quantity", null=True, big=False),
    words("language"),
    instant("reached_at", null=False, default="now()"),
    instant("handled_at"),
    words("outcome", null=True),
)
Index("unfinished_dialogues_reached", unfinished_dialogues.c.reached_at)
Index("unfinished_dialogues_due", unfinished_dialogues.c.reached_at, postgresql_where=text("handled_at is null"))

chosen_languages = Table(
    "chosen_languages",
    metadata,
    raw("phone_index", null=False, key=True),
    words("language"),
    instant("chosen_at", null=False, default="now()"),
)
Index("chosen_languages_by_age", chosen_languages.c.chosen_at)

support_tickets = Table(
    "support_tickets",
    metadata,
    counter(),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    raw("phone_index"),
    raw("phone_cipher"),
    Column("payment_reference", Uuid),
    words("language"),
    words("channel"),
    words("kind"),
    words("note", default=""),
    words("status", default="open"),
    instant("opened_at", null=False, default="now()"),
    instant("closed_at"),
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
    number("chat_id", null=True),
    instant("received_at", null=False, default="now()"),
    raw("body_cipher", null=False),
    instant("handled_at"),
    words("outcome", null=True),
    number("tries", default="1", big=False),
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
    number("user_id"),
    words("language", null=True),
    Column("contest_id", Uuid, ForeignKey("contests.id")),
    raw("phone_index"),
    raw("phone_cipher"),
    instant("verified_at"),
    Column("reachable", Boolean, nullable=False, server_default=text("true")),
    Column("board_contest_id", Uuid, ForeignKey("contests.id")),
    number("board_message_id", null=True),
    raw("board_hash"),
    instant("board_until"),
    instant("board_edited_at"),
    instant("created_at", null=False, default="now()"),
    instant("seen_at", null=False, default="now()"),
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
    """Where the sealed recipient of a text stands."""
    return f"messages_out.recipient:{message_id}"


def sender_place(carrier: str, carrier_id: str) -> str:
    """Where the sealed sender of a text stands."""
    return f"messages_in.sender:{carrier}:{carrier_id}"
