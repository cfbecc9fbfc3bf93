"""What the service asks of a carrier of text messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutboundText:
    """One text to one number (E.164), already within the carrier's alphabet; or, for a sender of chat
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
    our account there (key, sender id, balance) or of how it is set up: somebody has to mend it, and
    another carrier may take the text. `retry_after_seconds`: the carrier's own vote request.
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


class ChatSender(MessageSender, Protocol):
    """Whoever carries messages to chats, which speak otherwise than texts."""

    def write(self, kind: str, language: str, values: Mapping[str, object]) -> str | None:
        """The message of this kind for a chat; None where it is worded as a text is. KeyError for a missing
        fact."""
        ...
