"""What the service asks of an operator or an aggregator that takes money.

One interface for a prompt pushed to a phone, a redirect to a hosted page, and a code that the
payer fetches first. A refusal is a value; not knowing is a value too (`Unknown`), because after a
time-out the money may have moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable
from uuid import UUID

from gateway.http.raw_exchange import RawRequest
from gateway.orders.routing import Kind as Kind
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from gateway.values.record import record


class PayerReason(StrEnum):
    """Why a payment was not made: a closed set, with a sentence for voters each."""

    DECLINED = "declined"
    NOT_ANSWERED = "not_answered"
    NO_FUNDS = "no_funds"
    UNKNOWN_NUMBER = "unknown_number"
    LIMIT = "limit"
    WRONG_CODE = "wrong_code"
    BLOCKED = "blocked"
    SERVICE_DOWN = "service_down"
    OTHER = "other"


class Recovery(StrEnum):
    """What to do when the answer to `create` was lost."""

    ASK = "ask"  # the status question finds it by our reference
    REPEAT_SAME = "repeat_same"
    SEARCH = "search"
    ABANDON = "abandon"  # it cannot be paid without the lost answer


@record
class Capabilities:
    """What a provider can do in a country.

    `ladder_seconds`: waits before the first status questions. `open_seconds`: how long the payer
    may take. `status_per_second`: questions that one account may ask. `minimum_minor`: least
    amount, in minor units. `can_refund`, `can_pay_out`, `has_balance`, `knows_holders`: the provider is
    a `Disburser`, a `BalanceTeller`, a `HolderChecker` too. `kinds_of`: where ways to pay differ in how they are
    approved. `pays_from_float`: what it refunds or pays
    out leaves a wallet of its own, not the one that collects. `prepares`: names of secrets without which
    `create` refuses; where there are any, the provider is a `Preparer`.
    """

    kinds: frozenset[Kind]
    currencies: frozenset[str]
    open_seconds: int
    ladder_seconds: tuple[int, ...]
    status_per_second: int
    phone_needed: bool
    minimum_minor: int = 1
    recovery: Recovery = Recovery.ASK
    can_refund: bool = False
    can_pay_out: bool = False
    has_balance: bool = False
    knows_holders: bool = False
    pays_from_float: bool = False
    prepares: frozenset[str] = frozenset()
    kinds_of: Mapping[PaymentMethod, frozenset[Kind]] = field(default_factory=dict)


@record
class Collection:
    """One attempt to collect, as stored: all that a provider may need to create it or ask about it.

    `order_code`: 14 characters of `[A-Z0-9]` that the operator shows. `description`: what is
    bought, any text; the provider makes it fit. `secrets`: what the provider asked us to keep
    (tokens), never logged. `method`: the wallet that was chosen. `base_url`: the platform that took it; it
    can only be asked there.
    """

    reference: UUID
    country: str
    amount: Money
    order_code: str
    description: str
    language: str
    callback_url: str = field(repr=False)
    return_url: str
    payer: str | None = field(default=None, repr=False)
    method: PaymentMethod | None = None
    base_url: str | None = None
    provider_reference: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """It is on its way to the payer. `already_there`: the operator knew our reference."""

    provider_reference: str | None = None
    already_there: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """The payer must open this page before `expires_at`. Anybody who has its address may pay."""

    url: str = field(repr=False)
    expires_at: datetime
    provider_reference: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NeedsOtp:
    """The payer must fetch a code first; call again with it."""


class DisputeStatus(StrEnum):
    """The status of a dispute."""

    OPEN = "open"
    WON = "won"  # the money is with us again
    LOST = "lost"  # the payer has it


@dataclass(frozen=True, slots=True)
class Reversed:
    """Money that was taken is with the payer again, though we never asked for that: a dispute was lost,
    or it was refunded at the operator without us. `amount`: what was returned, the whole or a part.
    `provider_reference`: the operator's own number of the reversal, by which a repeat is recognised. `dispute_status`:
    whether it is decided; while it is open the operator keeps the money back. `fee`: all that the operator took for
    its work on it so far, where it says so. `at`: when it changed, where that is known."""

    code: str
    amount: Money
    provider_reference: str
    raw: str
    dispute_status: DisputeStatus = DisputeStatus.LOST
    fee: Money | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Definitely nothing was created. `ask_first`: the operator's refusal is only to be believed
    after one status question that does not find our reference. `refunded`: of a refund that is refused
    because the operator refunded without our asking, each of those."""

    code: str
    reason: PayerReason
    alarm: bool = False
    ask_first: bool = False
    refunded: tuple[Reversed, ...] = ()


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left our machine, or the operator certainly took nothing in: it may be sent again
    under the same reference. `throttled`: because there were too many calls."""

    error: str
    alarm: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The operator may have it or not."""

    error: str


CreateResult = Accepted | Redirect | NeedsOtp | Rejected | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class StillOpen:
    """Not final. `detail` is the operator's own status; `page`: where it can be paid, where the answer shows it."""

    detail: str
    page: Redirect | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Paid. `received` is the amount that the operator reports. `card`: the operator's own word for the card, the same
    for each payment by it; `holder`: the name of who paid; both where the operator shows them."""

    received: Money
    provider_reference: str | None
    raw: str
    card: str | None = field(default=None, repr=False)
    holder: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """Not paid, finally. `code` is the operator's own."""

    code: str
    reason: PayerReason
    raw: str
    expired: bool = False
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class NotFound:
    """The operator does not know our reference (yet, or here)."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No usable answer: time-out, 5xx, 429, an unreadable body. Ask again later.
    `throttled`: there were too many calls."""

    error: str
    throttled: bool = False


StatusReport = StillOpen | Succeeded | Failed | NotFound | Unavailable


