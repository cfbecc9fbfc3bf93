"""Which orders of a contest somebody asks for. Plain functions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from admin.answers import AsOf, as_utc
from gateway.http.endpoint import Line
from gateway.orders.rules import Channel
from gateway.orders.wallet import PaymentMethod
from payments.lifecycle import State

Instant = Annotated[AwareDatetime, AfterValidator(as_utc)]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class OrderState(StrEnum):
    """What became of an order."""

    OPEN = "open"
    COUNTED = "counted"
    HELD = "held"
    TO_REFUND = "to_refund"
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"


STATUSES: Final[Mapping[OrderState, tuple[State, ...]]] = {
    OrderState.OPEN: (State.CREATED, State.SENT, State.PENDING, State.CONFIRMED),
    OrderState.COUNTED: (State.SETTLED,),
    OrderState.HELD: (State.HELD,),
    OrderState.TO_REFUND: (State.SURPLUS, State.MISMATCHED, State.REFUND_DUE),
    OrderState.REFUNDED: (State.REFUNDED,),
    OrderState.FAILED: (State.FAILED,),
    OrderState.EXPIRED: (State.EXPIRED,),
}
"""The states of a payment that each means."""


class OrderFilter(AsOf):
    """Which orders of a contest; all of them without anything named."""

    since: Instant | None = Field(None, alias="from", description="Placed at this instant or later.")
    until: Instant | None = Field(None, alias="to", description="Placed before this instant.")
    state: OrderState | None = Field(
        None, description="Only those of which this became; with asOf, had become by then."
    )
    wallet: PaymentMethod | None = Field(None, description="Only those paid this way.")
    channel: Channel | None = Field(None, description="Only those that came this way.")
    candidate: Line | None = Field(None, max_length=20, description="Only those for this candidate, by code.")
    amount_from: int | None = Field(None, ge=0, lt=10**15, description="Of this amount or more, in minor units.")
    amount_to: int | None = Field(None, ge=0, lt=10**15, description="Of this amount or less, in minor units.")

    @model_validator(mode="after")
    def _in_order(self) -> "OrderFilter":
        if self.since and self.until and self.since >= self.until:
            raise ValueError("from must be before to")
        if self.amount_from is not None and self.amount_to is not None and self.amount_from > self.amount_to:
            raise ValueError("amountFrom must not be above amountTo")
        return self

    def named(self) -> dict[str, Any]:
        """What is asked for, by the names of the API, without the moment as of which."""
        held = self.model_dump(mode="json", by_alias=True, include=set(OrderFilter.model_fields), exclude={"as_of"})
        return {name: value for name, value in held.items() if value is not None}

    def query(self) -> str:
        """The same as the end of an address; empty for all orders."""
        return urlencode(self.named())


class OrderListing(OrderFilter):
    """Which orders of a contest, and from where on."""

    cursor: str | None = Field(
        None, pattern=r"^[0-9]{1,16}-[0-9a-f]{32}$", description="As the part before it named it."
    )
    limit: int = Field(50, ge=1, le=500, description="At most so many.")


def cursor_of(placed_at: datetime, vote_id: UUID) -> str:
    """A place in the list, behind this order."""
    return f"{(placed_at - _EPOCH) // _MICROSECOND}-{vote_id.hex}"


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The order behind which the list goes on."""
    micros, _, vote = cursor.partition("-")
    return _EPOCH + int(micros) * _MICROSECOND, UUID(vote)
