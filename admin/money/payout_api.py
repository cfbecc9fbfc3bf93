"""`/api/admin/payouts`, `/beneficiaries` and `/organisers`: what organisers are paid, for programs."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Me
from admin.answers import Amount, Reason, model_of, staff_endpoint
from admin.approvals.api import Request, ask, request_reply
from admin.approvals.staff_acts import APPROVALS
from admin.money.payout_acts import register_beneficiary
from admin.services import PAYMENTS
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from payments.disbursement.payouts.statement import statement_csv, statement_text
from payments.requests import Act, Right, reasoned

PAYOUTS: Final = "/api/admin/payouts"
BENEFICIARIES: Final = "/api/admin/beneficiaries"


class OfContest(InputModel):
    """Of which contest."""

    contest: Line | None = Field(None, max_length=100, description="One contest only, by its slug.")


class PositionLine(ApiModel):
    """What a contest owes its organiser. Amounts are minor units."""

    contest: str
    organiser: str
    frozen: bool
    currency: str
    owed_minor: int
    provisional_minor: int = Field(description="Counted on a callback that was not checked yet.")
    at_risk_minor: int = Field(description="Votes that may be taken back, or whose payment is disputed.")
    differences: int = Field(description="Open differences about its money; nothing is paid while there are any.")
    payable_minor: int


class Positions(ApiModel):
    """What contests owe."""

    positions: list[PositionLine]


class Payout(ApiModel):
    """A payout."""

    reference: UUID
    contest: str
    organiser: str
    beneficiary: str
    provider: str
    amount: Amount
    status: str
    created_at: datetime
    done_at: datetime | None
    reason_code: str | None
    provider_reference: str | None


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


class OfOrganiser(InputModel):
    """Of which organiser."""

    organiser: Line | None = Field(None, max_length=100, description="One organiser only, by its slug.")


class Beneficiary(ApiModel):
    """Where an organiser is paid; the number is masked."""

    id: UUID
    organiser: str
    name: str
    provider: str
    country: str
    number: str
    registered_by: str
    registered_at: datetime
    confirmed_by: str | None
    usable_from: datetime | None
    retired_at: datetime | None


class Beneficiaries(ApiModel):
    """Where organisers are paid, the latest first."""

    beneficiaries: list[Beneficiary]


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


class OrganiserPath(InputModel):
    """The organiser that is meant."""

    organiser: Line = Field(max_length=100)


class Freeze(InputModel):
    """Pay an organiser nothing, or go on."""

    frozen: bool
    reason: Line = Field(max_length=500)


class Frozen(ApiModel):
    """Whether an organiser is paid nothing."""

    organiser: str
    frozen: bool


@staff_endpoint(Right.READ_MONEY, query=OfContest, returns={200: Positions}, problems=(404,))
async def positions(request: web.Request, _: Me, *, query: OfContest) -> Reply:
    """Tell what contests owe their organisers."""
    every = [contest.slug for contest in request.app[VOTING_SERVICE].contests()]
    lines = [await _position(request, slug) for slug in ([query.contest] if query.contest else every)]
    return Reply(200, Positions(positions=lines))


async def _position(request: web.Request, contest: str) -> PositionLine:
    """Raises MoneyRefused."""
    owed = await request.app[PAYMENTS].payouts.position(contest)
    return PositionLine(
        contest=owed.contest,
        organiser=owed.organiser,
        frozen=owed.frozen,
        currency=owed.currency,
        owed_minor=owed.position.owed_minor,
        provisional_minor=owed.position.provisional_minor,
        at_risk_minor=owed.position.at_risk_minor,
        differences=owed.position.differences,
        payable_minor=owed.position.payable_minor,
    )


@staff_endpoint(Right.READ_MONEY, query=OfContest, returns={200: Payouts})
async def payouts(request: web.Request, _: Me, *, query: OfContest) -> Reply:
    """List payouts."""
    found = await request.app[PAYMENTS].payouts.payouts(query.contest)
    return Reply(200, Payouts(payouts=[model_of(Payout, one) for one in found]))


@staff_endpoint(proof=True, body=NewPayout, returns={201: Request}, problems=(404, 409))
async def new_payout(request: web.Request, who: Me, *, body: NewPayout) -> Reply:
    """Ask to pay an organiser.

    Nothing is sent before a second person agrees.
    """
    minor = body.amount_minor
    if minor is None:
        minor = (await _position(request, body.contest)).payable_minor
    params = {"step": "send", "amount_minor": minor, "beneficiary": str(body.beneficiary)}
    return await ask(request, who, Act.PAYOUT, body.contest, body.reason, params)


@staff_endpoint(proof=True, path=PayoutPath, body=Finish, returns={201: Request}, problems=(404, 409))
async def finish(request: web.Request, who: Me, *, path: PayoutPath, body: Finish) -> Reply:
    """Ask to end a payout that the operator gave no clear answer about.

    `done`: they have it; `failed`: it never arrived; `again`: ask the operator once more.
    """
    params = {"step": "finish", "end": body.end, "operator_reference": body.operator_reference}
    return await ask(request, who, Act.PAYOUT, str(path.reference), body.reason, params)


@staff_endpoint(Right.READ_MONEY, path=PayoutPath, returns={200: Statement}, problems=(404,))
async def statement(request: web.Request, _: Me, *, path: PayoutPath) -> Reply:
    """Tell what a payout was made of.

    Gross, fees, what was taken back, net, and the tally that it pays for.
    """
    made = await request.app[PAYMENTS].payout_statement(path.reference)
    return Reply(200, Statement(text=statement_text(made), csv=statement_csv(made)))


@staff_endpoint(Right.READ_MONEY, query=OfOrganiser, returns={200: Beneficiaries})
async def beneficiaries(request: web.Request, _: Me, *, query: OfOrganiser) -> Reply:
    """List where organisers are paid."""
    return await _beneficiaries(request, query.organiser)


async def _beneficiaries(request: web.Request, organiser: str | None = None) -> Reply:
    found = await request.app[PAYMENTS].beneficiaries.listed(organiser)
    return Reply(200, Beneficiaries(beneficiaries=[model_of(Beneficiary, one) for one in found]))


@staff_endpoint(Right.PAY_OUT, proof=True, body=NewBeneficiary, returns={201: Request}, problems=(404, 409))
async def new_beneficiary(request: web.Request, who: Me, *, body: NewBeneficiary) -> Reply:
    """Register where an organiser is paid, and ask for its confirmation by a second person."""
    payments = request.app[PAYMENTS]
    made = await register_beneficiary(
        **body.model_dump(),
        person=who.email,
        providers=payments.providers,
        add=payments.beneficiaries.add,
        acts=request.app[APPROVALS],
    )
    return Reply(201, await request_reply(request, who, made), {hdrs.LOCATION: f"/api/admin/requests/{made}"})


@staff_endpoint(
    Right.PAY_OUT, proof=True, path=BeneficiaryPath, body=Reason, returns={200: Beneficiaries}, problems=(404, 409)
)
async def retire(request: web.Request, who: Me, *, path: BeneficiaryPath, body: Reason) -> Reply:
    """Pay there no more, from now on.

    Answers with all beneficiaries.
    """
    reason = reasoned(body.reason)
    await request.app[PAYMENTS].beneficiaries.retire(path.beneficiary, person=who.email, reason=reason)
    return await _beneficiaries(request)


@staff_endpoint(Right.PAY_OUT, proof=True, path=OrganiserPath, body=Freeze, returns={200: Frozen}, problems=(404,))
async def freeze(request: web.Request, who: Me, *, path: OrganiserPath, body: Freeze) -> Reply:
    """Pay an organiser nothing, or go on.

    Votes are counted and refunds go on either way.
    """
    await request.app[PAYMENTS].payouts.freeze(
        path.organiser, frozen=body.frozen, reason=reasoned(body.reason), person=who.email
    )
    return Reply(200, Frozen(organiser=path.organiser, frozen=body.frozen))


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, PAYMENTS and VOTING_SERVICE."""
    router = app.router
    router.add_get(PAYOUTS, payouts)
    router.add_post(PAYOUTS, new_payout)
    router.add_get(f"{PAYOUTS}/positions", positions)
    router.add_post(f"{PAYOUTS}/{{reference}}/finish", finish)
    router.add_get(f"{PAYOUTS}/{{reference}}/statement", statement)
    router.add_get(BENEFICIARIES, beneficiaries)
    router.add_post(BENEFICIARIES, new_beneficiary)
    router.add_post(f"{BENEFICIARIES}/{{beneficiary}}/retire", retire)
    router.add_post("/api/admin/organisers/{organiser}/freeze", freeze)
