"""Kinds of columns and constraints that the tables share.

Timestamps are UTC. Amounts are minor units. `*_index` is a keyed hash of a phone number and `*_cipher` the number
encrypted (see `gateway.storage.vault`): no number is stored in clear.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()


def timestamp(name: str, *, null: bool = True, default: str | None = None, key: bool = False) -> Column[Any]:
    """An instant with its zone."""
    server_default = text(default) if default else None
    return Column(name, TIMESTAMP(timezone=True), nullable=null, server_default=server_default, primary_key=key)


def string(name: str, *, null: bool = False, default: str | None = None, key: bool = False) -> Column[Any]:
    """Text of any length."""
    return Column(name, Text, nullable=null, server_default=default, primary_key=key)


def integer(name: str, *, null: bool = False, default: str | None = None, big: bool = True) -> Column[Any]:
    """An integer of 64 bits, or of 32."""
    return Column(
        name, BigInteger if big else Integer, nullable=null, server_default=text(default) if default else None
    )


def binary(name: str, *, null: bool = True, key: bool = False) -> Column[Any]:
    """Bytes: hashes, ciphers, bodies."""
    return Column(name, LargeBinary, nullable=null, primary_key=key)


def identity() -> Column[Any]:
    """The key `id`, which PostgreSQL counts."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def one_of(column: str, *values: str) -> CheckConstraint:
    """A column of text that has one of these values."""
    return CheckConstraint(f"{column} in ({', '.join(repr(value) for value in values)})")


def events_of(noun: str) -> Table:
    """The table of changes of state of a noun: `payment_events`."""
    table = Table(
        f"{noun}_events",
        metadata,
        identity(),
        Column("reference", Uuid, nullable=False),
        string("from_status", null=True),
        string("to_status"),
        string("seen"),
        string("actor"),
        string("detail", null=True),
        timestamp("at", null=False, default="clock_timestamp()"),
    )
    Index(f"{noun}_events_story", table.c.reference, table.c.id)
    return table
