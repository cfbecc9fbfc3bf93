"""Files as rows: separators, encodings, line numbers, and files that are none."""

import io
import zipfile
from collections.abc import Callable

import pytest
from openpyxl import Workbook

from gateway.values.tables import WINDOWS, Row, TableFault, TableUnreadable, rows_of

MIB = 1 << 20


def rows(data: bytes, encoding: str | None = None) -> list[tuple[int, Row]]:
    return list(rows_of(data, size_max=10 * MIB, encoding=encoding))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator: str) -> None:
    data = f"code{separator}name\r\n01{separator}Koné\r\n".encode()
    assert rows(data) == [(1, ("code", "name")), (2, ("01", "Koné"))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_needs_no_word_about_it(encoding: str) -> None:
    assert rows("nom\nKoné\n".encode(encoding))[1] == (2, ("Koné",))


def test_another_encoding_must_be_named() -> None:
    data = "nom\nKoné\n".encode(WINDOWS)
    with pytest.raises(TableUnreadable) as refused:
        rows(data)
    assert refused.value.fault is TableFault.NOT_UTF8
    assert rows(data, WINDOWS)[1] == (2, ("Koné",))


def test_a_row_has_the_number_of_the_line_on_which_it_begins() -> None:
    data = b'name,text\n\nAwa,"one\ntwo"\n,\nYao,"a ""quoted"" word"\n'
    assert rows(data) == [(1, ("name", "text")), (3, ("Awa", "one\ntwo")), (6, ("Yao", 'a "quoted" word'))]


def test_the_rows_of_the_first_sheet() -> None:
    book, file = Workbook(), io.BytesIO()
    for row in (("code", "name"), (None, None), (7, "Awa")):
        book.active.append(row)
    book.create_sheet().append(("other",))
    book.save(file)
    assert [(number, row[:2]) for number, row in rows(file.getvalue())] == [(1, ("code", "name")), (3, (7, "Awa"))]


def zipped(unpacked: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * unpacked)
    return file.getvalue()


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (lambda: b"x" * (10 * MIB + 1), TableFault.TOO_LARGE),
        (lambda: b"\xd0\xcf\x11\xe0" + b"x" * 100, TableFault.OLD_EXCEL),
        (lambda: b"a\x00b", TableFault.NOT_TEXT),
        (lambda: b'"' + b"x" * 200_000, TableFault.NOT_CSV),
        (lambda: b"PK\x03\x04" + b"x" * 100, TableFault.NOT_XLSX),
        (lambda: zipped(100), TableFault.NOT_XLSX),
        (lambda: zipped(101 * MIB), TableFault.UNPACKS_TOO_FAR),
        (lambda: zipped(MIB), TableFault.PACKED_TOO_WELL),
    ],
)
def test_a_file_that_is_no_table_is_refused(made: Callable[[], bytes], fault: TableFault) -> None:
    data = made()
    with pytest.raises(TableUnreadable) as refused:
        rows(data)
    assert refused.value.fault is fault
