"""What organisers are owed and paid, by page and by API."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Me, page, say, show
from admin.access.moment import contests_of
from admin.answers import AsOf, read_id, staff_endpoint
from admin.approvals.api import Request, ask
from admin.money import beneficiaries
from admin.orders.pages import countries_of
from admin.people.people import PEOPLE
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.values.money import Money
from payments.disbursement.payouts.acts import Payout, PositionLine
from payments.disbursement.payouts.beneficiaries import Beneficiary
from payments.disbursement.payouts.rules import is_paid_in
from payments.disbursement.payouts.statement import statement_csv, statement_text
from payments.provider import PaymentProvider
from payments.requests import Act, Right

API: Final = "/api/admin/payouts"
PAGE: Final = "/admin/payouts"


class OfContest(AsOf):
    """Of which contest, and as of when."""

    contest: Line | None = Field(None, max_length=100, description="One contest only, by its slug.")


class Positions(ApiModel):
    """What contests owe."""

    positions: list[PositionLine]


class Payouts(ApiModel):
    """Payouts, the latest first."""

    payouts: list[Payout]


class NewPayout(InputModel):
    """What is to be paid."""

    contest: Line = Field(max_length=100)
    amount_minor: int | None = Field(None, ge=1, lt=10**15, description="Without it, all that is payable.")
    beneficiary: UUID
    reason: Line = Field(max_length=500)


class PayoutPath(InputModel):
    """The payout that is meant."""

    reference: UUID


class Statement(ApiModel):
    """What a payout was made of."""

    text: str = Field(description="For people.")
    csv: str = Field(description="For spreadsheets; amounts are minor units.")


class Finish(InputModel):
    """How a payout ended that the operator gave no clear answer about."""

    end: Literal["done", "failed", "again"]
    operator_reference: Line | None = Field(None, max_length=64, description="For `done`.")
    reason: Line = Field(max_length=500)


@page(Right.READ_MONEY)
async def payouts_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Positions, payouts, beneficiaries, and the forms that ask for more."""
    payments = request.app[PAYMENTS]
    owed = await _positions(request, me, me.as_of)
    names = {one.slug: one.name for one in await request.app[PEOPLE].organisers(me.scope)}
    registered, countries = await payments.beneficiaries.listed(me.scope, at=me.as_of), countries_of(request)
    return show(
        request,
        me,
        "admin_payouts.html",
        usable={position.contest: _usable_for(position, registered) for position in owed},
        positions=owed,
        payouts=await payments.payouts.payouts(me.scope, at=me.as_of),
        beneficiaries=registered,
        accounts=[account for account in payments.accounts if _pays_out(payments.providers[account], countries)],
        countries=countries,
        organisers={position.organiser: names[position.organiser] for position in owed},
        organiser_name=names.get,
        money_of=Money,
    )


def _usable_for(position: PositionLine, registered: Sequence[Beneficiary]) -> list[Beneficiary]:
    """The beneficiaries that a payout of this contest may go to, now or later."""
    mine = (one for one in registered if one.organiser == position.organiser and one.usable_from and not one.retired_at)
    return [one for one in mine if is_paid_in(one.country, position.currency)]


def _pays_out(provider: PaymentProvider, countries: Iterable[str]) -> bool:
    """Whether an account makes payouts in one of these countries."""
    return any(provider.capabilities(country).can_pay_out for country in countries)


async def _positions(request: web.Request, me: Me, at: datetime | None) -> list[PositionLine]:
    return [await _position(request, me, contest.slug, at) for contest in contests_of(request, me.scope)]


async def _position(request: web.Request, me: Me, contest: str, at: datetime | None) -> PositionLine:
    payouts = request.app[PAYMENTS].payouts
    return await (payouts.position(contest, me.scope) if at is None else payouts.position_then(contest, me.scope, at))


@staff_endpoint(Right.READ_MONEY, query=OfContest, returns={200: Positions}, problems=(404,))
async def positions(request: web.Request, me: Me, *, query: OfContest) -> Reply:
    """Tell what contests owe their organisers."""
    if query.contest:
        return Reply(200, Positions(positions=[await _position(request, me, query.contest, query.as_of)]))
    return Reply(200, Positions(positions=await _positions(request, me, query.as_of)))


@staff_endpoint(Right.READ_MONEY, query=OfContest, returns={200: Payouts})
async def payouts(request: web.Request, me: Me, *, query: OfContest) -> Reply:
    """List payouts."""
    found = await request.app[PAYMENTS].payouts.payouts(me.scope, query.contest, query.as_of)
    return Reply(200, Payouts(payouts=[*found]))


@staff_endpoint(Right.PAY_OUT, proof=True, body=NewPayout, returns={201: Request}, problems=(404, 409))
async def new_payout(request: web.Request, me: Me, *, body: NewPayout) -> Reply:
    """Ask to pay an organiser.

    Nothing is sent before a second person agrees.
    """
    minor = body.amount_minor
    if minor is None:
        minor = (await request.app[PAYMENTS].payouts.position(body.contest, me.scope)).payable_minor
    params = {"step": "send", "amount_minor": minor, "beneficiary": str(body.beneficiary)}
    return await ask(request, me, Act.PAYOUT, body.contest, body.reason, params)


@staff_endpoint(
    Right.MANAGE_PAYOUTS, proof=True, path=PayoutPath, body=Finish, returns={201: Request}, problems=(404, 409)
)
async def finish(request: web.Request, me: Me, *, path: PayoutPath, body: Finish) -> Reply:
    """Ask to end a payout that the operator gave no clear answer about.

    `done`: they have it; `failed`: it never arrived; `again`: ask the operator once more.
    """
    params = {"step": "finish", "end": body.end, "operator_reference": body.operator_reference}
    return await ask(request, me, Act.PAYOUT, str(path.reference), body.reason, params)


@staff_endpoint(Right.READ_MONEY, path=PayoutPath, returns={200: Statement}, problems=(404,))
async def statement(request: web.Request, me: Me, *, path: PayoutPath) -> Reply:
    """Tell what a payout was made of.

    Gross, fees, what was taken back, net, and the tally that it pays for.
    """
    made = await request.app[PAYMENTS].payout_statement(path.reference, me.scope)
    return Reply(200, Statement(text=statement_text(made), csv=statement_csv(made)))


@page(Right.READ_MONEY)
async def statement_page(request: web.Request, me: Me) -> web.StreamResponse:
    """What a payout was made of, as CSV. 404."""
    reference = read_id(request, "reference")
    if reference is None:
        return say(request, 404, "unreadable", me)
    made = await request.app[PAYMENTS].payout_statement(reference, me.scope)
    headers = {
        hdrs.CONTENT_TYPE: "text/csv; charset=utf-8",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="spotlight-payout-{reference}.csv"',
        hdrs.CACHE_CONTROL: "no-store",
    }
    return web.Response(text=statement_csv(made), headers=headers)


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    router = app.router
    router.add_get(API, payouts)
    router.add_post(API, new_payout)
    router.add_get(f"{API}/positions", positions)
    router.add_post(f"{API}/{{reference}}/finish", finish)
    router.add_get(f"{API}/{{reference}}/statement", statement)
    router.add_get(PAGE, payouts_page)
    router.add_get(f"{PAGE}/{{reference}}/statement.csv", statement_page)
    # Where a form leads whose sender had to sign in again.
    for address in (beneficiaries.PAGE, f"{beneficiaries.PAGE}/{{beneficiary}}"):
        router.add_get(address, payouts_page)
