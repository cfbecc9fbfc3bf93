"""What the Telegram channel asks of storage: updates, chats, boards, and the bot's budget of sends."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID

from payments.collection.order_views import VoteLine


@dataclass(frozen=True, slots=True)
class Chat:
    """A private chat. `phone`: the number that its user has proved to hold, E.164, or None."""

    chat_id: int
    user_id: int
    language: str
    contest_id: UUID | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class KeptUpdate:
    """An update as it was received: its JSON."""

    update_id: int
    body: bytes


class UpdateStore(Protocol):
    """Updates as they arrive. Every method raises DatabaseUnavailable."""

    async def keep(self, update_id: int, chat_id: int | None, body: bytes) -> bool:
        """Durable when it returns; False when this update was kept before."""
        ...

    async def handled(self, update_id: int, outcome: str) -> None:
        """Nobody needs to look at it again."""
        ...

    async def left_over(self, older_than_seconds: float, limit: int) -> list[KeptUpdate]:
        """Updates that nobody has handled in this time, in their order; six times as long after each
        further try."""
        ...

    async def try_again(self, update_id: int) -> None:
        """Count one more try of an update, before it is made."""
        ...

    async def give_up(self, older_than_seconds: float, tries_max: int) -> Mapping[int, str]:
        """End what is too old to be answered, and what was tried so often. Returns each with its outcome:
        `too old` or `set aside`."""
        ...

    def lock(self) -> AbstractAsyncContextManager[bool]:
        """Hold the lock of whoever handles what is left over; yields False when another process does."""
        ...


@dataclass(frozen=True, slots=True)
class BoardFace:
    """What the boards of a contest show in one language: a hash of the text."""

    contest_id: UUID
    language: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class ShownBoard:
    """A ranking message that has to be edited."""

    chat_id: int
    message_id: int
    contest_id: UUID
    language: str


class ChatStore(Protocol):
    """Private chats and their ranking messages. Every method raises DatabaseUnavailable."""

    async def meet(self, chat_id: int, user_id: int, language: str) -> Chat:
        """The chat, seen now. `language`: for one that is new."""
        ...

    async def speak(self, chat_id: int, language: str) -> None:
        """The voter chose a language."""
        ...

    async def visit(self, chat_id: int, contest_id: UUID) -> None:
        """The voter looks at this contest."""
        ...

    async def verify(self, chat_id: int, phone: str) -> None:
        """The voter proved to hold this number, E.164."""
        ...

    async def reachable(self, chat_id: int, *, reachable: bool) -> None:
        """Whether messages to the chat arrive."""
        ...

    async def votes_of(self, chat: Chat, limit: int) -> tuple[VoteLine, ...]:
        """Orders placed in the chat, or by its verified number, newest first."""
        ...

    async def show_board(self, chat_id: int, message_id: int, face: BoardFace, seconds: float) -> int | None:
        """From now on this message is the chat's live ranking, for so long. Returns the message that
        was until now."""
        ...

    async def stale_boards(self, faces: Sequence[BoardFace], every_seconds: float, limit: int) -> list[ShownBoard]:
        """Live boards that show another text than `faces` say and were not edited for so long. They are
        taken to show it from now on."""
        ...

    async def forget_board_text(self, chat_id: int) -> None:
        """The edit failed: the board is stale again."""
        ...

    async def ended_boards(self, limit: int) -> list[ShownBoard]:
        """Boards whose time is over; they are no longer live."""
        ...


class Scope(Enum):
    """Whom a wait concerns."""

    CHAT = "chat"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class Wait:
    """A send has to wait so long: every one of the bot, or those to this chat."""

    seconds: float
    scope: Scope


class SendBudget(Protocol):
    """How fast one bot may send, over all processes. Never raises."""

    async def take(self, chat_id: int) -> Wait | None:
        """Take a place for a message to this chat; None when it may go now."""
        ...

    async def stop(self, seconds: float) -> None:
        """Telegram wants silence: nobody sends for so long."""
        ...


class WatchedOrders(Protocol):
    """Messages that follow an order, so that a restarted process finds them again. May be lost, and
    never raises: the receipt comes without it."""

    async def put(self, vote_id: UUID, message: bytes) -> None:
        """Remember."""
        ...

    async def drop(self, vote_id: UUID) -> None:
        """Forget."""
        ...

    async def all(self) -> Mapping[UUID, bytes]:
        """What is remembered."""
        ...
