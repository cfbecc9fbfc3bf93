"""Contests with their candidates, orders, votes, and the tally that counts them."""

from sqlalchemy import (
    BigInteger,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from gateway.storage.schema.columns import binary, integer, metadata, one_of, string, timestamp

organisers = Table(
    "organisers",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("slug"),
    string("name"),
    timestamp("created_at", null=False, default="now()"),
    timestamp("frozen_at"),
    string("frozen_reason", null=True),
    UniqueConstraint("slug"),
)

contests = Table(
    "contests",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organiser_id", Uuid, ForeignKey("organisers.id"), nullable=False),
    string("slug"),
    string("name"),
    string("country"),
    string("currency"),
    integer("price_minor"),
    timestamp("opens_at", null=False),
    timestamp("closes_at", null=False),
    integer("late_seconds", default="600", big=False),
    integer("quantity_max", default="10000", big=False),
    string("service_code"),
    string("short_code"),
    string("keyword"),
    string("language", default="fr"),
    integer("version", default="1", big=False),
    timestamp("created_at", null=False, default="now()"),
    Column("check_digits", Boolean, nullable=False, server_default=text("false")),
    Column("packs", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
    Column("rules", JSONB, nullable=False, server_default=text("'{}'")),
    string("contact", default=""),
    integer("confirm_above", null=True, big=False),
    UniqueConstraint("slug"),
    UniqueConstraint("short_code", "keyword"),
    CheckConstraint("closes_at > opens_at"),
    CheckConstraint("confirm_above > 0"),
    CheckConstraint("country ~ '^[A-Z]{2}$'"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'"),
    CheckConstraint("late_seconds >= 0"),
    CheckConstraint("0 < all (packs)"),
    CheckConstraint("price_minor > 0"),
    CheckConstraint("quantity_max > 0"),
)
Index("contests_service_code", contests.c.service_code)

candidates = Table(
    "candidates",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    string("code"),
    string("name"),
    string("status"),
    timestamp("created_at", null=False, default="now()"),
    string("photo_url", null=True),
    UniqueConstraint("contest_id", "code"),
    CheckConstraint("code ~ '^[0-9]{2,6}$' and code !~ '^00'"),
    one_of("status", "submitted", "approved", "rejected", "withdrawn"),
)

contest_heads = Table(
    "contest_heads",
    metadata,
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    integer("next_seq", default="1"),
)

candidate_totals = Table(
    "candidate_totals",
    metadata,
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), primary_key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    integer("votes", default="0"),
    integer("amount_minor", default="0"),
)
Index("candidate_totals_ranking", candidate_totals.c.contest_id, desc(candidate_totals.c.votes))

order_keys = Table(
    "order_keys",
    metadata,
    string("channel", key=True),
    string("key", key=True),
    binary("request_hash", null=False),
    Column("vote_id", Uuid, nullable=False),
    Column("payment_reference", Uuid, nullable=False),
    timestamp("placed_at", null=False),
    string("receipt"),
    string("order_code"),
    UniqueConstraint("receipt"),
)
Index("order_keys_order_code", order_keys.c.order_code)

votes = Table(
    "votes",
    metadata,
    Column("id", Uuid, primary_key=True),
    timestamp("placed_at", null=False, key=True),
    Column("contest_id", Uuid, ForeignKey("contests.id"), nullable=False),
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), nullable=False),
    string("channel"),
    string("language"),
    integer("quantity", big=False),
    integer("price_minor"),
    integer("amount_minor"),
    string("currency"),
    binary("voter_index"),
    binary("voter_cipher"),
    string("receipt"),
    integer("chat_id", null=True),
    CheckConstraint("amount_minor = quantity * price_minor"),
    CheckConstraint("(voter_index is null) = (voter_cipher is null)"),
    CheckConstraint("quantity > 0"),
    postgresql_partition_by="RANGE (placed_at)",
)
Index("votes_of_chat", votes.c.chat_id, desc(votes.c.placed_at), postgresql_where=votes.c.chat_id.is_not(None))
Index("votes_of_voter", votes.c.voter_index, desc(votes.c.placed_at), postgresql_where=votes.c.voter_index.is_not(None))

tally_entries = Table(
    "tally_entries",
    metadata,
    Column("contest_id", Uuid, ForeignKey("contests.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    string("kind"),
    Column("candidate_id", Uuid, ForeignKey("candidates.id"), nullable=False),
    integer("quantity"),
    integer("amount_minor"),
    Column("payment_reference", Uuid),
    string("receipt", null=True),
    Column("ledger_tx", Uuid, nullable=False),
    string("reason", null=True),
    timestamp("counted_at", null=False, default="now()"),
    integer("adjusts", null=True),
    one_of("kind", "vote", "adjustment"),
    CheckConstraint("(kind = 'vote') = (payment_reference is not null and reason is null)"),
    CheckConstraint("(kind = 'adjustment') = (adjusts is not null)", name="tally_entries_adjustment"),
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
