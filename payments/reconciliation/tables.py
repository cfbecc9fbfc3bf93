"""Files as rows of cells: CSV of any usual separator and encoding, and XLSX."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from payments.reconciliation.statement_format import StatementUnreadable

Cell = str | int | float | datetime | date | bool | None
Row = tuple[Cell, ...]

SIZE_MAX: Final = 50_000_000
_UNPACKED_MAX: Final = 100 << 20
_PACKED_RATIO_MAX: Final = 100
_COLUMNS_MAX: Final = 60
_SEPARATORS: Final = (",", ";", "\t", "|")
_XLSX: Final = b"PK\x03\x04"
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"


def rows_of(name: str, data: bytes) -> Iterator[tuple[int, Row]]:
    """Rows that are not empty, each with its number from 1. Raises StatementUnreadable."""
    if len(data) > SIZE_MAX:
        raise StatementUnreadable(f"{name}: larger than {SIZE_MAX // 1_000_000} MB; export a shorter time")
    if data.startswith(_OLD_EXCEL):
        raise StatementUnreadable(f"{name}: an old Excel file; save it as XLSX or CSV")
    rows = _xlsx(name, data) if data.startswith(_XLSX) else _csv(name, data)
    for number, row in enumerate(rows, start=1):
        if any(cell not in (None, "") for cell in row):
            yield number, row


def _csv(name: str, data: bytes) -> Iterator[Row]:
    text = _decoded(data)
    if "\x00" in text[:4096]:
        raise StatementUnreadable(f"{name}: neither CSV nor XLSX")
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text)):
            yield tuple(row)
    except csv.Error as error:
        raise StatementUnreadable(f"{name}: no CSV: {error}") from None


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What spreadsheets on French Windows write.
        return data.decode("cp1252", "replace")


def _separator(text: str) -> str:
    """The separator that the first lines have most of."""
    head = "\n".join(text.splitlines()[:40])
    return max(_SEPARATORS, key=head.count)


def _xlsx(name: str, data: bytes) -> Iterator[Row]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile as error:
        raise StatementUnreadable(f"{name}: no XLSX: {error}") from None
    if unpacked > _UNPACKED_MAX:
        raise StatementUnreadable(f"{name}: unpacks to more than {_UNPACKED_MAX >> 20} MiB")
    if unpacked > _PACKED_RATIO_MAX * len(data):
        raise StatementUnreadable(f"{name}: unpacks to more than {_PACKED_RATIO_MAX} times its size; export it again")
    from openpyxl import load_workbook  # a tenth of a second, for few processes

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        yield from sheet.iter_rows(max_col=_COLUMNS_MAX, values_only=True)
    except Exception as error:
        # A foreign file may be broken in as many ways as the library has lines.
        raise StatementUnreadable(f"{name}: no XLSX that can be read ({type(error).__name__})") from error
