"""What organisers are owed, where they are paid, and payouts on their way."""

from typing import Final

from aiohttp import hdrs, web

from admin.access.guard import Form, Me, form, page, say, see_other, show
from admin.answers import read_id
from admin.approvals.pages import REQUESTS
from admin.approvals.staff_acts import APPROVALS
from admin.money.payout_acts import register_beneficiary
from admin.orders.pages import countries_of
from admin.services import PAYMENTS
from channels.voting_service import VOTING_SERVICE
from gateway.values.money import Money
from payments.disbursement.payouts.statement import statement_csv
from payments.ledger.book import MoneyRefused
from payments.requests import ActRefused, Right, reasoned

PATH: Final = "/admin/payouts"


@page(Right.READ_MONEY)
async def payouts(request: web.Request, me: Me) -> web.StreamResponse:
    """Positions, payouts, beneficiaries, and the forms that ask for more."""
    payments = request.app[PAYMENTS]
    positions = [await payments.payouts.position(contest.slug) for contest in request.app[VOTING_SERVICE].contests()]
    return show(
        request,
        me,
        "admin_payouts.html",
        positions=positions,
        payouts=await payments.payouts.payouts(),
        beneficiaries=await payments.beneficiaries.listed(),
        accounts=payments.accounts,
        countries=countries_of(request),
        organisers=sorted({position.organiser for position in positions}),
        money_of=Money,
    )


@form(Right.PAY_OUT, proof=True)
async def add_beneficiary(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Register where an organiser is paid, and ask for its confirmation."""
    payments = request.app[PAYMENTS]
    made = await register_beneficiary(
        **{name: fields.get(name, "") for name in ("organiser", "account", "country", "number", "name", "reason")},
        person=me.email,
        providers=payments.providers,
        add=payments.beneficiaries.add,
        acts=request.app[APPROVALS],
    )
    return see_other(f"{REQUESTS}/{made}")


@form(Right.PAY_OUT, proof=True)
async def retire_beneficiary(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Pay there no more."""
    beneficiary = read_id(request, "beneficiary")
    if beneficiary is None:
        return say(request, 404, "unreadable", me)
    reason = reasoned(fields.get("reason", ""))
    await request.app[PAYMENTS].beneficiaries.retire(beneficiary, person=me.email, reason=reason)
    return see_other(PATH)


@form(Right.PAY_OUT, proof=True)
async def freeze(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Pay an organiser nothing, or go on."""
    await request.app[PAYMENTS].payouts.freeze(
        fields.get("organiser", ""),
        frozen=fields.get("frozen") == "1",
        reason=reasoned(fields.get("reason", "")),
        person=me.email,
    )
    return see_other(PATH)


@page(Right.READ_MONEY)
async def statement(request: web.Request, me: Me) -> web.StreamResponse:
    """What a payout was made of, as CSV. 404."""
    reference = read_id(request, "reference")
    if reference is None:
        return say(request, 404, "unreadable", me)
    try:
        made = await request.app[PAYMENTS].payout_statement(reference)
    except (MoneyRefused, ActRefused) as error:
        return say(request, 404, "money_refused", me, str(error))
    headers = {
        hdrs.CONTENT_TYPE: "text/csv; charset=utf-8",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="spotlight-payout-{reference}.csv"',
        hdrs.CACHE_CONTROL: "no-store",
    }
    return web.Response(text=statement_csv(made), headers=headers)


def setup(app: web.Application) -> None:
    """Serve them. The application needs ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(PATH, payouts)
    app.router.add_post(f"{PATH}/beneficiaries", add_beneficiary)
    app.router.add_get(f"{PATH}/beneficiaries", payouts)
    app.router.add_post(f"{PATH}/beneficiaries/{{beneficiary}}", retire_beneficiary)
    app.router.add_get(f"{PATH}/beneficiaries/{{beneficiary}}", payouts)
    app.router.add_post(f"{PATH}/freeze", freeze)
    app.router.add_get(f"{PATH}/freeze", payouts)
    app.router.add_get(f"{PATH}/{{reference}}/statement.csv", statement)
