"""One bot as Telegram keeps it: its chats, its updates, the taps it has to answer, its limits."""

import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from sandbox.phones.faults import TelegramFaults
from sandbox.telegram.chats import Chat, Message, Person
from sandbox.telegram.photos import Album
from sandbox.telegram.request import Parameters, Refused, bad
from sandbox.telegram.updates import Updates

QUERIES_KEPT: Final = 10_000
PERSON_MAX: Final = 2**52
BLOCKED: Final = "Forbidden: bot was blocked by the user"
# Loads a photo by its address; the integer is the most bytes. Raises Refused.
Fetch = Callable[[str, int], Awaitable[bytes]]


@dataclass(slots=True)
class _Bucket:
    """Places that are left, filled up as time passes; `closed_until` after they were overdrawn."""

    left: float
    at: float
    closed_until: float = 0.0

    def wait(self, now: float, per_second: float, burst: float) -> float:
        """Seconds until there is a place; 0 when there is one now. Takes nothing."""
        if now < self.closed_until:
            return self.closed_until - now
        self.left = min(burst, self.left + (now - self.at) * per_second)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) / per_second


class Limits:
    """How fast a bot may write: to one chat, and in all. Times are seconds of any clock that goes forward."""

    def __init__(self) -> None:
        self._chats: dict[int, _Bucket] = {}
        self._all: _Bucket | None = None

    def take(self, chat_id: int, now: float, faults: TelegramFaults) -> int:
        """0 when the message may go; else the whole seconds for which nothing more is taken."""
        total = self._all = self._all or _Bucket(faults.all_per_second, now)
        chat = self._chats.setdefault(chat_id, _Bucket(faults.chat_burst, now))
        waits = (
            (total, total.wait(now, faults.all_per_second, faults.all_per_second)),
            (chat, chat.wait(now, faults.chat_per_second, faults.chat_burst)),
        )
        bucket, wait = max(waits, key=lambda pair: pair[1])
        if wait:
            seconds = math.ceil(wait)
            if now >= bucket.closed_until:
                bucket.closed_until = now + seconds
            return seconds
        total.left -= 1
        chat.left -= 1
        return 0


@dataclass(frozen=True, slots=True)
class Query:
    """A tap that waits for its answer. `at`: seconds of a clock that only goes forward."""

    chat: Chat
    at: float


@dataclass
class Bot:
    """A bot. `profile`: what it set about itself and its commands, by method and language."""

    token: str
    username: str
    updates: Updates
    album: Album
    fetch: Fetch
    faults: Callable[[], TelegramFaults]
    chats: dict[int, Chat] = field(default_factory=dict)
    queries: dict[str, Query] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    profile: dict[tuple[str, ...], object] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The number in its token."""
        return int(self.token.partition(":")[0])

    def user(self) -> dict[str, object]:
        """As `User` of the Bot API."""
        return {"id": self.id, "is_bot": True, "first_name": "Spotlight", "username": self.username}

    def with_person(self, person_id: int) -> Chat:
        """The chat with a person, made when first used."""
        return self.chats.setdefault(person_id, Chat(Person(person_id)))

    def chat(self, given: Parameters) -> Chat:
        """The chat that a call names. Raises Refused."""
        written = given.text("chat_id").strip()
        if not written:
            raise bad("chat_id is empty")
        chat = self.chats.get(int(written)) if written.isascii() and written.isdecimal() and len(written) < 20 else None
        if chat is None or not chat.started:
            raise bad("chat not found")
        if chat.blocked:
            raise Refused(403, BLOCKED)
        return chat

    # What the person on the other side does. Each returns the update's number, None when it was not wanted.

    def receives(self, chat: Chat, message: Message) -> int | None:
        """The person sent a message."""
        chat.started = True
        return self.updates.add("message", chat.message(message), chat.person.id)

    def is_tapped(self, chat: Chat, message_id: int, data: str) -> str:
        """The person tapped a button. Returns the query's identifier."""
        query = str(random.SystemRandom().randrange(2**60))
        message = chat.messages.get(message_id)
        self.queries[query] = Query(chat, time.monotonic())
        while len(self.queries) > QUERIES_KEPT:
            del self.queries[next(iter(self.queries))]
        inaccessible = {"chat": chat.shown(), "message_id": message_id, "date": 0}
        content = {
            "id": query,
            "from": chat.person.user(),
            "message": inaccessible if message is None else chat.message(message),
            "chat_instance": chat.instance,
            "data": data,
        }
        self.updates.add("callback_query", content, chat.person.id)
        return query

    def is_blocked(self, chat: Chat, *, blocked: bool) -> int | None:
        """The person blocked the bot, or let it write again."""
        if chat.blocked == blocked:
            return None
        chat.blocked = blocked
        chat.changed()
        member = {"user": self.user(), "status": "member"}
        kicked = {"user": self.user(), "status": "kicked", "until_date": 0}
        content = {
            "chat": chat.shown(),
            "from": chat.person.user(),
            "date": int(time.time()),
            "old_chat_member": member if blocked else kicked,
            "new_chat_member": kicked if blocked else member,
        }
        return self.updates.add("my_chat_member", content, chat.person.id)