@dataclass(frozen=True, slots=True)
class Claims:
    """What the body of an unsigned callback claims, as far as it can be read; what is missing is None.

    `status`: the operator's own; `succeeded`: whether it means paid. `order_code`: ours, as the
    operator echoes it. `payer`: E.164."""

    status: str
    succeeded: bool
    order_code: str | None = None
    received: Money | None = None
    payer: str | None = field(default=None, repr=False)
    provider_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """What a callback claims. It only schedules a status question, unless `proof` holds a report under
    a checked signature. Where the URL carried no token, one of these finds what it is about:
    `order_code`; `reference`, ours, of a payment or a refund; `reversal`, the operator's number of a dispute or
    reversal, which a signature never proves. `claims`: all values of an unsigned success; None where the
    provider's callbacks hold too little."""

    claimed: str
    order_code: str | None = None
    proof: Succeeded | Failed | None = None
    reference: UUID | None = None
    reversal: str | None = None
    claims: Claims | None = None


@dataclass(frozen=True, slots=True)
class ListedReversal:
    """A dispute, or a refund made outside Spotlight, that an operator lists. `at`: when it changed last."""

    number: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FoundReversal:
    """The status of one. `report` None: it moves no money of ours. One of these finds its payment: `reference`, ours;
    `number`, the operator's own of a payment by card."""

    report: Reversed | None
    reference: UUID | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class NamedReversal:
    """One that a callback or a statement names, without proof. `account`: where to ask
    about it; `at`: when it changed, None for now. An answer read later than that covers it already."""

    account: str
    number: str
    at: datetime | None = None


class Purpose(StrEnum):
    """Why money leaves."""

    REFUND = "refund"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class Disbursement:
    """Money on its way out, under our own reference, which is committed before the operator is asked.

    `payee`: E.164; None where the operator knows it from the collection. `collection`: what a refund
    returns, whole or in part. `base_url`, `provider_reference`, `secrets`: as of a collection.
    """

    reference: UUID
    purpose: Purpose
    country: str
    amount: Money
    description: str
    callback_url: str = field(repr=False)
    payee: str | None = field(default=None, repr=False)
    collection: Collection | None = None
    base_url: str | None = None
    provider_reference: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


DisburseResult = Accepted | Rejected | NotSent | Unknown


class Wallet(StrEnum):
    """Which wallet of an account a balance is asked of."""

    COLLECTION = "collection"
    DISBURSEMENT = "disbursement"


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of an account as the operator reports it."""

    available: Money


class PaymentProvider(Protocol):
    """One operator. No method raises for anything that an operator may answer."""

    @property
    def code(self) -> str:
        """One name for module, URL segment, environment prefix and case file."""

    def capabilities(self, country: str) -> Capabilities:
        """What it can do in this country."""

    @property
    def base_url(self) -> str:
        """The platform that new collections are created on."""

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """Ask the operator to collect. Our reference is committed before this is called."""

    async def query(self, collection: Collection) -> StatusReport:
        """Ask what became of it."""

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """Read a callback; `secrets` are those kept for the payment that its URL names, if any."""

    async def aclose(self) -> None:
        """Close connections."""


@runtime_checkable
class CallbackSigner(Protocol):
    """A provider whose operator signs callbacks."""

    def is_signed(self, request: RawRequest) -> bool | None:
        """Whether the operator's signature is on a callback that just came; None where that is not known now."""


@runtime_checkable
class CallbackDater(Protocol):
    """A provider whose operator signs when it called, so that an old callback is recognised."""

    def is_stale(self, request: RawRequest) -> bool:
        """Whether the operator signed a callback that just came, at a time that proves nothing now."""


class Preparer(Protocol):
    """A provider that asks for money in two steps. What the first one gives is kept before the second."""

    async def prepare(self, collection: Collection) -> Mapping[str, str] | NotSent:
        """Fetch the secrets that `Capabilities.prepares` names. It moves nothing: a lost answer is no matter."""


@runtime_checkable
class Readier(Protocol):
    """A provider whose calls need something that takes time and a call of its own, such as an access token."""

    async def ready(self, collection: Collection) -> None:
        """Have it, so that the next call about this collection leaves at once. A failure here shows in that
        call too, which reports it."""


@runtime_checkable
class Prober(Protocol):
    """A provider that can find out whether its operator is there, without moving money."""

    async def alive(self) -> bool:
        """Whether the operator answers our account now. False when our credentials are refused."""


@runtime_checkable
class OutProber(Protocol):
    """A `Prober` whose operator pays out by another product than it collects by."""

    async def alive_out(self) -> bool:
        """The same of the product that pays out."""


class Disburser(Protocol):
    """A provider that can pay money out. Nothing raises for anything that an operator may answer."""

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        """Ask the operator to pay. Asked again with the same reference it pays once."""

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        """Ask what became of it. `Succeeded.received` is what the payee got."""


class BalanceTeller(Protocol):
    """A provider that reports the balance of an account."""

    async def balance(self, wallet: Wallet, currency: str, country: str) -> Balance | Unavailable:
        """What the account holds now."""


class HolderChecker(Protocol):
    """A provider that reports whether a number has a wallet."""

    async def holder_active(self, msisdn: str) -> bool | None:
        """Whether this E.164 number can pay and be paid; None when it is not known."""


@runtime_checkable
class ReversalTeller(Protocol):
    """A provider whose operator can reverse money and be asked about it. Nothing raises for any answer."""

    async def reversal(self, number: str) -> FoundReversal | NotFound | Unavailable:
        """The status of a dispute, or of a refund made outside Spotlight, by the operator's number of it."""

    async def reversals_since(self, since: datetime) -> Sequence[ListedReversal] | Unavailable:
        """All that changed since then."""
