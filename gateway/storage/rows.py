"""Many rows in one statement: they travel as one JSON document and are joined as a table.

Against an array a column, the driver writes it in a tenth of the time and PostgreSQL reads it faster.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

Columns = Sequence[tuple[str, str]]


def recordset(columns: Columns, alias: str = "a") -> str:
    """The document as a table, for columns of (name, PostgreSQL type), in the order of the rows."""
    typed = ", ".join(f"{name} {kind}" for name, kind in columns)
    return f"json_to_recordset(cast(:rows as json)) as {alias}({typed})"


def document(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The parameter of `recordset`. Values may be bytes, UUIDs and instants with a time zone."""
    return {"rows": orjson.dumps(list(rows), default=_plain).decode()}


def line(row: Mapping[str, Any]) -> bytes:
    """One row as JSON, which `document` takes again once it is read."""
    return orjson.dumps(row, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, UUID):  # the driver's own kind, which orjson does not know
        return str(value)
    raise TypeError(f"no column holds a {type(value).__name__}")
