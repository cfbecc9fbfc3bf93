"""Our share of what an organiser's votes bring, by page and by API: asked for by one person, agreed to by another."""

from dataclasses import asdict
from datetime import datetime
from typing import Final

from aiohttp import web
from pydantic import AwareDatetime, Field, field_validator

from admin.access.guard import Form, Me, form, page, say, see_other, show
from admin.answers import AsOf, staff_endpoint
from admin.approvals.api import Request, ask
from admin.approvals.asking import read_params, with_zone
from admin.approvals.pages import REQUESTS
from admin.approvals.staff_acts import APPROVALS
from admin.money.ledger import OrganiserPath
from admin.people.people import PEOPLE
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import EXPONENTS, Money, parse_amount
from payments.ledger.book import DatedFeePlan, UnknownName
from payments.requests import Act, Right

API: Final = "/api/admin/organisers/{organiser}/fees"
PAGE: Final = "/admin/organisers/{organiser}/fees"
# Per cent with two decimals is basis points: the same shape as an amount in euros and cents.
_PERCENT_AS: Final = "EUR"


class NewFees(InputModel):
    """Our share of an order: a percentage and a fixed amount, at least the minimum."""

    currency: Line = Field(max_length=3, description="Of which orders, like XOF.")
    method: PaymentMethod | None = Field(None, description="Paid in which way; null: any without a plan of its own.")
    percent_bp: int = Field(0, ge=0, le=10_000, description="In basis points: 750 are 7.5 per cent.")
    fixed_minor: int = Field(0, ge=0, lt=10**9)
    minimum_minor: int = Field(0, ge=0, lt=10**9)
    valid_from: AwareDatetime | None = Field(None, description="Not in the past; without it, once it is agreed to.")
    reason: Line = Field(max_length=500)

    @field_validator("currency")
    @classmethod
    def _known(cls, currency: str) -> str:
        return Money(0, currency).currency


class Fees(ApiModel):
    """A fee plan. It holds for orders that are counted from an instant until that of the next plan."""

    currency: str
    method: str | None = Field(description="Paid in which way; null: any without a plan of its own.")
    valid_from: datetime
    percent_bp: int
    fixed_minor: int
    minimum_minor: int
    created_by: str


class FeePlans(ApiModel):
    """Fee plans by currency and way to pay, the latest first. Without one, everything is the organiser's."""

    plans: list[Fees]


@staff_endpoint(Right.READ_MONEY, path=OrganiserPath, query=AsOf, returns={200: FeePlans}, problems=(404,))
async def fees(request: web.Request, me: Me, *, path: OrganiserPath, query: AsOf) -> Reply:
    """List an organiser's fee plans."""
    found = await request.app[PAYMENTS].book.fee_plans(path.organiser, me.scope, at=query.as_of)
    return Reply(200, FeePlans(plans=[_fees(one) for one in found]))


def _fees(dated: DatedFeePlan) -> Fees:
    named = {"currency": dated.currency, "method": dated.method or None, "created_by": dated.created_by}
    return Fees(**named, valid_from=dated.valid_from, **asdict(dated.plan))


@staff_endpoint(
    Right.SET_FEES, proof=True, path=OrganiserPath, body=NewFees, returns={201: Request}, problems=(404, 409)
)
async def set_fees(request: web.Request, me: Me, *, path: OrganiserPath, body: NewFees) -> Reply:
    """Ask for another share of an order from an instant on.

    Nothing changes before a second person agrees. Votes that are counted by then keep the fee that they have.
    """
    params = body.model_dump(mode="json", exclude={"reason"})
    return await ask(request, me, Act.FEES, path.organiser, body.reason, params)


@page(Right.READ_MONEY)
async def fees_page(request: web.Request, me: Me) -> web.StreamResponse:
    """An organiser's fee plans, and the form that asks for another one. 404."""
    return await _shown(request, me)


async def _shown(request: web.Request, me: Me, *, fault: str = "", fields: Form | None = None) -> web.Response:
    organiser = request.match_info["organiser"]
    try:
        plans = await request.app[PAYMENTS].book.fee_plans(organiser, me.scope, at=me.as_of)
    except UnknownName:
        return say(request, 404, "no_organiser", me)
    (name,) = (one.name for one in await request.app[PEOPLE].organisers(me.scope) if one.slug == organiser)
    return show(
        request,
        me,
        "admin_fees.html",
        status=422 if fault else 200,
        organiser=organiser,
        name=name,
        plans=plans,
        methods=list(PaymentMethod),
        currencies=sorted(EXPONENTS),
        money_of=Money,
        fault=fault,
        fields=fields or {},
    )


@form(Right.SET_FEES, proof=True)
async def set_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Ask for another share. Amounts are typed in whole units, the percentage with two decimals."""
    currency, params = fields.get("currency", ""), {name: fields.get(name, "") for name in ("method", "valid_from")}
    if currency not in EXPONENTS:
        return await _shown(request, me, fault="currency", fields=fields)
    for typed, name, unit, most in (
        ("percent", "percent_bp", _PERCENT_AS, 10_000),
        ("fixed", "fixed_minor", currency, 10**9 - 1),
        ("minimum", "minimum_minor", currency, 10**9 - 1),
    ):
        amount = parse_amount(fields.get(typed, "").replace(",", ".").replace(" ", "") or "0", unit)
        if amount is None or not 0 <= amount.amount_minor <= most:
            return await _shown(request, me, fault=typed, fields=fields)
        params[name] = str(amount.amount_minor)
    read = read_params(Act.FEES, with_zone({**params, "currency": currency}, me.zone))
    made = await request.app[APPROVALS].ask(
        Act.FEES, request.match_info["organiser"], read, fields.get("reason", ""), me.email
    )
    return see_other(f"{REQUESTS}/{made}")


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, PAYMENTS and mounted pages."""
    app.router.add_get(API, fees)
    app.router.add_post(API, set_fees)
    app.router.add_get(PAGE, fees_page)
    app.router.add_post(PAGE, set_by_page)
