"""What the house offers to every channel, page and API: one protocol, bound once at start-up.

Reads of contests and rankings are plain attributes of memory (a snapshot a second old at most);
whatever touches PostgreSQL is awaited.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from gateway.domain.contest import Contest
from gateway.domain.money import Money
from gateway.domain.msisdn import Msisdn
from gateway.domain.order import PlacedOrder, Refusal, Wish
from gateway.domain.payment import PublicStatus
from gateway.domain.rescue import Claim, Rescue
from gateway.domain.routing import Rails
from gateway.domain.tally import Standing
from gateway.domain.wallet import PaymentMethod
from gateway.ports.dialogues import Reached


class HouseUnavailable(Exception):
    """PostgreSQL did not answer in time. Nothing was changed; the same request may be repeated."""


@dataclass(frozen=True, slots=True)
class OrderView:
    """What may be told about an order to whoever holds its unguessable id.

    `reason`: one word, see `PayerReason`, or `review` / `refund_pending`. `receipt`: only once
    counted. `payment_url`: the hosted page of a redirect wallet, once the operator gave it.
    `pay_before`: the operator's deadline for the payer; None until the operator has accepted the
    request. `asked`: whether the payer can approve by now.
    """

    vote_id: UUID
    contest_slug: str
    candidate_code: str
    candidate_name: str
    quantity: int
    amount: Money
    status: PublicStatus
    reason: str | None
    receipt: str | None
    method: PaymentMethod
    payer_masked: str
    payment_url: str | None
    placed_at: datetime
    pay_before: datetime | None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class VoteLine:
    """One line of a voter's own votes, newest first."""

    candidate_code: str
    candidate_name: str
    quantity: int
    status: PublicStatus
    receipt: str | None
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The entry of a tally that takes a counted vote out of it. `reason`: as the tally says it to everybody."""

    number: int
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What a receipt proves. It names no person. `taken_back`: the vote was counted, and is no more."""

    receipt: str
    contest_slug: str
    contest_name: str
    candidate_code: str
    candidate_name: str
    quantity: int
    amount: Money
    tally_number: int
    counted_at: datetime
    taken_back: TakenBack | None = None


@dataclass(frozen=True, slots=True)
class IncomingText:
    """A text as a carrier handed it over. `sender` is raw: it may be a word or a short code."""

    carrier: str
    carrier_id: str
    sender: str
    recipient: str
    text: str
    network: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """An order that a voter was asked about by text; YES places it under `key`, once. `quantity` 0: the question
    is how many votes."""

    contest_slug: str
    candidate_code: str
    quantity: int
    amount: Money
    key: str


@dataclass(frozen=True, slots=True)
class Talk:
    """What went before a text. `replies`: texts that answered its sender in the last hour. `opted_out`:
    whether the sender said STOP. `bought`: whether an equal text of theirs placed an order within three
    minutes. `question`: the one that is open."""

    replies: int = 0
    opted_out: bool = False
    bought: bool = False
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class IncomingCallback:
    """A callback as received. `token` is the last part of the URL, if any; `body` is raw."""

    provider: str
    token: str | None
    method: str
    headers: Mapping[str, str]
    body: bytes
    remote: str


class Taken(StrEnum):
    """What became of a callback."""

    STORED = "stored"
    TOO_MANY = "too_many"  # of those that prove nothing; it is stored nowhere
    STALE = "stale"  # its signature is of another time; it is stored nowhere


class House(Protocol):
    """The use cases, bound to their ports."""

    @property
    def rails(self) -> Rails:
        """The ways in which money is taken, and what is closed of them now."""
        ...

    def contests(self) -> tuple[Contest, ...]:
        """Every published contest."""
        ...

    def contest(self, slug: str) -> Contest | None:
        """A contest by the word in its address."""
        ...

    def contest_by_id(self, contest_id: UUID) -> Contest | None:
        """A contest by id."""
        ...

    def contests_by_service_code(self, code: str) -> tuple[Contest, ...]:
        """Contests that share a USSD service code such as `*789#`."""
        ...

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        """Contests that share an SMS short code."""
        ...

    def standing(self, slug: str) -> Standing:
        """The ranking as last published. KeyError for an unknown contest."""
        ...

    def now(self) -> datetime:
        """UTC."""
        ...

    async def place_order(self, wish: Wish) -> PlacedOrder | Refusal:
        """Sell. Durable when it returns; the same key gives the same order. HouseUnavailable."""
        ...

    async def order(self, vote_id: UUID) -> OrderView | None:
        """What became of an order. HouseUnavailable."""
        ...

    async def changed_orders(self, known: Mapping[UUID, str]) -> Mapping[UUID, tuple[str, OrderView]]:
        """Of many orders at once, those that changed since their mark in `known` was handed out (empty:
        never), each with its new mark. HouseUnavailable."""
        ...

    async def payment_links(self, vote_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Of many orders at once, the operator's pages that are known, whether paid meanwhile or not.
        HouseUnavailable."""
        ...

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        """A number's latest orders in a contest, as voter or as payer. HouseUnavailable."""
        ...

    async def receipt(self, code: str) -> ReceiptView | None:
        """The counted vote behind a receipt code whose check character holds. HouseUnavailable."""
        ...

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        """What became of the latest payments that this is about, asked of their operators while the caller
        waits. What they confirm is counted as ever; what stays unclear gets a ticket. HouseUnavailable."""
        ...

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        """Have a person look at these payments; the ticket's number, of the open one if there is one. None
        where nobody's number is known. HouseUnavailable."""
        ...

    def number_key(self, number: Msisdn) -> str:
        """The keyed hash by which something of a number is looked up."""
        ...

    def note_language(self, voter: Msisdn, language: str) -> None:
        """A voter chose a language. Kept soon; never blocks and never raises."""
        ...

    def note_reached(self, reached: Reached) -> None:
        """A voter chose a candidate and has not bought yet. Kept soon; never blocks and never raises."""
        ...

    def note_ordered(self, voter: Msisdn, contest_id: UUID) -> None:
        """A voter bought after all. Never blocks and never raises."""
        ...

    async def store_callback(self, callback: IncomingCallback) -> Taken:
        """Durable when it returns that it is stored; judged later. HouseUnavailable."""
        ...

    async def store_text(self, text: IncomingText) -> bool:
        """Durable when it returns; answered later. False when this id was stored before."""
        ...

    async def talk(self, text: IncomingText) -> Talk:
        """What went before a stored text, between its sender and its short code. HouseUnavailable."""
        ...

    async def store_delivery_report(
        self, carrier: str, carrier_message_id: str, status: str, phone: str, failure: str | None
    ) -> None:
        """Durable when it returns. Unknown ids and words are stored too. HouseUnavailable."""
        ...


class SessionStore(Protocol):
    """Short-lived state of a dialogue. Losing it costs the voter a few key presses, never money."""

    async def get(self, key: str) -> bytes | None:
        """The stored bytes; None when absent or when the store does not answer in time."""
        ...

    async def get_all(self, *keys: str) -> list[bytes | None]:
        """The same for several keys in one trip."""
        ...

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        """Store with a time to live. A store that does not answer is logged, not raised."""
        ...

    def put_soon(self, *entries: tuple[str, bytes, int]) -> None:
        """Store keys and values with their times to live, without waiting: whoever reads a screen types
        again seconds later. Never raises."""
        ...
