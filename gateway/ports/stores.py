"""What the use cases ask of storage. Every method is one transaction, safe to run twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from gateway.domain.ledger import Posting
from gateway.domain.money import Money
from gateway.domain.order import PlacedOrder, Refusal, Sale
from gateway.domain.payment import Actor, Confirmed, Seen, State, Verdict
from gateway.domain.record import record
from gateway.domain.texting import Routes
from gateway.ports.payment_provider import Collection
from gateway.ports.reversals import NamedReversal

# Name of the hosted page's address among a payment's secrets: whoever has it may pay.
PAYMENT_URL: Final = "payment_url"
# Name of the code that a payer brought, likewise.
PAYMENT_CODE: Final = "payment_code"


@record
class NewOrder:
    """A sale with its identifiers, ready to be written."""

    sale: Sale
    vote_id: UUID
    payment_reference: UUID
    receipt: str


class OrderStore(Protocol):
    """Orders as they are placed."""

    async def insert(self, order: NewOrder) -> PlacedOrder | Refusal:
        """Write vote and payment, or find what the same key wrote before.

        The contest's window and the candidate's standing are checked again by the inserting
        statement itself. Raises HouseUnavailable.
        """
        ...


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

    `seen` None: no step, only the facts below. `next_check_at` None: no further question. `provisional`: it
    is counted on a callback, and asked about later. `untried`: the operator was not asked after all, so that
    the last try was none.
    """

    reference: UUID
    seen: Seen | None
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


@record
class ConfirmedPayment:
    """A confirmed payment as settlement sees it."""

    reference: UUID
    vote_id: UUID
    candidate_id: UUID
    candidate_code: str
    quantity: int
    amount: Money
    receipt: str
    facts: Confirmed


@record
class Decision:
    """What settlement decided for one payment."""

    payment: ConfirmedPayment
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """What one settlement transaction did. `counted`: candidate code and votes of each entry."""

    contest_id: UUID
    counted: tuple[tuple[str, int], ...]
    other: int


class Settlement(Protocol):
    """The one door to `counted`."""

    async def settle_batch(self, limit: int) -> SettledBatch | None:
        """Settle up to `limit` confirmed payments of one contest; None when none is due."""
        ...

    async def give_back_batch(self, limit: int) -> int:
        """Turn surplus and mismatched payments into refunds that are owed."""
        ...


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One balanced transaction. `contest_id`: whose book; None for money that moves between accounts of
    ours."""

    tx: UUID
    contest_id: UUID | None
    memo: str
    legs: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A text to send. `to` is E.164; empty when only a chat is known. `vote_id`: the vote it is about,
    if it is about one. `attempts`: this one included. `carrier`: who sends it now; `ways`: who may
    carry it, in order. `chat_id`: the chat it goes to as long as that takes messages."""

    id: UUID
    vote_id: UUID | None
    kind: str
    to: str
    language: str
    params: Mapping[str, object]
    attempts: int
    carrier: str
    ways: tuple[str, ...]
    chat_id: int | None = None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What became of a text at its `attempts`-th try. `carrier`: who has it; of one that is due again,
    who is next. `retry_seconds` None: not looked at again."""

    id: UUID
    attempts: int
    status: str
    carrier: str
    carrier_message_id: str | None = None
    parts: int | None = None
    cost: str | None = None
    error: str | None = None
    retry_seconds: int | None = None


class MessageStore(Protocol):
    """Texts on their way."""

    async def claim_due(self, limit: int, routes: Routes) -> list[DueMessage]:
        """Take due texts under a lease, each with the carrier that sends it, written down before it is
        asked. One whose lease ran out may have been sent: it becomes `unknown`, and is only taken
        again when reports prove that it was not. What nobody asked for waits for its hour."""
        ...

    async def record_sent(self, results: Sequence[SentMessage]) -> None:
        """Store what the carrier said."""
        ...


@dataclass(frozen=True, slots=True)
class ContestScores:
    """Totals of a contest after its `version`-th tally entry, in one snapshot."""

    contest_id: UUID
    slug: str
    version: int
    votes: Mapping[str, int]


class ScoreStore(Protocol):
    """Totals in PostgreSQL: the truth."""

    async def scores(self, contest_ids: Sequence[UUID] | None = None) -> list[ContestScores]:
        """Totals of these contests, or of all."""
        ...


class ScoreFeed(Protocol):
    """Totals on their way to every gateway process. May be lost; `scores` heals it."""

    async def publish(self, scores: ContestScores, counted: Sequence[tuple[str, int]]) -> None:
        """Store totals unless newer ones are stored, and tell every gateway."""
        ...

    async def version(self, contest_id: UUID) -> int | None:
        """Version in the feed; None when it holds nothing."""
        ...


class Doorbell(Protocol):
    """Tells workers that there is work of a kind. May be lost, doubled or late."""

    def ring(self, kind: str) -> None:
        """Ring soon; never blocks and never raises."""
        ...
