"""The book: balances and trial balance at an instant, and the journal as a file."""

from datetime import UTC, datetime

from aiohttp import hdrs, web

from admin.access.guard import Me, page, query_of, say, show
from admin.services import PAYMENTS
from channels.voting_service import VOTING_SERVICE
from gateway.values.money import Money
from payments.ledger.book import TrialLine, journal_csv
from payments.ledger.postings import VOTES
from payments.requests import Right


def read_instant(typed: str) -> datetime | None:
    """An instant as a page's field or a program writes it; without a zone, UTC. ValueError."""
    if not typed:
        return None
    at = datetime.fromisoformat(typed)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _sides(line: TrialLine) -> tuple[int, int, int]:
    return line.debit_minor, line.credit_minor, line.balance_minor


def _amount(minor: int, currency: str) -> Money | int:
    return minor if currency == VOTES else Money(minor, currency)


@page(Right.READ_MONEY)
async def ledger(request: web.Request, me: Me) -> web.StreamResponse:
    """What every account holds, and whether the book balances."""
    book, query = request.app[PAYMENTS].book, query_of(request)
    contest = query.get("contest", "")
    try:
        at = read_instant(query.get("at", ""))
        balances = await book.balances(at=at, contest=contest or None)
        trial = await book.trial(at=at)
    except ValueError:
        return say(request, 400, "bad_instant", me)
    left: dict[str, int] = {}
    for line in trial:
        left[line.currency] = left.get(line.currency, 0) + line.balance_minor
    return show(
        request,
        me,
        "admin_ledger.html",
        contests=request.app[VOTING_SERVICE].contests(),
        contest=contest,
        at=query.get("at", ""),
        balances=[(b.contest, b.provider, b.account, _amount(b.amount_minor, b.currency)) for b in balances],
        trial=[
            (line.currency, line.account, *(_amount(minor, line.currency) for minor in _sides(line))) for line in trial
        ],
        odd=sorted(currency for currency, minor in left.items() if minor),
    )


@page(Right.READ_MONEY)
async def journal(request: web.Request, me: Me) -> web.StreamResponse:
    """Every leg of the book as CSV, as long as it is."""
    book, query = request.app[PAYMENTS].book, query_of(request)
    contest = query.get("contest") or None
    try:
        at = read_instant(query.get("at", ""))
        lines = journal_csv(book, at=at, contest=contest)
        parts = [await anext(lines), await anext(lines, "")]
    except ValueError:
        return say(request, 400, "bad_instant", me)
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
    """Serve them. The application needs ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get("/admin/ledger", ledger)
    app.router.add_get("/admin/ledger/journal.csv", journal)
