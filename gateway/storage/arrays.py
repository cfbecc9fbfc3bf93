"""Many rows in one statement: columns travel as arrays and are joined as a table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Columns = Sequence[tuple[str, str]]


def unnest(columns: Columns, alias: str = "a") -> str:
    """`unnest(cast(:x as uuid[]), …) as a(x, …)`, for columns of (name, PostgreSQL type)."""
    casts = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in columns)
    return f"unnest({casts}) as {alias}({', '.join(name for name, _ in columns)})"


def arrays(columns: Columns, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The parameters of `unnest`: one list a column."""
    held = list(rows)
    return {name: [row[name] for row in held] for name, _ in columns}
