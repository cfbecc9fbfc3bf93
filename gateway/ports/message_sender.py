"""What the house asks of a carrier of text messages."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutboundText:
    """One text to one number (E.164), already within the carrier's alphabet."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class SendAccepted:
    """The carrier took it. `cost` is the carrier's own text, e.g. `XOF 12.0000`."""

    carrier_message_id: str
    cost: str | None = None


@dataclass(frozen=True, slots=True)
class SendRefused:
    """The carrier did not take it. `permanent`: trying again is useless."""

    code: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class SendUnknown:
    """It may have been sent: the answer was lost."""

    error: str


SendResult = SendAccepted | SendRefused | SendUnknown


class MessageSender(Protocol):
    """One carrier."""

    @property
    def code(self) -> str:
        """The one word for module, URL segment, environment prefix and case file."""
        ...

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text. Never raises for anything that a carrier may answer."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
