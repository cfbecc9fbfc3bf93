"""What paying organisers asks of storage. Every method is one transaction, safe to run twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.disbursement.outgoing import Outgoing
from payments.disbursement.payouts.rules import PayoutSeen, PayoutState, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPayout(Outgoing):
    """A payout."""

    state: PayoutState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PayoutObservation:
    """What was seen of one payout. `seen` None: no step, only the facts. `next_try_at` None: nobody looks
    by itself. `from_float`: which wallet of ours paid."""

    reference: UUID
    seen: PayoutSeen | None
    actor: str = "payer"
    detail: str = ""
    next_try_at: datetime | None = None
    not_found: bool = False
    reason_code: str | None = None
    provider_reference: str | None = None
    received: Money | None = None
    evidence_word: str | None = None
    evidence_raw: str = ""
    from_float: bool = False


class PayoutStore(Protocol):
    """Payouts on their way."""

    async def claim(self, limit: int) -> list[OpenPayout]:
        """Take payouts that are due for a send or a question, under a lease; none of a frozen organiser
        is sent."""
        ...

    async def begin_sending(self, reference: UUID, base_url: str) -> bool:
        """Move a due payout to `sent`; committed when it returns: only then may the operator be asked."""
        ...

    async def record(self, observation: PayoutObservation) -> bool:
        """Apply what was seen with its posting; whether it took its step. One that somebody else was
        faster with is kept as evidence only."""
        ...


@dataclass(frozen=True, slots=True)
class BeneficiaryLine:
    """A beneficiary as staff see it; the number is masked."""

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


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """A payout as staff see it."""

    reference: UUID
    contest: str
    organiser: str
    beneficiary: str
    provider: str
    amount: Money
    status: PayoutState
    created_at: datetime
    done_at: datetime | None
    reason_code: str | None
    provider_reference: str | None


@dataclass(frozen=True, slots=True)
class TallyRange:
    """Entries of the public tally of one day, `first` to `last`."""

    day: date
    first: int
    last: int
    votes: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PayoutStatement:
    """What a payout was made of. All in minor units of its currency.

    The period is everything after the contest's payout before, up to this one. `gross`: votes counted.
    `refunded`: votes taken back. `fees`: our share of both. `net` is what the period brought the
    organiser; `brought_forward` what was owed when it began, `returned` payouts of before that did not
    arrive, `left` what stays owed.
    """

    payout: PayoutLine
    period_from: datetime | None
    period_to: datetime
    gross_minor: int
    refunded_minor: int
    fees_minor: int
    brought_forward_minor: int
    returned_minor: int
    left_minor: int
    tally: Sequence[TallyRange] = field(default_factory=tuple)

    @property
    def net_minor(self) -> int:
        """What the period brought the organiser."""
        return self.gross_minor - self.refunded_minor - self.fees_minor


@dataclass(frozen=True, slots=True)
class ContestPosition:
    """What a contest owes, and whose it is."""

    contest: str
    organiser: str
    frozen: bool
    currency: str
    position: Position


class PayoutDesk(Protocol):
    """Payouts as staff look at them. A name that nobody has raises UnknownName."""

    async def position(self, contest: str) -> ContestPosition:
        """What a contest owes its organiser now."""
        ...

    async def payouts(self, contest: str | None = None, limit: int = 200) -> Sequence[PayoutLine]:
        """The latest payouts."""
        ...

    async def freeze(self, organiser: str, *, frozen: bool, reason: str, person: str) -> None:
        """Pay this organiser nothing, or go on; refunds go on either way."""
        ...


class BeneficiaryBook(Protocol):
    """Where organisers are paid."""

    async def add(self, organiser: str, account: str, number: Msisdn, name: str, person: str) -> UUID:
        """Register one, which nobody is paid by before it is confirmed."""
        ...

    async def listed(self, organiser: str | None = None) -> Sequence[BeneficiaryLine]:
        """The latest first; numbers are masked."""
        ...

    async def retire(self, beneficiary: UUID, *, person: str, reason: str) -> None:
        """Pay there no more. Raises ActRefused."""
        ...
