"""What the back office reads: orders with their stories, what waits for a person, what is owed.

`scope` everywhere: the organiser whose contests are looked at, None for all of them. What belongs to
another organiser is not there, as if it did not exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from payments.requests import Scope


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """A payment in a list. `payer`: masked number, empty where there is none. `status`: of the payment."""

    reference: UUID
    vote_id: UUID
    placed_at: datetime
    contest: str
    candidate_code: str
    candidate_name: str
    votes: int
    amount: Money
    channel: str
    provider: str
    status: str
    payer: str
    receipt: str


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """One payment of an order, as it stands. `received`: what the operator says it took."""

    reference: UUID
    provider: str
    method: str
    status: str
    amount: Money
    received: Money | None
    fee_minor: int | None
    payer: str
    provider_reference: str | None
    reason: str | None
    reason_code: str | None
    send_tries: int
    checks: int
    expires_at: datetime
    next_check_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """A refund as it stands. `operator_reference`: what the operator or the person who paid it says."""

    reference: UUID
    payment_reference: UUID
    contest: str
    status: str
    provider: str
    amount: Money
    reason: str
    reason_code: str | None
    requested_by: str
    created_at: datetime
    done_at: datetime | None
    operator_reference: str | None


class StoryKind(StrEnum):
    """What a line of a story tells about."""

    STEP = "step"
    EVIDENCE = "evidence"
    CALLBACK = "callback"
    TEXT = "text"
    REFUND = "refund"
    TALLY = "tally"
    REQUEST = "request"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class StoryLine:
    """Something that happened. `about`: reference of the payment or refund; `was`, `now`: states before
    and after, or the word that was said; `seen`: what was observed, or where; `number`: id of a callback,
    a ticket's number, a place in the tally; `request`: id of a request. `headers`, `raw`: as they came, with
    secrets and numbers in them: never to be shown as they are."""

    at: datetime
    kind: StoryKind
    about: UUID | None
    was: str | None = None
    now: str = ""
    seen: str = ""
    actor: str = ""
    detail: str = ""
    number: int | None = None
    request: UUID | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An order, its payments and refunds, and all that happened, the earliest first. `voter`: masked
    number, empty where there is none. `pays_for_another`: the payer is not the voter."""

    vote_id: UUID
    contest: str
    contest_name: str
    candidate_code: str
    candidate_name: str
    channel: str
    language: str
    votes: int
    amount: Money
    placed_at: datetime
    receipt: str
    order_code: str
    voter: str
    pays_for_another: bool
    payments: Sequence[PaymentFacts]
    refunds: Sequence[RefundFacts]
    lines: Sequence[StoryLine]


@dataclass(frozen=True, slots=True)
class HeldPayment:
    """A paid order that waits for a person."""

    reference: UUID
    vote_id: UUID
    contest: str
    candidate_code: str
    votes: int
    provider: str
    amount: Money
    reason: str | None
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Payments of one operator that are paid and not counted yet (`counting`), or asked about."""

    provider: str
    counting: int
    counting_since: datetime | None
    asked: int


@dataclass(frozen=True, slots=True)
class Closed:
    """An operator's account that is left alone for a while, because it fails."""

    account: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, now. `refunds`: by status, the sums owed. `differences`: by account; empty with a scope."""

    now: datetime
    requests: int
    held: int
    tickets: int
    refunds: Mapping[str, Sequence[tuple[int, Money]]]
    differences: Mapping[str, int]
    backlog: Sequence[Backlog]
    closed: Sequence[Closed]


class BackOffice(Protocol):
    """Reads, all of them but one."""

    async def find(self, word: str, countries: Sequence[str], scope: Scope, *, limit: int = 100) -> list[PaymentLine]:
        """Payments by a phone number, a receipt, an operator's order code, or a reference of ours (vote,
        payment, refund); the newest first. `countries`: in which a number without its country's code is
        read."""
        ...

    async def latest(self, scope: Scope, *, limit: int = 30) -> list[PaymentLine]:
        """The payments in which something happened last."""
        ...

    async def story(self, vote_id: UUID, scope: Scope) -> OrderStory | None:
        """Everything about one order."""
        ...

    async def show_number(self, vote_id: UUID, scope: Scope, *, person: str, reason: str) -> Mapping[str, str] | None:
        """Whole numbers of an order, by whose they are (`payer`, `voter`); written to the audit log before
        they are told."""
        ...

    async def waiting(self, scope: Scope) -> Waiting:
        """What waits."""
        ...

    async def held(self, scope: Scope, *, limit: int = 200) -> list[HeldPayment]:
        """Payments that wait for a person, the oldest first."""
        ...

    async def refunds(self, scope: Scope, *, statuses: Sequence[str], limit: int = 200) -> list[RefundFacts]:
        """Refunds of these statuses: those that wait for a person first, then the oldest."""
        ...
