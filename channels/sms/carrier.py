"""What a carrier's translator does: texts in, delivery reports in, texts out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from channels.messages.carrier import IncomingText, MessageSender
from gateway.http.raw_exchange import RawRequest


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a text we sent. `status`: the carrier's own word; `channels.messages.rules` names
    those that end a text's journey, for carriers that have no words. `phone` may be empty."""

    carrier_message_id: str
    status: str
    phone: str
    failure: str | None


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not a request of this carrier; `fault` is for the log."""

    fault: str


class SmsCarrier(MessageSender, Protocol):
    """One carrier. Reading is pure and never raises."""

    @property
    def method(self) -> str:
        """How it calls us: `POST` with a form, or `GET` with a query."""
        ...

    @property
    def thanks(self) -> str:
        """The text of our answer once a call is stored."""
        ...

    def read_message(self, request: RawRequest) -> IncomingText | Malformed:
        """Read a text that somebody sent us."""
        ...

    def read_delivery_report(self, request: RawRequest) -> DeliveryReport | Malformed:
        """Read a delivery report."""
        ...


@dataclass(frozen=True, slots=True)
class Registration:
    """How a carrier file announces itself: see `payments.registration`. `own_server`: it is a program in our own
    network, which may be called over plain http."""

    code: str
    settings: type[BaseModel]
    build: Callable[[Any], SmsCarrier]
    in_test: Callable[[Any], bool] = lambda _: False
    own_server: bool = False
