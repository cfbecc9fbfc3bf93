"""What the vote API takes and gives."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AliasPath, AwareDatetime, BeforeValidator, Field, model_validator

from gateway.contests.contest import Contest
from gateway.http.endpoint import ApiModel, InputModel
from gateway.orders.wallet import PaymentMethod
from leaderboard.log.inclusion import Inclusion
from leaderboard.log.notes import to_base64
from payments.collection.order_views import ReceiptView
from payments.lifecycle import PublicStatus


def _whole(value: object) -> object:
    """A JSON number without a fraction, as the integer it is: 5 and 5.0, never true or "5"."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a whole number is wanted")


Whole = Annotated[int, BeforeValidator(_whole)]
Moment = AwareDatetime
# The two parts of an object's `amount`.
Minor = Annotated[int, Field(validation_alias=AliasPath("amount", "amount_minor"))]
Currency = Annotated[str, Field(validation_alias=AliasPath("amount", "currency"))]


class VoteOrder(InputModel):
    """An order of votes: for whom, how many, and who pays."""

    contest: str | None = Field(None, max_length=64, description="The contest's word in its address.")
    candidate_code: str | None = Field(None, max_length=16, description="The candidate's code, such as 07.")
    candidate_id: UUID | None = Field(None, description="Instead of contest and candidateCode.")
    quantity: Whole = Field(description="Number of votes, from 1 to the contest's maximum.")
    payment_method: PaymentMethod | None = Field(None, description="Guessed by the number when absent.")
    voter_phone: str = Field("", max_length=64, description="The number that pays; a card needs none.")

    @model_validator(mode="after")
    def _names_a_candidate(self) -> Self:
        if self.candidate_id is None and (self.contest is None or self.candidate_code is None):
            raise ValueError("contest and candidateCode, or candidateId, are wanted")
        return self


class OrderPlaced(ApiModel):
    """An order that is stored. Its payer is asked next."""

    vote_id: UUID = Field(description="Asks for the order's state; keep it to yourself.")
    transaction_id: UUID = Field(description="Reference of the payment, the same at the operator.")
    status: PublicStatus
    amount: int = Field(description="In minor units of the currency; XOF has none.")
    currency: str
    payment_url: str | None = Field(
        description="The operator's page where the payer approves, if known within a second."
    )


class VoteState(ApiModel):
    """What became of an order."""

    vote_id: UUID
    status: PublicStatus
    reason: str | None = Field(description="Why it was not counted, in one word.")
    receipt: str | None = Field(description="Once counted: proves the vote at /verify/{receipt}.")
    contest: str = Field(validation_alias="contest_slug")
    candidate_code: str
    quantity: int
    amount: Minor
    currency: Currency
    payment_method: PaymentMethod = Field(validation_alias="method")
    payment_url: str | None = Field(description="The operator's page where the payer approves, once known.")
    placed_at: Moment
    pay_before: Moment | None = Field(description="The operator's deadline, once it has accepted the request.")


class Price(ApiModel):
    """An amount of money."""

    amount: int = Field(description="In minor units of the currency.")
    currency: str


class ContestCard(ApiModel):
    """A contest as the public knows it."""

    slug: str
    name: str
    country: str
    price: Price = Field(description="Of one vote.")
    opens_at: Moment
    closes_at: Moment
    open: bool = Field(description="Whether votes are sold now.")
    quantity_max: int = Field(description="Most votes in one order.")
    service_code: str = Field(description="To dial.")
    short_code: str = Field(description="To text to.")
    keyword: str
    language: str


class ContestList(ApiModel):
    """Every published contest."""

    contests: list[ContestCard]


class FormerName(ApiModel):
    """A name that a candidate had while votes were sold."""

    name: str = Field(validation_alias="former")
    until: Moment = Field(validation_alias="at")
    reason: str = Field(description="Why it changed; may be empty.")


class CandidateCard(ApiModel):
    """A candidate who can be voted for."""

    id: UUID
    code: str
    name: str
    category: str = Field("", description="Empty where candidates all stand together.")
    former_names: list[FormerName] = Field(
        [], validation_alias="renamed", description="Since votes were first sold, the latest first."
    )


class CandidateList(ApiModel):
    """The candidates of a contest, in order of their codes."""

    contest: str
    candidates: list[CandidateCard]


class TakenBackEntry(ApiModel):
    """The entry of the tally that took a counted vote back."""

    tally_number: int = Field(validation_alias="number", description="Its place in the contest's tally.")
    at: Moment
    reason: str = Field(description="As published in the tally.")


class LogProof(ApiModel):
    """What shows that a vote is in the log of its contest, see RFC 9162 section 2.1.3."""

    index: int = Field(description="Of the leaf, from 0.")
    tree_size: int = Field(description="Leaves that the checkpoint states.")
    leaf: str = Field(description="In base64; its hash is SHA-256 of a zero byte and it.")
    proof: list[str] = Field(description="Hashes in base64, from the leaf's sibling to the root's child.")
    checkpoint: str = Field(description="Signed note of the log, with its cosignatures.")

    @classmethod
    def of(cls, found: Inclusion) -> Self:
        """That of a vote."""
        return cls(
            index=found.index,
            tree_size=found.size,
            leaf=to_base64(found.leaf),
            proof=[to_base64(one) for one in found.path],
            checkpoint=found.checkpoint,
        )


class Verified(ApiModel):
    """A counted vote, proved by its receipt. It names no person."""

    receipt: str
    contest: str = Field(validation_alias="contest_slug")
    candidate: str = Field(validation_alias="candidate_code")
    candidate_name: str
    quantity: int
    amount: Minor
    currency: Currency
    tally_number: int = Field(description="Place of the vote in the contest's tally, from 1.")
    counted_at: Moment
    taken_back: TakenBackEntry | None = Field(
        None, description="Absent while the vote counts; else the entry that took it out of the tally."
    )
    log: LogProof | None = Field(None, description="Null until a checkpoint of the contest's log has the vote.")
    salt: str | None = Field(
        None,
        description="16 bytes in hexadecimal. SHA-256 of them and the receipt, or the voter's number such as "
        "+2250501020304, is what the leaf says of either. Show it to nobody who should not know.",
    )
    leaf_key: str | None = Field(
        None,
        description="32 bytes in hexadecimal that open the leaf where it is sealed, and no other one. Keep it to "
        "yourself until the result is announced.",
    )

    @classmethod
    def of(cls, receipt: ReceiptView, inclusion: Inclusion | None) -> Self:
        """That of a receipt."""
        read = cls.model_validate(receipt)
        if inclusion is None:
            return read
        salt, key = (None if held is None else held.hex() for held in (inclusion.salt, inclusion.leaf_key))
        return read.model_copy(update={"log": LogProof.of(inclusion), "salt": salt, "leaf_key": key})


def card_of(contest: Contest, now: datetime) -> ContestCard:
    """A contest as the API returns it at this instant."""
    return ContestCard(
        slug=contest.slug,
        name=contest.name,
        country=contest.country,
        price=Price(amount=contest.price.amount_minor, currency=contest.currency),
        opens_at=contest.opens_at,
        closes_at=contest.closes_at,
        open=contest.open_at(now),
        quantity_max=contest.quantity_max,
        service_code=contest.dial_code,
        short_code=contest.short_code,
        keyword=contest.keyword,
        language=contest.language,
    )
