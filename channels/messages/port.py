"""What sending texts asks of storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from channels.messages.texting import Routes


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A text to send. `to` is E.164; empty when only a chat is known. `vote_id`: the vote it is about,
    if it is about one. `attempts`: this one included. `carrier`: who sends it now; `ways`: who may
    carry it, in order. `chat_id`: the chat it goes to as long as that takes messages."""

    id: UUID
    vote_id: UUID | None
    kind: str
    to: str
    language: str
    params: Mapping[str, object]
    attempts: int
    carrier: str
    ways: tuple[str, ...]
    chat_id: int | None = None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What became of a text at its `attempts`-th try. `carrier`: who has it; of one that is due again,
    who is next. `retry_seconds` None: not looked at again."""

    id: UUID
    attempts: int
    status: str
    carrier: str
    carrier_message_id: str | None = None
    parts: int | None = None
    cost: str | None = None
    error: str | None = None
    retry_seconds: int | None = None


class MessageStore(Protocol):
    """Texts on their way."""

    async def claim_due(self, limit: int, routes: Routes) -> list[DueMessage]:
        """Take due texts under a lease, each with the carrier that sends it, written down before it is
        asked. One whose lease ran out may have been sent: it becomes `unknown`, and is only taken
        again when reports prove that it was not. What nobody asked for waits for its hour."""
        ...

    async def record_sent(self, results: Sequence[SentMessage]) -> None:
        """Store what the carrier said."""
        ...
