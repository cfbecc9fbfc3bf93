"""What the tables are written with: columns of a kind by their names, constraints, indexes.

Timestamps are UTC. Amounts are minor units. `*_index` is a keyed hash of a phone number and `*_cipher` the number
encrypted (see `gateway.storage.vault`): no number is stored in clear.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

metadata = MetaData()


def table(
    name: str,
    *parts: SchemaItem | Iterable[SchemaItem],
    partition_by: str | None = None,
    fillfactor: int | None = None,
) -> Table:
    """A table of columns, constraints and indexes, each by itself or several in a list. `partition_by`: a column of
    instants, by whose month rows are kept apart; `fillfactor`: how many hundredths of a page new rows fill."""
    flat = [item for part in parts for item in ([part] if isinstance(part, SchemaItem) else part)]
    return Table(
        name,
        metadata,
        *flat,
        postgresql_partition_by=f"RANGE ({partition_by})" if partition_by else None,
        postgresql_with={"fillfactor": fillfactor} if fillfactor else {},
    )


def _columns(
    kind: "TypeEngine[Any] | type[TypeEngine[Any]]",
    *names: str,
    null: bool = False,
    default: str | None = None,
    key: bool = False,
    of: str | None = None,
) -> list[Column[Any]]:
    """Columns of one kind. `default`: in SQL, of text the text itself; `key`: part of the primary key; `of`: the column
    of another table that they name."""
    return [
        Column(
            name,
            kind,
            *([ForeignKey(of)] if of else ()),
            nullable=null,
            server_default=default if default is None or kind is Text else text(default),
            primary_key=key,
            autoincrement=False,
        )
        for name in names
    ]


strings: Final = partial(_columns, Text)
integers: Final = partial(_columns, BigInteger)
small_integers: Final = partial(_columns, Integer)
timestamps: Final = partial(_columns, TIMESTAMP(timezone=True))
binaries: Final = partial(_columns, LargeBinary)
uuids: Final = partial(_columns, Uuid)
flags: Final = partial(_columns, Boolean)
documents: Final = partial(_columns, JSONB)
number_lists: Final = partial(_columns, ARRAY(Integer))
string_lists: Final = partial(_columns, ARRAY(Text))
big_number_lists: Final = partial(_columns, ARRAY(BigInteger))


def identity() -> Column[Any]:
    """The key `id`, which PostgreSQL counts."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def checks(*conditions: str) -> list[CheckConstraint]:
    """What holds for every row."""
    return [CheckConstraint(condition) for condition in conditions]


def one_of(column: str, *values: str) -> CheckConstraint:
    """A column of text that has one of these values."""
    return CheckConstraint(f"{column} in ({', '.join(repr(value) for value in values)})")


def index(
    name: str, *columns: str, where: str | None = None, unique: bool = False, holds: tuple[str, ...] = ()
) -> Index:
    """An index over columns or expressions in SQL. `where`: of these rows alone; `holds`: columns that are read from it
    without the rows themselves."""
    condition = text(where) if where else None
    return Index(name, *map(text, columns), unique=unique, postgresql_where=condition, postgresql_include=holds or None)


def events_of(noun: str, *indexes: Index) -> Table:
    """The table of changes of state of a noun: `payment_events`."""
    return table(
        f"{noun}_events",
        identity(),
        uuids("reference"),
        strings("to_status", "seen", "actor"),
        strings("from_status", "detail", null=True),
        timestamps("at", default="clock_timestamp()"),
        index(f"{noun}_events_story", "reference", "id"),
        *indexes,
    )
