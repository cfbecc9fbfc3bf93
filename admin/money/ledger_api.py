"""`/api/admin/balances` and `/trial`: the book, for programs."""

from datetime import datetime

from aiohttp import web
from pydantic import Field

from admin.access.guard import Me
from admin.answers import staff_endpoint
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from payments.requests import Right


class Instant(InputModel):
    """Of what, and when."""

    at: datetime | None = Field(None, description="An instant in the past; without it, now.")
    contest: Line | None = Field(None, max_length=100)


class Balance(ApiModel):
    """What one account holds; debits are positive. The currency may be VOTES."""

    contest: str | None
    provider: str
    account: str
    amount: int
    currency: str


class Balances(ApiModel):
    """Everything that is not zero."""

    balances: list[Balance]


class TrialLine(ApiModel):
    """Both sides of one account."""

    account: str
    currency: str
    debit: int
    credit: int
    balance: int


class Trial(ApiModel):
    """The trial balance."""

    lines: list[TrialLine]
    balances: bool


@staff_endpoint(Right.READ_MONEY, query=Instant, returns={200: Balances}, problems=(404,))
async def balances(request: web.Request, _: Me, *, query: Instant) -> Reply:
    """Tell what every account of the book holds."""
    lines = await request.app[PAYMENTS].book.balances(at=query.at, contest=query.contest)
    shown = [
        Balance(contest=b.contest, provider=b.provider, account=b.account, amount=b.amount_minor, currency=b.currency)
        for b in lines
    ]
    return Reply(200, Balances(balances=shown))


@staff_endpoint(Right.READ_MONEY, query=Instant, returns={200: Trial})
async def trial(request: web.Request, _: Me, *, query: Instant) -> Reply:
    """Tell the trial balance."""
    lines = [
        TrialLine(
            account=line.account,
            currency=line.currency,
            debit=line.debit_minor,
            credit=line.credit_minor,
            balance=line.balance_minor,
        )
        for line in await request.app[PAYMENTS].book.trial(at=query.at)
    ]
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.balance
    return Reply(200, Trial(lines=lines, balances=not any(sums.values())))


def setup(app: web.Application) -> None:
    """Serve them. The application needs PAYMENTS."""
    app.router.add_get("/api/admin/balances", balances)
    app.router.add_get("/api/admin/trial", trial)
