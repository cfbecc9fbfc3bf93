"""`/api/admin/orders` and what waits: orders, for programs."""

from datetime import datetime
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.guard import api_me
from admin.answers import SIGNED_IN, TAG, Amount, Reason, act_problem, amount_of, model_of, proven, unknown
from admin.orders.pages import countries_of
from admin.orders.store import ORDERS
from admin.orders.story import OrderStory, StoryLine, shown_body, shown_headers
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, endpoint
from payments.requests import ActRefused, Right, reasoned


class Search(InputModel):
    """What is searched for."""

    q: Line = Field(min_length=1, max_length=80, description="Number, receipt, order code, or a reference of ours.")


class FoundPayment(ApiModel):
    """A payment in a list; its number is masked."""

    reference: UUID
    vote_id: UUID
    placed_at: datetime
    contest: str
    candidate_code: str
    candidate_name: str
    votes: int
    amount: Amount
    channel: str
    provider: str
    status: str
    payer: str
    receipt: str


class FoundPayments(ApiModel):
    """Payments, the newest first."""

    payments: list[FoundPayment]


class StoryEntry(ApiModel):
    """Something that happened."""

    at: datetime
    kind: str = Field(description="step, evidence, callback, text, refund, tally, request or ticket.")
    about: UUID | None = Field(description="Reference of the payment or the refund.")
    was: str | None
    now: str
    seen: str
    actor: str
    detail: str
    number: int | None = Field(description="Id of a callback, a ticket's number, or the place in the tally.")
    request: UUID | None
    headers: dict[str, str] = Field(description="As received, without secrets.")
    body: str = Field(description="As received, numbers masked and secrets gone.")


class OrderPayment(ApiModel):
    """A payment of an order."""

    reference: UUID
    provider: str
    method: str
    status: str
    amount: Amount
    received: Amount | None
    payer: str
    provider_reference: str | None
    reason: str | None
    reason_code: str | None
    expires_at: datetime


class OrderRefund(ApiModel):
    """A refund."""

    reference: UUID
    payment_reference: UUID
    contest: str
    status: str
    provider: str
    amount: Amount
    reason: str
    reason_code: str | None
    requested_by: str
    created_at: datetime
    done_at: datetime | None
    operator_reference: str | None


class Order(ApiModel):
    """An order and all that happened, the earliest first."""

    vote_id: UUID
    contest: str
    candidate_code: str
    candidate_name: str
    channel: str
    votes: int
    amount: Amount
    placed_at: datetime
    receipt: str
    order_code: str
    voter: str
    payments: list[OrderPayment]
    refunds: list[OrderRefund]
    story: list[StoryEntry]


def _entry(line: StoryLine) -> StoryEntry:
    return StoryEntry(
        at=line.at,
        kind=line.kind.value,
        about=line.about,
        was=line.was,
        now=line.now,
        seen=line.seen,
        actor=line.actor,
        detail=line.detail,
        number=line.number,
        request=line.request,
        headers=shown_headers(line.headers),
        body=shown_body(line.raw, line.headers),
    )


def order_of(story: OrderStory) -> Order:
    """An order as the API tells it."""
    return Order(
        vote_id=story.vote_id,
        contest=story.contest,
        candidate_code=story.candidate_code,
        candidate_name=story.candidate_name,
        channel=story.channel,
        votes=story.votes,
        amount=amount_of(story.amount),
        placed_at=story.placed_at,
        receipt=story.receipt,
        order_code=story.order_code,
        voter=story.voter,
        payments=[model_of(OrderPayment, one) for one in story.payments],
        refunds=[model_of(OrderRefund, one) for one in story.refunds],
        story=[_entry(line) for line in story.lines],
    )


class Numbers(ApiModel):
    """Whole numbers of an order."""

    voter: str | None
    payer: str | None


class WaitingSum(ApiModel):
    """Refunds of one status."""

    status: str
    count: int
    amount: Amount


class WaitingAccount(ApiModel):
    """Payments under way at one operator."""

    provider: str
    counting: int = Field(description="Paid, being counted.")
    counting_since: datetime | None
    asked: int


class Waits(ApiModel):
    """What waits for a person, or for an operator."""

    requests: int
    held: int
    tickets: int
    refunds: list[WaitingSum]
    differences: dict[str, int]
    backlog: list[WaitingAccount]


class OrderPath(InputModel):
    """The order that is asked about."""

    vote_id: UUID


@endpoint(returns={200: Waits}, problems=SIGNED_IN, tag=TAG)
async def waiting(request: web.Request) -> Reply:
    """Show what waits."""
    who = await api_me(request, Right.READ_ORDERS)
    held = await request.app[ORDERS].waiting(who.scope)
    sums = [
        WaitingSum(status=status, count=many, amount=amount_of(money))
        for status, lines in held.refunds.items()
        for many, money in lines
    ]
    backlog = [model_of(WaitingAccount, one) for one in held.backlog]
    waits = Waits(
        requests=held.requests,
        held=held.held,
        tickets=held.tickets,
        refunds=sums,
        differences=dict(held.differences),
        backlog=backlog,
    )
    return Reply(200, waits)


@endpoint(body=Search, returns={200: FoundPayments}, problems=SIGNED_IN, tag=TAG)
async def search(request: web.Request, *, body: Search) -> Reply:
    """Find payments.

    By number, receipt, order code, or the reference of a vote, payment or refund. Numbers come masked.
    """
    who = await api_me(request, Right.READ_ORDERS)
    lines = await request.app[ORDERS].find(body.q, countries_of(request), who.scope)
    return Reply(200, FoundPayments(payments=[model_of(FoundPayment, line) for line in lines]))


@endpoint(path=OrderPath, returns={200: Order}, problems=(*SIGNED_IN, 404), tag=TAG)
async def order(request: web.Request, *, path: OrderPath) -> Reply:
    """Show an order and all that happened to it."""
    who = await api_me(request, Right.READ_ORDERS)
    story = await request.app[ORDERS].story(path.vote_id, who.scope)
    if story is None:
        raise unknown("order", path.vote_id)
    return Reply(200, order_of(story))


@endpoint(path=OrderPath, body=Reason, returns={200: Numbers}, problems=(*SIGNED_IN, 404), tag=TAG)
async def numbers(request: web.Request, *, path: OrderPath, body: Reason) -> Reply:
    """Show the whole numbers of an order.

    The reason goes to the audit log first.
    """
    who = await proven(request, Right.SEE_NUMBER)
    try:
        reason = reasoned(body.reason)
    except ActRefused as error:
        raise act_problem(error) from None
    reads = request.app[ORDERS]
    found = await reads.show_number(path.vote_id, who.scope, person=who.email, reason=reason)
    if found is None:
        raise unknown("order", path.vote_id)
    return Reply(200, Numbers(voter=found.get("voter"), payer=found.get("payer")))


def setup(app: web.Application) -> None:
    """Serve them. The application needs ORDERS and VOTING_SERVICE."""
    app.router.add_get("/api/admin/waiting", waiting)
    app.router.add_post("/api/admin/search", search)
    app.router.add_get("/api/admin/orders/{voteId}", order)
    app.router.add_post("/api/admin/orders/{voteId}/numbers", numbers)
