"""Shapes of the back office's API."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from admin.orders_port import OrderStory, PaymentLine, RefundFacts, StoryLine
from admin.redaction import shown_body, shown_headers
from admin.texts import Line
from gateway.http.endpoint import ApiModel, InputModel
from gateway.values.money import Money
from payments.requests import Act, StaffRequest


class Amount(ApiModel):
    """Money."""

    amount: int = Field(description="In minor units; francs have none smaller.")
    currency: str


def amount_of(money: Money) -> Amount:
    """As the API says it."""
    return Amount(amount=money.amount_minor, currency=money.currency)


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


def found_payment(line: PaymentLine) -> FoundPayment:
    """A payment in a list."""
    return FoundPayment(
        reference=line.reference,
        vote_id=line.vote_id,
        placed_at=line.placed_at,
        contest=line.contest,
        candidate_code=line.candidate_code,
        candidate_name=line.candidate_name,
        votes=line.votes,
        amount=amount_of(line.amount),
        channel=line.channel,
        provider=line.provider,
        status=line.status,
        payer=line.payer,
        receipt=line.receipt,
    )


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


class Refunds(ApiModel):
    """Refunds: those that wait for a person first."""

    refunds: list[OrderRefund]


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


def refund_of(facts: RefundFacts) -> OrderRefund:
    """A refund as the API tells it."""
    return OrderRefund(
        reference=facts.reference,
        payment_reference=facts.payment_reference,
        contest=facts.contest,
        status=facts.status,
        provider=facts.provider,
        amount=amount_of(facts.amount),
        reason=facts.reason,
        reason_code=facts.reason_code,
        requested_by=facts.requested_by,
        created_at=facts.created_at,
        done_at=facts.done_at,
        operator_reference=facts.operator_reference,
    )


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
        payments=[
            OrderPayment(
                reference=one.reference,
                provider=one.provider,
                method=one.method,
                status=one.status,
                amount=amount_of(one.amount),
                received=None if one.received is None else amount_of(one.received),
                payer=one.payer,
                provider_reference=one.provider_reference,
                reason=one.reason,
                reason_code=one.reason_code,
                expires_at=one.expires_at,
            )
            for one in story.payments
        ],
        refunds=[refund_of(one) for one in story.refunds],
        story=[_entry(line) for line in story.lines],
    )


class Reason(InputModel):
    """Why, for the record."""

    reason: Line = Field(max_length=500)


class Numbers(ApiModel):
    """Whole numbers of an order."""

    voter: str | None
    payer: str | None


class NewRequest(InputModel):
    """What is asked for."""

    act: Act
    subject: Line = Field(
        max_length=200, description="A payment's or refund's reference, a contest's slug, a callback's id."
    )
    reason: Line = Field(max_length=500)
    params: dict[str, Line | int | bool | None] = Field(
        default_factory=dict, description="What the act wants besides: `from`, `to`, `operator_reference` …"
    )


class Decision(InputModel):
    """What the second person says."""

    approve: bool


class Request(ApiModel):
    """An act that was asked for."""

    id: UUID
    act: str
    subject: str
    status: str
    reason: str
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    params: dict[str, Any]
    preview: dict[str, Any] = Field(description="What it would do, as of when it was asked for.")


class Requests(ApiModel):
    """Requests, the newest first."""

    requests: list[Request]


def request_of(held: StaffRequest) -> Request:
    """A request as the API tells it."""
    return Request(
        id=held.id,
        act=held.act.value,
        subject=held.subject,
        status=held.status.value,
        reason=held.reason,
        requested_by=held.requested_by,
        requested_at=held.requested_at,
        decided_by=held.decided_by,
        decided_at=held.decided_at,
        finished_at=held.finished_at,
        outcome=held.outcome,
        params=dict(held.params),
        preview=dict(held.preview),
    )


class Listing(InputModel):
    """How much of a list."""

    all: bool = Field(False, description="Also what is over.")


class Window(InputModel):
    """A window of orders: its first instant is in, its last is out."""

    contest: Line = Field(max_length=100)
    from_: datetime = Field(alias="from")
    to: datetime
    channel: Line | None = Field(None, max_length=20)
    operator: Line | None = Field(None, max_length=40)


class Preview(ApiModel):
    """What an act would do now."""

    preview: dict[str, Any]


class HeldLine(ApiModel):
    """A paid order that waits for a person."""

    reference: UUID
    vote_id: UUID
    contest: str
    candidate_code: str
    votes: int
    provider: str
    amount: Amount
    reason: str | None
    confirmed_at: datetime | None


class HeldLines(ApiModel):
    """Paid orders that wait for a person, the oldest first."""

    held: list[HeldLine]


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
