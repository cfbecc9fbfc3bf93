"""What the service and a carrier of texts hand each other."""

from dataclasses import dataclass
from typing import Protocol


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
class OutboundText:
    """One text to one number (E.164), already within the carrier's alphabet; or, for a carrier of chat
    messages, to a chat's number. `reference`: our own id of the text, the same at every try, for
    carriers that let us name it."""

    to: str
    text: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class SendAccepted:
    """The carrier took it. `cost` is the carrier's own text, e.g. `XOF 12.0000`."""

    carrier_message_id: str
    cost: str | None = None


@dataclass(frozen=True, slots=True)
class SendRefused:
    """The carrier certainly did not take it, for the reason `code`.

    `permanent`: trying the same again is useless. `ours`: not because of this number or text but of
    our account there (key, sender id, balance) or of how it is set up: a person has to mend it, and
    another carrier may take the text. `retry_after_seconds`: the wait that the carrier asks for.
    """

    code: str
    permanent: bool
    ours: bool = False
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class SendUnknown:
    """It may have been sent: the answer was lost."""

    error: str


SendResult = SendAccepted | SendRefused | SendUnknown


class MessageSender(Protocol):
    """The sending side of a carrier, of texts or of chat messages."""

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
