"""The workbook of a month: tables with a chart each."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from admin.exports.month import Booked, Month
from admin.exports.tables import Written
from admin.figures.store import Sums
from gateway.values.money import EXPONENTS, Money

# Nothing that somebody wrote becomes a formula or a link.
_OPTIONS: Final = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_SUMS: Final = ("orders", "paid", "votes", "amount")
_OF_DAY: Final = (*_SUMS, "fees", "refunded")
_CHART: Final = {"width": 760, "height": 340}

Word = Callable[[str, str], str]


class _Book:
    """A workbook that is being written."""

    def __init__(self, month: Month, by: Written) -> None:
        self.out = io.BytesIO()
        self.book = xlsxwriter.Workbook(self.out, _OPTIONS)
        self._by = by
        self._currency = month.contest.price.currency
        decimals = EXPONENTS[self._currency]
        self._head = self.book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._title = self.book.add_format({"bold": True, "font_size": 16})
        self._count = self.book.add_format({"num_format": "#,##0"})
        self._sum = self.book.add_format({"num_format": "#,##0", "bold": True, "top": 1})
        self._money = self.book.add_format({"num_format": "#,##0" + ("." + "0" * decimals if decimals else "")})
        self._moneys = self.book.add_format(
            {"num_format": "#,##0" + ("." + "0" * decimals if decimals else ""), "bold": True, "top": 1}
        )
        self._bold = self.book.add_format({"bold": True, "top": 1})

    def say(self, name: str) -> str:
        return self._by.word("admin_month", name)

    def amount(self, minor: int) -> float | int:
        """As a number of a cell: whole where the currency has no smaller unit."""
        plain = Money(minor, self._currency).plain()
        return float(plain) if "." in plain else int(plain)

    def heading(self, name: str) -> str:
        """What a column is called; money with its currency."""
        words = self.say(name)
        return f"{words} ({self._currency})" if name in _MONEY else words

    def sheet(self, name: str) -> Worksheet:
        made = self.book.add_worksheet(self.say(f"sheet_{name}"))
        made.set_column(0, 0, 30)
        made.set_column(1, 8, 16)
        made.set_landscape()
        made.fit_to_pages(1, 0)
        return made

    def table(
        self, sheet: Worksheet, first: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]
    ) -> None:
        """A table with its sums, which are formulas with their values."""
        sheet.freeze_panes(1, 1)
        sheet.write_row(0, 0, [self.say(first), *map(self.heading, columns)], self._head)
        for place, (name, values) in enumerate(rows, start=1):
            sheet.write_string(place, 0, name)
            for column, (what, value) in enumerate(zip(columns, values, strict=True), start=1):
                money = what in _MONEY
                shown = self.amount(value) if money else value
                sheet.write_number(place, column, shown, self._money if money else self._count)
        last = len(rows) + 1
        sheet.write_string(last, 0, self.say("total"), self._bold)
        for column, what in enumerate(columns, start=1):
            letter, total = chr(ord("A") + column), sum(values[column - 1] for _, values in rows)
            money = what in _MONEY
            sheet.write_formula(
                last,
                column,
                f"=SUM({letter}2:{letter}{max(last, 2)})" if rows else "=0",
                self._moneys if money else self._sum,
                self.amount(total) if money else total,
            )

    def chart(self, sheet: Worksheet, kind: str, name: str, column: int, rows: int) -> None:
        """A chart of a column, beside the table."""
        if not rows:
            return
        made: Any = self.book.add_chart({"type": kind})
        place = sheet.get_name()
        made.add_series(
            {
                "name": [place, 0, column],
                "categories": [place, 1, 0, rows, 0],
                "values": [place, 1, column, rows, column],
                "fill": {"color": "#5b21b6"},
            }
        )
        made.set_title({"name": name})
        made.set_legend({"none": True})
        made.set_size(_CHART)
        sheet.insert_chart(rows + 3, 0, made)

    def summary(self, month: Month, person: str, at: str) -> None:
        """What the month came to, beside the book, and who made the file when."""
        sheet, total, booked = self.sheet("summary"), month.total, month.booked
        sheet.write_string(0, 0, f"{month.contest.name}, {month.first:%m/%Y}", self._title)
        lines: list[tuple[str, int]] = [
            *((name, getattr(total, name)) for name in _SUMS),
            ("fees", booked.fees),
            ("to_organiser", booked.sales - booked.fees),
            ("refunded", booked.refunded),
            ("booked", booked.sales),
            ("difference", total.amount - booked.sales),
        ]
        for place, (name, value) in enumerate(lines, start=2):
            money = name in _MONEY
            sheet.write_string(place, 0, self.heading(name))
            sheet.write_number(place, 1, self.amount(value) if money else value, self._money if money else self._count)
        note = len(lines) + 3
        sheet.write_string(note, 0, self.say("note"))
        sheet.write_string(note + 1, 0, self.say("made").format(who=person, at=at, zone=month.contest.time_zone))


_MONEY: Final = frozenset({"amount", "fees", "refunded", "to_organiser", "booked", "difference"})


def workbook(month: Month, by: Written, person: str, at: str) -> bytes:
    """The file. `person`, `at`: who made it, and when."""
    made = _Book(month, by)
    made.summary(month, person, at)
    days = made.sheet("days")
    made.table(days, "day", _OF_DAY, [(day.isoformat(), _of_day(sums, booked)) for day, sums, booked in month.days])
    made.chart(days, "column", made.say("votes_by_day"), 1 + _OF_DAY.index("votes"), len(month.days))
    people = {person.code: person.called for person in month.contest.candidates}
    names: dict[str, Callable[[str], str]] = {
        "method": lambda key: by.word("admin_method", key),
        "channel": lambda key: by.word("admin_channel", key),
        "candidate": lambda key: people.get(key, key),
    }
    for part, named in names.items():
        sheet = made.sheet(part)
        ordered = sorted(month.parts[part].items(), key=lambda item: (-item[1].votes, item[0]))
        made.table(sheet, part, _SUMS, [(named(key), _of(sums)) for key, sums in ordered])
        made.chart(sheet, "bar", made.say(f"votes_by_{part}"), 1 + _SUMS.index("votes"), len(ordered))
    made.book.close()
    return made.out.getvalue()


def _of(sums: Sums) -> list[int]:
    return [getattr(sums, name) for name in _SUMS]


def _of_day(sums: Sums, booked: Booked) -> list[int]:
    return [*_of(sums), booked.fees, booked.refunded]
