"""Files as rows of cells: CSV of any usual separator and encoding, and XLSX."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Final

Cell = str | int | float | datetime | date | bool | None
Row = tuple[Cell, ...]

UNPACKED_MAX: Final = 100 << 20
PACKED_RATIO_MAX: Final = 100
_COLUMNS_MAX: Final = 60
_SEPARATORS: Final = (",", ";", "\t", "|")
_XLSX: Final = b"PK\x03\x04"
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
WINDOWS: Final = "cp1252"


class TableFault(StrEnum):
    """Why a file cannot be read as a table."""

    TOO_LARGE = "too_large"
    OLD_EXCEL = "old_excel"
    NOT_TEXT = "not_text"
    NOT_UTF8 = "not_utf8"
    NOT_CSV = "not_csv"
    NOT_XLSX = "not_xlsx"
    UNPACKS_TOO_FAR = "unpacks_too_far"
    PACKED_TOO_WELL = "packed_too_well"


class TableUnreadable(ValueError):
    """A file that is no table; the text gives the reason."""

    def __init__(self, fault: TableFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


def is_xlsx(data: bytes) -> bool:
    """Whether a file is packed as XLSX is."""
    return data.startswith(_XLSX)


def rows_of(data: bytes, *, size_max: int, encoding: str | None = WINDOWS) -> Iterator[tuple[int, Row]]:
    """Rows that are not empty, each with its number from 1: the line of CSV on which it begins, the row of a sheet.
    `encoding`: of text that is not UTF-8; None: there is no other. Raises TableUnreadable."""
    if len(data) > size_max:
        raise TableUnreadable(TableFault.TOO_LARGE, f"larger than {size_max:,} bytes")
    if data.startswith(_OLD_EXCEL):
        raise TableUnreadable(TableFault.OLD_EXCEL, "an old Excel file; save it as XLSX or CSV")
    rows = _xlsx(data) if is_xlsx(data) else _csv(_decoded(data, encoding))
    for number, row in rows:
        if any(cell not in (None, "") for cell in row):
            yield number, row


def _csv(text: str) -> Iterator[tuple[int, Row]]:
    if "\x00" in text[:4096]:
        raise TableUnreadable(TableFault.NOT_TEXT, "neither CSV nor XLSX")
    reader, begins = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text)), 1
    try:
        for row in reader:
            yield begins, tuple(row)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise TableUnreadable(TableFault.NOT_CSV, f"no CSV: {error}") from None


def _decoded(data: bytes, encoding: str | None) -> str:
    if data.startswith(_UTF_16):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if encoding is None:
            raise TableUnreadable(TableFault.NOT_UTF8, "not written in UTF-8") from None
        return data.decode(encoding, "replace")


def _separator(text: str) -> str:
    """The separator that the first lines have most of."""
    head = "\n".join(text.splitlines()[:40])
    return max(_SEPARATORS, key=head.count)


def _xlsx(data: bytes) -> Iterator[tuple[int, Row]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile as error:
        raise TableUnreadable(TableFault.NOT_XLSX, f"no XLSX: {error}") from None
    if unpacked > UNPACKED_MAX:
        raise TableUnreadable(TableFault.UNPACKS_TOO_FAR, f"unpacks to more than {UNPACKED_MAX >> 20} MiB")
    if unpacked > PACKED_RATIO_MAX * len(data):
        raise TableUnreadable(
            TableFault.PACKED_TOO_WELL, f"unpacks to more than {PACKED_RATIO_MAX} times its size; export it again"
        )
    from openpyxl import load_workbook  # a tenth of a second, for few processes

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        yield from enumerate(sheet.iter_rows(max_col=_COLUMNS_MAX, values_only=True), start=1)
    except Exception as error:
        # A foreign file may be broken in as many ways as the library has lines.
        raise TableUnreadable(TableFault.NOT_XLSX, f"no XLSX that can be read ({type(error).__name__})") from error
