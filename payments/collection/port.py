"""What collecting asks of storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from gateway.values.record import record
from payments.lifecycle import Actor, Observed, State
from payments.provider import Collection, NamedReversal


@dataclass(frozen=True, slots=True)
class OpenPayment:
    """A payment that somebody is working on, under a lease."""

    collection: Collection
    vote_id: UUID
    provider: str
    state: State
    placed_at: datetime
    expires_at: datetime
    now: datetime
    accepted: bool
    checks: int
    send_tries: int
    not_found_count: int
    not_found_since: datetime | None


@record
class Observation:
    """What was seen of one payment, and what to remember of it.

    `observed` None: no step, only the facts below. `next_check_at` None: no further question. `provisional`: it
    is counted on a callback, and asked about later. `untried`: the operator was not asked after all, so that
    the last try was none.
    """

    reference: UUID
    observed: Observed | None
    actor: Actor
    detail: str = ""
    next_check_at: datetime | None = None
    accepted: bool = False
    not_found: bool = False
    reason: str | None = None
    reason_code: str | None = None
    provider_reference: str | None = None
    received: Money | None = None
    evidence_word: str | None = None
    evidence_source: str = "status"
    evidence_raw: str = ""
    base_url: str | None = None
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    message: str | None = None
    provisional: bool = False
    untried: bool = False


@record
class DueCallback:
    """A callback that nobody has judged yet. `amount` and `secrets`: of the payment that its URL
    names; the amount is what we asked for. `provider`: the code in its URL; `account`: key of the account
    that the payment was asked of. `now`: when it was taken to be judged, `received_at` when it came.
    `duplicate_of`: the callback of the 48 hours before with the same bytes, about the same payment."""

    id: int
    provider: str
    account: str | None
    reference: UUID | None
    method: str
    headers: Mapping[str, str]
    body: bytes
    amount: Money | None
    secrets: Mapping[str, str] = field(repr=False)
    now: datetime
    duplicate_of: int | None = None
    received_at: datetime | None = None


@record
class JudgedCallback:
    """What a callback came to: a word for the record, the payment it hints at, if any, and the callback that
    it repeats."""

    id: int
    outcome: str
    reference: UUID | None = None
    order_code: str | None = None
    hinted: bool = False
    duplicate_of: int | None = None


class PaymentStore(Protocol):
    """Payments on their way."""

    async def claim_to_collect(self, limit: int, rooms: Mapping[str, int] = ...) -> list[OpenPayment]:
        """Take due `created` payments and move them to `sent`, at most one prompt a number and
        provider: of an account among `rooms` at most so many, of all others together at most `limit`.
        Those whose payers may not be asked any more, see `Withheld`, come back `failed`, with a text owed to the
        voter. Committed when it returns."""
        ...

    async def move_unsent(self, account: str, sibling: str, limit: int) -> int:
        """Hand orders of an account that nobody was asked about to another one; how many. The others stay:
        what was tried may be known over there."""
        ...

    async def claim_to_verify(self, provider: str, limit: int) -> list[OpenPayment]:
        """Take payments that are due for a status question, under a lease: hinted ones first, then those never
        asked about, then those still open, then the rest; of each whoever waits longest."""
        ...

    async def claim_named(self, references: Sequence[UUID]) -> list[OpenPayment]:
        """Take these payments for a status question now, under a lease, but for those that can no longer
        be asked about or were asked about some seconds ago."""
        ...

    async def close_unsent(self, limit: int) -> int:
        """Close orders that no operator took in time; how many. What was ever sent is asked about for a day."""
        ...

    async def observe(self, observation: Observation) -> None:
        """`record` for one, sharing a transaction with whoever comes at the same moment."""
        ...

    async def record(self, observations: Sequence[Observation]) -> int:
        """Apply what was seen: steps that the lifecycle allows, evidence, events, messages.

        Returns how many payments took a step. An observation that somebody else was faster with
        changes nothing but is kept as evidence.
        """
        ...

    async def name_reversals(self, named: Sequence[NamedReversal]) -> None:
        """Have money that operators take back asked about."""
        ...

    async def claim_callbacks(self, limit: int) -> list[DueCallback]:
        """The oldest unjudged callbacks. Not leased: judging twice does no harm."""
        ...

    async def judge_callbacks(self, judged: Sequence[JudgedCallback]) -> int:
        """Mark callbacks as judged and their payments as due for a question; how many are due."""
        ...

    async def set_callbacks_aside(self, broken: Sequence[tuple[int, Exception]]) -> None:
        """Take callbacks that cannot be judged out of the queue. Staff may replay them."""
        ...
