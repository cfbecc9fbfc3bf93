"""The book, by page and by API: balances and trial balance at an instant, and the journal as a file."""

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Me, page, query_of, show
from admin.access.moment import contests_of
from admin.answers import AsOf, model_of, staff_endpoint
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.values.money import Money
from payments.ledger.book import unbalanced
from payments.ledger.postings import VOTES
from payments.requests import Right


class OfBook(AsOf):
    """Of what, and as of when."""

    contest: Line | None = Field(None, max_length=100)


class Balance(ApiModel):
    """What one account holds; debits are positive. The currency may be VOTES."""

    contest: str | None
    provider: str
    account: str
    amount: int = Field(validation_alias="amount_minor")
    currency: str


class Balances(ApiModel):
    """Everything that is not zero."""

    balances: list[Balance]


class TrialLine(ApiModel):
    """Both sides of one account."""

    account: str
    currency: str
    debit: int = Field(validation_alias="debit_minor")
    credit: int = Field(validation_alias="credit_minor")
    balance: int = Field(validation_alias="balance_minor")


class Trial(ApiModel):
    """The trial balance."""

    lines: list[TrialLine]
    balances: bool


class OrganiserPath(InputModel):
    """The organiser that is meant."""

    organiser: Line = Field(max_length=100)


@staff_endpoint(Right.READ_MONEY, query=OfBook, returns={200: Balances}, problems=(404,))
async def balances(request: web.Request, me: Me, *, query: OfBook) -> Reply:
    """Tell what every account of the book holds."""
    lines = await request.app[PAYMENTS].book.balances(me.scope, at=query.as_of, contest=query.contest)
    return Reply(200, Balances(balances=[model_of(Balance, line) for line in lines]))


@staff_endpoint(Right.READ_BOOK, query=OfBook, returns={200: Trial})
async def trial(request: web.Request, _: Me, *, query: OfBook) -> Reply:
    """Tell the trial balance."""
    lines = await request.app[PAYMENTS].book.trial(at=query.as_of)
    return Reply(200, Trial(lines=[model_of(TrialLine, line) for line in lines], balances=not unbalanced(lines)))


def _amount(minor: int, currency: str) -> Money | int:
    return minor if currency == VOTES else Money(minor, currency)


@page(Right.READ_MONEY)
async def ledger(request: web.Request, me: Me) -> web.StreamResponse:
    """What every account holds, and whether the book balances."""
    book, query = request.app[PAYMENTS].book, query_of(request)
    contest = query.get("contest", "")
    held = await book.balances(me.scope, at=me.as_of, contest=contest or None)
    lines = await book.trial(at=me.as_of) if me.may(Right.READ_BOOK) else []
    return show(
        request,
        me,
        "admin_ledger.html",
        contests=contests_of(request, me.scope),
        contest=contest,
        balances=[(b.contest, b.provider, b.account, _amount(b.amount_minor, b.currency)) for b in held],
        trial=[
            (
                line.currency,
                line.account,
                _amount(line.debit_minor, line.currency),
                _amount(line.credit_minor, line.currency),
                _amount(line.balance_minor, line.currency),
            )
            for line in lines
        ],
        odd=sorted(unbalanced(lines)),
    )


@page(Right.READ_MONEY)
async def journal(request: web.Request, me: Me) -> web.StreamResponse:
    """Every leg of the book as CSV, as long as it is."""
    book, query = request.app[PAYMENTS].book, query_of(request)
    contest = query.get("contest") or None
    lines = book.journal_csv(me.scope, at=me.as_of, contest=contest)
    parts = [await anext(lines), await anext(lines, "")]
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/csv; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="spotlight-{contest or "all"}-journal.csv"',
            hdrs.CACHE_CONTROL: "no-store",
        }
    )
    await response.prepare(request)
    for part in parts:
        await response.write(part.encode())
    async for line in lines:
        await response.write(line.encode())
    await response.write_eof()
    return response


def setup(app: web.Application) -> None:
    """Serve them. The application needs PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get("/api/admin/balances", balances)
    app.router.add_get("/api/admin/trial", trial)
    app.router.add_get("/admin/ledger", ledger)
    app.router.add_get("/admin/ledger/journal.csv", journal)
