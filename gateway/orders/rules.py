"""A vote request, and whether an order may be placed for it: everything that is checked before money moves."""

from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.contests.contest import Candidate, Contest, ContestState, Phase
from gateway.contests.rounds import last_begun
from gateway.orders.prompting import Orderer
from gateway.orders.routing import NoRail, Rails
from gateway.orders.wallet import PaymentMethod, may_have
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from gateway.values.record import record

# Name of the hosted page's address among a payment's secrets: anybody who has it may pay.
PAYMENT_URL: Final = "payment_url"
# Name of the code that a payer brought, likewise.
PAYMENT_CODE: Final = "payment_code"
# An order is sent to its operator not later than so long after it was placed.
UNSENT_LIFE: Final = timedelta(minutes=15)
# States of a payment, see `payments.lifecycle`, in which its money was taken.
PAID_STATES: Final = ("confirmed", "settled", "held", "surplus", "mismatched", "refund_due", "refunded")


class Channel(StrEnum):
    """Where the vote request came from."""

    USSD = "ussd"
    SMS = "sms"
    WEB = "web"
    API = "api"
    TELEGRAM = "telegram"


class Refusal(StrEnum):
    """Why a vote request is refused. Each has a phrase for the voter in every language."""

    UNKNOWN_CONTEST = "unknown_contest"
    NOT_OPEN_YET = "not_open_yet"
    BETWEEN_ROUNDS = "between_rounds"
    CLOSED = "closed"
    SUSPENDED = "suspended"
    UNKNOWN_CANDIDATE = "unknown_candidate"
    CANDIDATE_NOT_ELIGIBLE = "candidate_not_standing"
    BAD_QUANTITY = "bad_quantity"
    TOO_MANY = "too_many"
    BAD_NUMBER = "bad_number"
    FOREIGN_NUMBER = "foreign_number"
    NO_WALLET = "no_wallet"
    NOT_ITS_WALLET = "not_its_wallet"
    METHOD_UNAVAILABLE = "method_unavailable"
    WALLET_DOWN = "wallet_down"
    TOO_FEW = "too_few"
    ASKED_TOO_OFTEN = "asked_too_often"
    TOO_MANY_UNPAID = "too_many_unpaid"
    NOT_ACCEPTED = "not_accepted"
    TOO_MANY_HERE = "too_many_here"
    TOO_MANY_ORDERS = "too_many_orders"
    TRY_AGAIN = "try_again"


@record
class VoteRequest:
    """What a voter asked for, already confirmed by that voter.

    `key` is the channel's own idempotency key: the same key is the same order for ever.
    `voter` is the number that dialled or texted us; None when a number was typed on a page.
    `payer` is the number to charge. `prompt_delay_seconds` lets a USSD dialogue close first.
    `chat_id`: the chat that it came from, which is notified. `payment_code`: a code that the
    payer fetched from the operator, with which no prompt is needed. `orderer`: who orders, where that is
    not the paying phone or a chat. `network`: of the SIM that is `voter`, where its aggregator or
    carrier names it.
    """

    channel: Channel
    key: str
    contest: Contest
    candidate_code: str
    quantity: int
    method: PaymentMethod | None
    payer: Msisdn | None
    voter: Msisdn | None
    language: str = "fr"
    prompt_delay_seconds: int = 0
    request_hash: bytes = b""
    chat_id: int | None = None
    payment_code: str | None = field(default=None, repr=False)
    orderer: Orderer | None = None
    network: str | None = None

    @property
    def typed(self) -> bool:
        """Whether the number to charge was typed, and not proved to be the orderer's own."""
        return self.payer is not None and self.payer != self.voter


@record
class PricedOrder:
    """A vote request that passed every rule, priced. `provider`: key of the account that collects."""

    vote_request: VoteRequest
    candidate: Candidate
    amount: Money
    provider: str


@record
class PlacedOrder:
    """An order that is durable. `repeated`: the key was known and this is the first answer again;
    `conflicting`: the key was known with another request behind it, and nothing was changed."""

    vote_id: UUID
    payment_reference: UUID
    amount: Money
    repeated: bool = False
    conflicting: bool = False


def price_of(contest: Contest, quantity: int) -> Money:
    """The price of so many votes: a flat price per vote."""
    return contest.price.times(quantity)


