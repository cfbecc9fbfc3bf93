"""Texts to and from voters, dialogues, chats, support tickets."""

from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint

from gateway.storage.schema.columns import (
    binaries,
    checks,
    documents,
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

messages_out = table(
    "messages_out",
    uuids("id", key=True),
    strings("kind", "key", "language"),
    uuids("payment_reference", null=True),
    binaries("recipient_index", "recipient_cipher", null=True),
    documents("params"),
    strings("status", default="due"),
    small_integers("attempts", default="0"),
    timestamps("next_try_at", null=True, default="now()"),
    strings("carrier", "carrier_message_id", "cost", "last_error", "delivery_status", null=True),
    small_integers("parts", null=True),
    timestamps("delivery_at", "sent_at", "purged_at", null=True),
    timestamps("created_at", default="now()"),
    integers("chat_id", null=True),
    binaries("params_cipher", null=True),
    UniqueConstraint("kind", "key"),
    one_of("status", "due", "sending", "sent", "refused", "unknown"),
    CheckConstraint(
        "payment_reference is not null or recipient_cipher is not null or chat_id is not null",
        name="messages_out_addressed",
    ),
    index("messages_out_due", "next_try_at", where="status in ('due','sending','unknown') and next_try_at is not null"),
    index("messages_out_carrier_id", "carrier", "carrier_message_id", where="carrier_message_id is not null"),
    index("messages_out_of_payment", "payment_reference", where="payment_reference is not null"),
    index("messages_out_created", "created_at", where="purged_at is null"),
    # Two delivery reports for each text change no index, if its page has space for them.
    fillfactor=65,
)

messages_in = table(
    "messages_in",
    strings("carrier", "carrier_id", key=True),
    timestamps("received_at", default="now()"),
    binaries("sender_index", "sender_cipher", "text_hash"),
    strings("recipient", "text"),
    strings("network", "outcome", null=True),
    timestamps("handled_at", null=True),
    index("messages_in_received", "received_at"),
    index("messages_in_due", "received_at", where="handled_at is null"),
    index("messages_in_same", "sender_index", "recipient", "text_hash", "received_at"),
)

delivery_reports = table(
    "delivery_reports",
    identity(),
    strings("carrier", "carrier_message_id", "status"),
    strings("failure", null=True),
    binaries("phone_index", null=True),
    timestamps("received_at", default="now()"),
    index("delivery_reports_message", "carrier", "carrier_message_id"),
    index("delivery_reports_phone", "phone_index", "received_at"),
    index("delivery_reports_of_carrier", "carrier", "received_at"),
)

text_opt_outs = table(
    "text_opt_outs",
    binaries("phone_index", key=True),
    timestamps("since", default="now()"),
)

unfinished_dialogues = table(
    "unfinished_dialogues",
    binaries("phone_index", key=True),
    uuids("contest_id", key=True, of="contests.id"),
    binaries("phone_cipher"),
    strings("candidate_code", "language"),
    small_integers("quantity", null=True),
    timestamps("reached_at", default="now()"),
    timestamps("handled_at", null=True),
    strings("outcome", null=True),
    checks("quantity > 0"),
    index("unfinished_dialogues_reached", "reached_at"),
    index("unfinished_dialogues_due", "reached_at", where="handled_at is null"),
)

# How many dialogues came so far within a minute.
dialogue_steps = table(
    "dialogue_steps",
    uuids("contest_id", key=True),
    timestamps("at", key=True),
    strings("step", key=True),
    integers("many"),
    one_of("step", "dialled", "chosen", "confirming"),
)

chosen_languages = table(
    "chosen_languages",
    binaries("phone_index", key=True),
    strings("language"),
    timestamps("chosen_at", default="now()"),
    index("chosen_languages_by_age", "chosen_at"),
)

support_tickets = table(
    "support_tickets",
    identity(),
    uuids("contest_id", of="contests.id"),
    binaries("phone_index", "phone_cipher", null=True),
    uuids("payment_reference", null=True),
    strings("language", "channel", "kind"),
    strings("note", default=""),
    strings("status", default="open"),
    timestamps("opened_at", default="now()"),
    timestamps("closed_at", null=True),
    one_of("status", "open", "closed"),
    CheckConstraint("phone_index is not null or payment_reference is not null", name="support_tickets_whose"),
    index("support_tickets_open_once", "phone_index", "contest_id", "kind", where="status = 'open'", unique=True),
    index(
        "support_tickets_of_payment_once",
        "payment_reference",
        "kind",
        where="status = 'open' and phone_index is null",
        unique=True,
    ),
    index("support_tickets_of_payment", "payment_reference", where="payment_reference is not null"),
)

telegram_updates = table(
    "telegram_updates",
    integers("update_id", key=True),
    integers("chat_id", null=True),
    timestamps("received_at", default="now()"),
    binaries("body_cipher"),
    timestamps("handled_at", null=True),
    strings("outcome", null=True),
    small_integers("tries", default="1"),
    index("telegram_updates_handled", "handled_at", where="handled_at is not null"),
    index("telegram_updates_due", "update_id", where="handled_at is null"),
)

telegram_chats = table(
    "telegram_chats",
    integers("chat_id", key=True),
    integers("user_id"),
    strings("language", null=True),
    uuids("contest_id", "board_contest_id", null=True, of="contests.id"),
    binaries("phone_index", "phone_cipher", "board_hash", null=True),
    timestamps("verified_at", "board_until", "board_edited_at", null=True),
    flags("reachable", default="true"),
    integers("board_message_id", null=True),
    timestamps("created_at", "seen_at", default="now()"),
    checks("(phone_index is null) = (phone_cipher is null)"),
    index("telegram_chats_of_phone", "phone_index", where="phone_index is not null"),
    index("telegram_chats_boards", "board_until", where="board_message_id is not null"),
)


def recipient_place(message_id: UUID) -> str:
    """The place (see `Vault.seal`) of the recipient of a text."""
    return f"messages_out.recipient:{message_id}"


def params_place(message_id: UUID) -> str:
    """The place (see `Vault.seal`) of what a text says that nobody else may read."""
    return f"messages_out.params_cipher:{message_id}"


def sender_place(carrier: str, carrier_id: str) -> str:
    """The place (see `Vault.seal`) of the sender of a text."""
    return f"messages_in.sender:{carrier}:{carrier_id}"
