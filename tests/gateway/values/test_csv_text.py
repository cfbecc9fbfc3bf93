"""Cells that a spreadsheet would run, and cells that it should not touch."""

import csv
import io
from datetime import UTC, datetime

import pytest

from gateway.values.csv_text import csv_line


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("plain", "plain"),
        ('a, "b"', 'a, "b"'),
        ("=1+1", "'=1+1"),
        ("+225", "'+225"),
        ("-5", "'-5"),
        ("@x", "'@x"),
        ("\t=1", "'\t=1"),
        ("\r\n=1", "'\r\n=1"),
        ("＝1", "'＝1"),
        (-5, "-5"),
        (None, ""),
        (datetime(2026, 11, 21, 8, tzinfo=UTC), "2026-11-21T08:00:00+00:00"),
    ],
)
def test_a_cell(cell: object, written: str) -> None:
    line = csv_line((cell, "end"))  # type: ignore[arg-type] # every kind in turn
    assert next(csv.reader(io.StringIO(line, newline=""))) == [written, "end"]
