"""Kinds of columns that the tables share."""

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Integer, LargeBinary, MetaData, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()


def instant(name: str, *, null: bool = True, default: str | None = None, key: bool = False) -> Column[Any]:
    """An instant, UTC."""
    server_default = text(default) if default else None
    return Column(name, TIMESTAMP(timezone=True), nullable=null, server_default=server_default, primary_key=key)


def words(name: str, *, null: bool = False, default: str | None = None, key: bool = False) -> Column[Any]:
    """Text."""
    return Column(name, Text, nullable=null, server_default=default, primary_key=key)


def number(name: str, *, null: bool = False, default: str | None = None, big: bool = True) -> Column[Any]:
    """An integer; amounts are minor units."""
    return Column(
        name, BigInteger if big else Integer, nullable=null, server_default=text(default) if default else None
    )


def raw(name: str, *, null: bool = True, key: bool = False) -> Column[Any]:
    """Bytes: hashes, ciphers, bodies."""
    return Column(name, LargeBinary, nullable=null, primary_key=key)


def counter(*, key: bool = True) -> Column[Any]:
    """An identity column."""
    return Column("id", BigInteger, Identity(always=True), primary_key=key)
