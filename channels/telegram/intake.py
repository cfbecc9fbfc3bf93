"""Updates: stored before they are answered, handled afterwards, and found again where they were not finished.

Telegram repeats an update until it gets a 2xx and then never again, so none is answered before it is durable.
Handling may be cut off at any point and is then done once more: orders have keys, so at worst a message comes
twice. After three tries an update is set aside.
"""

import asyncio
import contextlib
from typing import Any, Final

import orjson
import structlog
from aiogram import Bot, Dispatcher
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.types import Update
from aiogram.types.update import UpdateTypeLookupError
from pydantic import ValidationError

from channels.grammar import without_pin
from channels.telegram.context import Context, language_hint, repeat
from channels.telegram.routes import NotAnUpdate
from channels.telegram.sending import SendTimeout
from channels.telegram.store import TelegramStore
from channels.telegram.texts import say
from gateway.http.logs import begin_request
from gateway.storage.engine import DatabaseUnavailable

HANDLE_SECONDS: Final = 15.0
# Longer than an update is handled: its process is gone.
UNFINISHED_SECONDS: Final = 20.0
TRIES_MAX: Final = 3
# An older one is not answered any more: the voter no longer expects it.
TOO_OLD_SECONDS: Final = 600.0
CHECK_SECONDS: Final = 5.0
AT_ONCE: Final = 64
BATCH: Final = 100
CLOSE_SECONDS: Final = 10.0
# Errors that pass by themselves: the update is tried again.
TEMPORARY: Final = (
    DatabaseUnavailable,
    TelegramNetworkError,
    TelegramServerError,
    TelegramRetryAfter,
    ClientDecodeError,
    SendTimeout,
    TimeoutError,
)
_log = structlog.get_logger(__name__)


class Intake:
    """Stores and handles the updates of this process."""

    def __init__(self, bot: Bot, dispatcher: Dispatcher, context: Context, store: TelegramStore) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._context = context
        self._store = store
        self._running: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def take(self, body: bytes) -> bool:
        """Store an update and begin to handle it; False when it was stored before.

        Raises NotAnUpdate, and DatabaseUnavailable when it could not be stored.
        """
        update = self._read(body)
        if (safe := self._without_pin(update, body)) != body:
            body, update = safe, self._read(safe)
        new = await self._store.store(update.update_id, _chat_of(update), body)
        if new:
            task = asyncio.create_task(self._handle(update), name=f"update {update.update_id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        else:
            _log.info("update_repeated", update=update.update_id)
        return new

    def _without_pin(self, update: Update, body: bytes) -> bytes:
        """The update as it may be stored: with stars for a PIN in its text, or in the text that it answers."""
        contests, written = self._context.service.contests(), update.message
        answered = written.reply_to_message if written is not None else None
        texts = [message.text for message in (written, answered) if message is not None and message.text]
        if all(without_pin(text, contests) == text for text in texts):
            return body
        content = orjson.loads(body)
        for message in (content["message"], content["message"].get("reply_to_message")):
            if message and message.get("text"):
                message["text"] = without_pin(message["text"], contests)
        return orjson.dumps(content)

    def _read(self, body: bytes) -> Update:
        try:
            body.decode()
            return Update.model_validate_json(body, context={"bot": self._bot})
        except (ValidationError, UnicodeDecodeError) as error:
            raise NotAnUpdate(type(error).__name__) from error

    async def _handle(self, update: Update) -> None:
        begin_request(f"update-{update.update_id}")
        try:
            async with self._slots, asyncio.timeout(HANDLE_SECONDS):
                outcome = await self._outcome(update)
            await self._store.mark_handled(update.update_id, outcome)
        except TEMPORARY as error:
            _log.warning("update_waits", update=update.update_id, error=type(error).__name__, why=str(error)[:80])

    async def _outcome(self, update: Update) -> str:
        """What became of it, in a word. Raises temporary errors."""
        try:
            update.event_type  # noqa: B018 - raises for kinds that aiogram does not know
            answer: Any = await self._dispatcher.feed_update(self._bot, update)
        except UpdateTypeLookupError:
            return "ignored"
        except TelegramForbiddenError:
            if (chat_id := _chat_of(update)) is not None:
                await self._context.chats.set_reachable(chat_id, reachable=False)
            return "unreachable"
        except TEMPORARY:
            raise
        except Exception:
            # An update that our code cannot handle must not come back for ever.
            _log.exception("update_failed", update=update.update_id)
            await self._apologise(update)
            return "failed"
        return "ignored" if answer is UNHANDLED else "done"

    async def _apologise(self, update: Update) -> None:
        event = update.callback_query or update.message
        chat_id = _chat_of(update)
        if event is None or chat_id is None or chat_id < 0:
            return
        language = language_hint(event.from_user.language_code if event.from_user else None)
        with contextlib.suppress(TelegramAPIError, ClientDecodeError, SendTimeout):
            await self._bot.send_message(chat_id, say(language, "alert.failed"))

    async def run(self) -> None:
        """Handle unfinished updates until cancelled."""
        await repeat("unfinished updates", CHECK_SECONDS, self.finish)

    async def finish(self, older_than_seconds: float = UNFINISHED_SECONDS) -> int:
        """Handle updates that were not finished, in their order; how many. One process at a time does."""
        async with self._store.lock() as mine:
            if not mine:
                return 0
            for update_id, outcome in (await self._store.give_up(TOO_OLD_SECONDS, TRIES_MAX)).items():
                _log.error("update_given_up", update=update_id, outcome=outcome)
            unfinished = await self._store.unfinished(older_than_seconds, BATCH)
            for update in unfinished:
                # Counted first: an update that kills the process must not come back for ever.
                await self._store.count_try(update.update_id)
                await self._handle(self._read(update.body))
            return len(unfinished)

    async def wait_idle(self) -> None:
        """Wait until nothing is being handled."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def close(self) -> None:
        """Give updates in progress some time to finish; the others are found again."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _chat_of(update: Update) -> int | None:
    if update.message is not None:
        return update.message.chat.id
    if update.callback_query is not None and update.callback_query.message is not None:
        return update.callback_query.message.chat.id
    return update.my_chat_member.chat.id if update.my_chat_member is not None else None
