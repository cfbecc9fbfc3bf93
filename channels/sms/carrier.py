"""What a carrier's translator does: texts in, delivery reports in, texts out; and by which sender id it sends."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, BeforeValidator

from channels.messages.carrier import IncomingText, MessageSender
from channels.messages.rules import country_of
from gateway.http.raw_exchange import RawRequest

FIELD_LENGTH_MAX: Final = 100
_TEXT_LENGTH_MAX: Final = 2_000
_BARE_NUMBER: Final = re.compile(r"[1-9][0-9]{9,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a text we sent. `status`: the carrier's own value; `channels.messages.rules` names
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
        """Read a text that a person sent us."""
        ...

    def read_delivery_report(self, request: RawRequest) -> DeliveryReport | Malformed:
        """Read a delivery report."""
        ...


def incoming(
    carrier: str, fields: Mapping[str, str], text: str, network: str | None = None
) -> IncomingText | Malformed:
    """A text that a person sent, from the fields `id`, `from` and `to`, which carriers name alike."""
    carrier_id = fields.get("id", "")
    if not carrier_id or len(carrier_id) > FIELD_LENGTH_MAX:
        return Malformed("no id")
    if len(text) > _TEXT_LENGTH_MAX:
        return Malformed("text too long")
    recipient = fields.get("to", "").strip()[:FIELD_LENGTH_MAX]
    return IncomingText(carrier, carrier_id, number(fields.get("from", "")), recipient, text, network)


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot keep: NUL and halves of surrogate pairs. One that cannot be stored
    would be repeated for hours."""
    return text.encode(errors="replace").decode().replace("\x00", "")


def number(given: str) -> str:
    """A number in E.164, where its `+` was lost, decoded as a space, or is `00`; words and short codes as they are."""
    bare = given.strip()[:FIELD_LENGTH_MAX]
    digits = bare.removeprefix("00")
    return f"+{digits}" if _BARE_NUMBER.fullmatch(digits) else bare


@dataclass(frozen=True, slots=True)
class Registration:
    """How a carrier file announces itself: see `payments.registration`. `own_server`: it is a program in our own
    network, which may be called over plain http."""

    code: str
    settings: type[BaseModel]
    build: Callable[[Any], SmsCarrier]
    in_test: Callable[[Any], bool] = lambda _: False
    own_server: bool = False


def read_senders(text: object) -> object:
    """`7890`, or `7890,CM:7800`: one for all, others for the numbers of a country, which is then their
    key. ValueError when it is neither."""
    if not isinstance(text, str):
        return text
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        country, colon, sender = entry.rpartition(":")
        country, sender = country.strip().upper(), sender.strip()
        if bool(colon) != (len(country) == 2) or not sender:
            raise ValueError("write a sender, or several as 7890,CM:7800")
        if country in found:
            raise ValueError(f"two senders for {country or 'all countries'}")
        found[country] = sender
    return found


Senders = Annotated[Mapping[str, str], BeforeValidator(read_senders)]
"""Country → sender; the empty word stands for every other country. See `read_senders`."""


def sender_to(senders: Mapping[str, str], number: str) -> str | None:
    """Whose name a text to this number bears; None leaves it to the carrier."""
    if not senders:
        return None
    # Finding a number's country is slow, and most installations have one sender.
    own = senders.get(country_of(number) or "") if senders.keys() != {""} else None
    return own or senders.get("")
