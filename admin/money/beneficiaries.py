"""Where organisers are paid: registered, retired and listed, by page and by API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Form, Me, form, say, see_other
from admin.answers import AsOf, Reason, read_id, staff_endpoint
from admin.approvals.api import Request, request_reply
from admin.approvals.pages import REQUESTS
from admin.approvals.staff_acts import APPROVALS, StaffActs
from admin.services import PAYMENTS
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from payments.disbursement.payouts import beneficiaries
from payments.provider import PaymentProvider
from payments.requests import Act, Right, reasoned

API: Final = "/api/admin/beneficiaries"
PAGE: Final = "/admin/payouts/beneficiaries"


class OfOrganiser(AsOf):
    """Of which organiser, and as of when."""

    organiser: Line | None = Field(None, max_length=100, description="One organiser only, by its slug.")


class Beneficiaries(ApiModel):
    """Where organisers are paid, the latest first."""

    beneficiaries: list[beneficiaries.Beneficiary]


class NewBeneficiary(InputModel):
    """Where an organiser is to be paid."""

    organiser: Line = Field(max_length=100)
    account: Line = Field(max_length=40, description="The account that pays, like mtn_momo.")
    country: Line = Field(min_length=2, max_length=2, description="Of the number, like CI.")
    number: Line = Field(max_length=40)
    name: Line = Field(max_length=200, description="Whose wallet it is.")
    reason: Line = Field(max_length=500)


class BeneficiaryPath(InputModel):
    """The beneficiary that is meant."""

    beneficiary: UUID


@staff_endpoint(Right.READ_MONEY, query=OfOrganiser, returns={200: Beneficiaries})
async def listed(request: web.Request, me: Me, *, query: OfOrganiser) -> Reply:
    """List where organisers are paid."""
    return await _listed(request, me, query.organiser, query.as_of)


async def _listed(request: web.Request, me: Me, organiser: str | None = None, at: datetime | None = None) -> Reply:
    held = await request.app[PAYMENTS].beneficiaries.listed(me.scope, organiser, at)
    return Reply(200, Beneficiaries(beneficiaries=[*held]))


@staff_endpoint(Right.PAY_OUT, proof=True, body=NewBeneficiary, returns={201: Request}, problems=(404, 409))
async def new_beneficiary(request: web.Request, me: Me, *, body: NewBeneficiary) -> Reply:
    """Register where an organiser is paid, and ask for its confirmation by a second person."""
    made = await _register(request, me, body.model_dump())
    return Reply(201, await request_reply(request, me, made), {hdrs.LOCATION: f"/api/admin/requests/{made}"})


@form(Right.PAY_OUT, proof=True)
async def add_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Register where an organiser is paid, and ask for its confirmation."""
    return see_other(f"{REQUESTS}/{await _register(request, me, fields)}")


async def _register(request: web.Request, me: Me, given: Form) -> UUID:
    payments, acts = request.app[PAYMENTS], request.app[APPROVALS]
    return await register(payments.beneficiaries, payments.providers, acts, given, me.email)


async def register(
    store: beneficiaries.Beneficiaries,
    providers: Mapping[str, PaymentProvider],
    acts: StaffActs,
    given: Form,
    person: str,
) -> UUID:
    """Register where an organiser is to be paid and ask for its confirmation; the request's id. `given`: the fields of
    `NewBeneficiary`. Raises ActRefused, UnknownName."""
    reason, account = reasoned(given.get("reason", "")), given.get("account", "")
    made = await store.add(
        given.get("organiser", ""),
        account,
        providers.get(account),
        country=given.get("country", "").upper(),
        number=given.get("number", ""),
        name=given.get("name", ""),
        person=person,
    )
    return await acts.ask(Act.BENEFICIARY, str(made), {}, reason, person)


@staff_endpoint(
    Right.PAY_OUT, proof=True, path=BeneficiaryPath, body=Reason, returns={200: Beneficiaries}, problems=(404, 409)
)
async def retire(request: web.Request, me: Me, *, path: BeneficiaryPath, body: Reason) -> Reply:
    """Pay there no more, from now on.

    Answers with all beneficiaries.
    """
    await _retire(request, me, path.beneficiary, body.reason)
    return await _listed(request, me)


@form(Right.PAY_OUT, proof=True)
async def retire_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Pay there no more."""
    beneficiary = read_id(request, "beneficiary")
    if beneficiary is None:
        return say(request, 404, "unreadable", me)
    await _retire(request, me, beneficiary, fields.get("reason", ""))
    return see_other("/admin/payouts")


async def _retire(request: web.Request, me: Me, beneficiary: UUID, reason: str) -> None:
    await request.app[PAYMENTS].beneficiaries.retire(beneficiary, person=me.email, reason=reasoned(reason))


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, PAYMENTS and mounted pages."""
    app.router.add_get(API, listed)
    app.router.add_post(API, new_beneficiary)
    app.router.add_post(f"{API}/{{beneficiary}}/retire", retire)
    app.router.add_post(PAGE, add_by_page)
    app.router.add_post(f"{PAGE}/{{beneficiary}}", retire_by_page)
