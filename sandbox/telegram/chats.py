"""Chats between people and a bot: messages as they now stand, keyboards, blocks."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.telegram.markup import Rows
from sandbox.telegram.photos import Picture
from sandbox.telegram.text import Entity, Marked

MESSAGES_KEPT: Final = 500
ANSWERS_KEPT: Final = 50
_NUMBERS_START: Final = 1_704_067_200


def first_number() -> int:
    """Where numbers of messages and updates begin: above those of any earlier run, for their reader keeps them."""
    return int(time.time() - _NUMBERS_START) * 8


@dataclass(slots=True)
class Person:
    """A person with a Telegram account. `language`: IETF tag, None where the client tells none."""

    id: int
    first_name: str = "Awa"
    language: str | None = "fr"

    def user(self) -> dict[str, object]:
        """As `User` of the Bot API."""
        shown: dict[str, object] = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        return shown if self.language is None else {**shown, "language_code": self.language}


@dataclass(slots=True)
class Message:
    """One message. `markup`: whatever keyboard came with it. `edits`: how often it was changed."""

    id: int
    at: int
    sender: Mapping[str, object]
    content: Marked
    markup: dict[str, Any] | None = None
    picture: Picture | None = None
    extra: dict[str, object] = field(default_factory=dict)
    edits: int = 0
    edited_at: int = 0

    @property
    def by_bot(self) -> bool:
        """The bot sent it."""
        return self.sender["is_bot"] is True

    @property
    def rows(self) -> Rows:
        """Buttons below it, as they are now."""
        rows: Rows = (self.markup or {}).get("inline_keyboard", [])
        return rows

    @property
    def may_be_edited(self) -> bool:
        """Of the bot, and without a keyboard of the other kinds."""
        return self.by_bot and (self.markup is None or "inline_keyboard" in self.markup)

    def buttons(self) -> Iterator[dict[str, Any]]:
        """Every button below it."""
        return itertools.chain.from_iterable(self.rows)


class Chat:
    """One person's chat with one bot. `started`: the bot may write. `keyboard`: keys in place of the
    person's own. `version` grows with every change."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.started = False
        self.blocked = False
        self.messages: dict[int, Message] = {}
        self.keyboard: dict[str, Any] | None = None
        self.answers: list[dict[str, object]] = []
        self.instance = str(random.SystemRandom().randrange(-(2**62), 2**62))
        self.version = 0
        self._numbers = itertools.count(first_number())
        self._news = asyncio.Event()

    def shown(self) -> dict[str, object]:
        """As `Chat` of the Bot API."""
        return {"id": self.person.id, "type": "private", "first_name": self.person.first_name}

    def changed(self) -> None:
        """Wake those who wait for news of the chat."""
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    async def newer_than(self, version: int, seconds: float) -> None:
        """Return once the chat has changed since `version`, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self.version <= version:
                    await self._news.wait()
        except TimeoutError:
            return

    def put(self, sender: Mapping[str, object], content: Marked, **more: Any) -> Message:  # noqa: ANN401 - fields of Message
        """Add a message."""
        message = Message(next(self._numbers), int(time.time()), sender, content, **more)
        self.messages[message.id] = message
        while len(self.messages) > MESSAGES_KEPT:
            del self.messages[next(iter(self.messages))]
        self._change_keys(message)
        self.changed()
        return message

    def _change_keys(self, message: Message) -> None:
        markup = message.markup or {}
        if "keyboard" in markup:
            self.keyboard = markup
        elif markup.get("remove_keyboard"):
            self.keyboard = None

    def edit(self, message: Message, content: Marked, markup: dict[str, Any] | None) -> bool:
        """Change a message; False when it is the same as before."""
        if (message.content, message.markup) == (content, markup):
            return False
        message.content, message.markup = content, markup
        message.edits += 1
        message.edited_at = int(time.time())
        self.changed()
        return True

    def answer(self, query: str, text: str, *, alert: bool) -> None:
        """A button stops spinning, perhaps with a word."""
        self.answers.append({"query_id": query, "text": text, "alert": alert})
        del self.answers[:-ANSWERS_KEPT]
        self.changed()

    def message(self, message: Message) -> dict[str, object]:
        """As `Message` of the Bot API."""
        shown: dict[str, object] = {
            "message_id": message.id,
            "date": message.at,
            "chat": self.shown(),
            "from": dict(message.sender),
            **message.extra,
        }
        entities: list[Entity] = list(message.content.entities)
        if message.picture is not None:
            shown["photo"] = message.picture.sizes()
        prefix = "caption_" if message.picture is not None else ""
        if message.content.text:
            shown["caption" if prefix else "text"] = message.content.text
        if entities:
            shown[f"{prefix}entities"] = entities
        if message.edits:
            shown["edit_date"] = message.edited_at
        if message.rows:
            shown["reply_markup"] = {"inline_keyboard": message.rows}
        return shown
