"""Lines of CSV that a spreadsheet may open: no cell of it is taken for a formula."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Final

Cell = str | int | datetime | None

# Source: OWASP, "CSV Injection": what a spreadsheet takes for a formula, at the start of a cell.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_line(cells: Iterable[Cell], separator: str = ",") -> str:
    """One line with its end. Numbers stay numbers, instants are ISO 8601, text that could be read as a
    formula gets an apostrophe before it."""
    return csv_lines([cells], separator)


def csv_lines(rows: Iterable[Iterable[Cell]], separator: str = ",") -> str:
    """Several lines, as `csv_line` writes each."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerows([_plain(cell) for cell in cells] for cells in rows)
    return out.getvalue()


def _plain(cell: Cell) -> str | int:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell
