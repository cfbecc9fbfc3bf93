"""Tables line by line, as they are sent or kept while they are read."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Final

from admin.access.words import operator_of, word_of
from admin.exports.rules import Kind
from admin.exports.tables import MARK, ORDER_COLUMNS, PAYMENT_COLUMNS, Row, Written, order_cells, payment_cells
from admin.orders.filters import OrderFilter
from admin.orders.listed import ListedOrders, OrderLine
from gateway.contests.contest import Contest
from gateway.http.pages import Pages
from gateway.values.csv_text import csv_lines
from gateway.values.scope import Scope
from payments.ledger.book import Book

Lines = AsyncIterator[str]
Count = Callable[[int], None]
"""Called with the number of lines whenever some were made."""
_OF_ORDERS: Final[Mapping[Kind, tuple[tuple[str, ...], Callable[[OrderLine, Written], Row]]]] = {
    Kind.ORDERS: (ORDER_COLUMNS, order_cells),
    Kind.PAYMENTS: (PAYMENT_COLUMNS, payment_cells),
}


def written_in(pages: Pages, language: str, contest: Contest) -> Written:
    """How cells are written in a language."""
    return Written(
        language, contest.time_zone, partial(word_of, pages, language), partial(operator_of, pages, language)
    )


def head(by: Written, columns: tuple[str, ...]) -> str:
    """The first line."""
    return MARK + csv_lines([[by.word("admin_export_column", column) for column in columns]], by.separator)


async def order_lines(
    listed: ListedOrders,
    contest: Contest,
    scope: Scope,
    kind: Kind,
    wanted: OrderFilter,
    by: Written,
    *,
    whole: bool,
    count: Count = lambda _: None,
) -> Lines:
    """Orders or their payments. `whole`: with whole numbers. Raises ActRefused where the filter names an unknown
    candidate."""
    columns, cells = _OF_ORDERS[kind]
    yield head(by, columns)
    async for part in listed.each(contest, scope, wanted, whole=whole):
        yield csv_lines((cells(line, by) for line in part), by.separator)
        count(len(part))


async def journal_lines(
    book: Book, contest: Contest, scope: Scope, wanted: OrderFilter, by: Written, *, count: Count = lambda _: None
) -> Lines:
    """The journal of the book of a contest, as of the moment of a filter."""
    legs = book.journal_csv(scope, at=wanted.as_of, contest=contest.slug, separator=by.separator)
    yield MARK + await anext(legs)
    async for line in legs:
        yield line
        count(1)