def check_quantity(contest: Contest, quantity: int) -> Refusal | None:
    """Whether so many votes may be sold in one order."""
    if quantity < 1:
        return Refusal.BAD_QUANTITY
    if quantity > contest.quantity_max:
        return Refusal.TOO_MANY
    return None


def least_votes(contest: Contest, method: PaymentMethod | None, rails: Rails) -> int:
    """The smallest number of votes that a way to pay takes in this contest; 1 where none was chosen."""
    if method is None:
        return 1
    return max(1, -(-rails.minimum(contest.country, method) // contest.price.amount_minor))


def check_candidate(contest: Contest, code: str) -> Candidate | Refusal:
    """The candidate that this code means, when votes for it are sold."""
    candidate = contest.candidate(code)
    if candidate is None:
        return Refusal.UNKNOWN_CANDIDATE
    return candidate if candidate.eligible else Refusal.CANDIDATE_NOT_ELIGIBLE


def check_window(contest: Contest, now: datetime) -> Refusal | None:
    """Whether the contest sells votes at this instant."""
    if contest.state is ContestState.DRAFT or now < contest.opens_at:
        return Refusal.NOT_OPEN_YET
    if contest.state is ContestState.PUBLISHED and now < contest.closes_at and not contest.rounds:
        # Nearly every hop of a USSD dialogue ends here.
        return Refusal.SUSPENDED if contest.suspended else None
    match contest.phase_at(now):
        case Phase.OPEN:
            return Refusal.SUSPENDED if contest.suspended else None
        case Phase.COMING:
            return Refusal.NOT_OPEN_YET if last_begun(contest.rounds, now) is None else Refusal.BETWEEN_ROUNDS
    return Refusal.CLOSED


_NO_RAIL: Final = {
    NoRail.NOT_TAKEN_HERE: Refusal.METHOD_UNAVAILABLE,
    NoRail.CIRCUIT_OPEN: Refusal.WALLET_DOWN,
    NoRail.TOO_LITTLE: Refusal.TOO_FEW,
}


def check_vote_request(
    vote_request: VoteRequest, *, now: datetime, rails: Rails, draw: int = 0
) -> PricedOrder | Refusal:
    """Check a vote request before anything is written. `draw`: any number; spreads orders over equal accounts."""
    contest, method, payer = vote_request.contest, vote_request.method, vote_request.payer
    if refusal := check_window(contest, now):
        return refusal
    candidate = check_candidate(contest, vote_request.candidate_code)
    if isinstance(candidate, Refusal):
        return candidate
    if refusal := check_quantity(contest, vote_request.quantity):
        return refusal
    if method is None:
        return Refusal.NO_WALLET
    if payer is not None:
        if payer.country != contest.country:
            return Refusal.FOREIGN_NUMBER
        # The network is that of the SIM that orders, which a typed number need not be.
        network = None if vote_request.typed else vote_request.network
        if not may_have(payer, method, network):
            return Refusal.NOT_ITS_WALLET
    amount = price_of(contest, vote_request.quantity)
    rail = rails.choose(contest.country, method, amount, draw, with_code=vote_request.payment_code is not None)
    if isinstance(rail, NoRail):
        return _NO_RAIL[rail]
    if payer is None and rail.phone_needed:
        return Refusal.BAD_NUMBER
    return PricedOrder(vote_request, candidate, amount, rail.account)


@record
class NewOrder:
    """A priced order with its identifiers, ready to be written."""

    priced_order: PricedOrder
    vote_id: UUID
    payment_reference: UUID
    receipt: str


def refusal_at_insert(
    *, in_window: bool | None, eligible: bool | None, fraud: str | None, too_often: bool, too_many: bool
) -> Refusal:
    """Why an order was not written, though its vote request passed `check_vote_request`: by what the inserting
    statement saw. `fraud`: why a fraud rule refuses it, as `Refusal` has it. None: there is no such contest or
    candidate. Where no rule refuses it, its price changed."""
    if in_window is None or eligible is None:
        return Refusal.UNKNOWN_CANDIDATE
    if not in_window:
        return Refusal.CLOSED
    if fraud is not None:
        return Refusal(fraud)
    if too_often:
        return Refusal.ASKED_TOO_OFTEN
    if too_many:
        return Refusal.TOO_MANY_UNPAID
    return Refusal.TRY_AGAIN if eligible else Refusal.CANDIDATE_NOT_ELIGIBLE
