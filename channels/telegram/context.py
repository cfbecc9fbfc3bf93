"""What every handler works with: who writes, the service, the chats, and how a view becomes a message."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import structlog
from aiogram import BaseMiddleware, Bot
from aiogram.enums import ChatType
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest
from aiogram.fsm.context import FSMContext
from aiogram.types import (
    CallbackQuery,
    InaccessibleMessage,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    Message,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    TelegramObject,
)

from channels.grammar import Command
from channels.phrases import languages
from channels.session_store import SessionStore
from channels.telegram.buttons import Button
from channels.telegram.reading import Offer, find_contest, offer, read_words
from channels.telegram.store import Chat, TelegramStore
from channels.telegram.texts import ALERT_UNITS_MAX, CAPTION_UNITS_MAX, cut, say, units
from channels.telegram.views import View
from channels.voting_service import VotingService
from gateway.contests.contest import Candidate, Contest
from gateway.orders.rules import Refusal
from gateway.storage.engine import DatabaseUnavailable

PHOTO_SECONDS: Final = 7 * 24 * 3600
_LINK_LENGTH_MAX: Final = 64
_log = structlog.get_logger(__name__)


async def repeat(what: str, seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Act, with pauses of so many seconds, until cancelled. An error costs one round."""
    away = False
    while True:
        try:
            await act()
            away = False
        except DatabaseUnavailable as error:
            if not away:
                _log.warning("telegram_waits_for_database", what=what, error=str(error))
            away = True
        except Exception:  # an error about one chat must not stop the others
            _log.exception("telegram_task_failed", what=what)
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the bot: where it is, and whether its text can be edited."""

    chat_id: int
    message_id: int
    editable: bool


def _shown_in(query: CallbackQuery) -> Shown | None:
    """The message of a tapped button; None where Telegram does not name it."""
    message = query.message
    if message is None:
        return None
    editable = not isinstance(message, InaccessibleMessage) and message.text is not None
    return Shown(message.chat.id, message.message_id, editable)


def is_unchanged(error: TelegramBadRequest) -> bool:
    """Whether an edit failed only because there was nothing to change."""
    return "message is not modified" in error.message


def is_gone(error: TelegramBadRequest) -> bool:
    """Whether the message cannot be edited any more, or is not there."""
    return "message to edit not found" in error.message or "message can't be edited" in error.message


Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove


def inline(view: View) -> InlineKeyboardMarkup | None:
    """The buttons below a message; None when it has none."""
    if not view.rows:
        return None
    return InlineKeyboardMarkup(inline_keyboard=[[_button(button) for button in row] for row in view.rows])


def markup(view: View) -> Markup | None:
    """What goes with a new message: its buttons, or the key that shares the number."""
    if view.asks_contact is not None:
        key = KeyboardButton(text=view.asks_contact, request_contact=True)
        return ReplyKeyboardMarkup(keyboard=[[key]], resize_keyboard=True, one_time_keyboard=True)
    if view.frees_keys:
        return ReplyKeyboardRemove()
    return inline(view)


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=button.text, callback_data=button.data, url=button.url)


@dataclass(repr=False)
class Context:
    """Shared by all handlers of a process. `username`: the bot's name, once known."""

    bot: Bot
    service: VotingService
    chats: TelegramStore
    sessions: SessionStore
    public_url: str
    username: str = ""
    _photos: dict[str, str] = field(default_factory=dict)

    async def send(self, chat_id: int, view: View) -> Message:
        """A new message. A picture that Telegram cannot fetch is left out."""
        if view.photo is not None and units(view.text) <= CAPTION_UNITS_MAX:
            sent = await self._send_photo(chat_id, view, view.photo)
            if sent is not None:
                return sent
        return await self.bot.send_message(chat_id, view.text, reply_markup=markup(view))

    async def replace(self, shown: Shown, view: View) -> int:
        """The view in place of what a message shows, or in a new one where that cannot be edited. Returns
        the message's id."""
        if shown.editable and view.photo is None and view.asks_contact is None and not view.frees_keys:
            try:
                await self.bot.edit_message_text(
                    view.text, chat_id=shown.chat_id, message_id=shown.message_id, reply_markup=inline(view)
                )
            except TelegramBadRequest as error:
                if is_unchanged(error):
                    return shown.message_id
                if not is_gone(error):
                    raise
            else:
                return shown.message_id
        return (await self.send(shown.chat_id, view)).message_id

    async def _send_photo(self, chat_id: int, view: View, url: str) -> Message | None:
        key = f"telegram:{self.bot.id}:photo:{blake2b(url.encode(), digest_size=12).hexdigest()}"
        kept = self._photos.get(key) or _text(await self.sessions.get(key))
        for photo in filter(None, (kept, url)):
            try:
                sent = await self.bot.send_photo(chat_id, photo, caption=view.text, reply_markup=inline(view))
            except TelegramBadRequest as error:
                _log.warning("photo_not_sent", kept=photo == kept, error=error.message[:80])
                continue
            if sent.photo and sent.photo[-1].file_id != kept:
                self._photos[key] = sent.photo[-1].file_id
                await self.sessions.put(key, sent.photo[-1].file_id.encode(), PHOTO_SECONDS)
            return sent
        return None

    def contest(self, word: str) -> Contest | None:
        """The contest that a button means."""
        return find_contest(word, self.service.contests())

    def link_to(self, contest: Contest, candidate: Candidate) -> str:
        """The deep link to a candidate's card; empty while the bot does not know its own name."""
        if not self.username:
            return ""
        payload = f"c_{candidate.code}_{contest.slug}"
        if len(payload) > _LINK_LENGTH_MAX:
            payload = f"c_{candidate.code}"
        return f"https://t.me/{self.username}?start={payload}"


def language_hint(code: str | None) -> str:
    """Our language for an app in this one: `fr-CI` is French; another language gets English, none the default."""
    spoken = languages()
    word = (code or "").partition("-")[0].lower()
    if not word:
        return spoken[0]
    return word if word in spoken else "en"


def _text(stored: bytes | None) -> str | None:
    return stored.decode() if stored else None


@dataclass(frozen=True, slots=True, repr=False)
class Conversation:
    """The chat of an update, with what it takes to answer it. `state`: what the voter was asked."""

    context: Context
    chat: Chat
    state: FSMContext

    @property
    def language(self) -> str:
        """The language of the chat."""
        return self.chat.language

    @property
    def service(self) -> VotingService:
        """The voting service."""
        return self.context.service

    @property
    def contest(self) -> Contest | None:
        """The contest that the chat is about: the one opened last, else the only one."""
        chosen = self.chat.contest_id
        if chosen is not None and (found := self.service.contest_by_id(chosen)) is not None:
            return found
        now, every = self.service.now(), self.service.contests()
        running = [contest for contest in every if contest.open_at(now)] or list(every)
        return running[0] if len(running) == 1 else None

    @property
    def country(self) -> str:
        """The country whose numbers are shown as examples."""
        contest = self.contest or next(iter(self.service.contests()), None)
        return contest.country if contest is not None else ""

    async def send(self, view: View) -> None:
        """A new message."""
        await self.context.send(self.chat.chat_id, view)

    async def notice(self, key: str, *, frees_keys: bool = False, **facts: object) -> None:
        """A new message of one phrase."""
        await self.send(View(say(self.language, key, **facts), frees_keys=frees_keys))

    def read(self, text: str) -> Command:
        """What this text means in the chat."""
        return read_words(text, self.service.contests(), self.contest, self.service.now())

    def offer_of(self, data: dict[str, Any]) -> Offer | Refusal | None:
        """What the voter was asked about; None when that is lost or unreadable."""
        contest, code, count = self.context.contest(str(data.get("contest"))), data.get("code"), data.get("count")
        if contest is None or not isinstance(code, str) or not isinstance(count, int):
            return None
        return offer(contest, code, count, self.service.now())

    async def offer_left(self) -> tuple[Offer, bool] | None:
        """The offer that the voter left, and whether the number of votes was chosen; None where there is none."""
        data = await self.state.get_data()
        counted = "count" in data
        found = self.offer_of(data if counted else {**data, "count": 1})
        return (found, counted) if isinstance(found, Offer) else None


PRIVATE: Final = ChatType.PRIVATE
Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


async def of_a_contest(query: CallbackQuery, callback_data: Any, context: Context) -> bool | dict[str, Contest]:  # noqa: ANN401 - of any kind of button
    """A filter: passes buttons whose contest there still is, and hands it to the handler."""
    contest = context.contest(callback_data.contest)
    return False if contest is None else {"contest": contest}


class AddConversation(BaseMiddleware):
    """Adds `conversation`, and to a tap `shown`: the message of its button. A group is not stored: no one can vote
    there."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:  # noqa: ANN401 - aiogram's own
        """Look the chat up, then handle."""
        context: Context = data["context"]
        user, place = data.get("event_from_user"), data.get("event_chat")
        if user is None or place is None or user.is_bot:
            return None
        chat = Chat(place.id, user.id, language_hint(user.language_code))
        if place.type == PRIVATE:
            chat = await context.chats.chat(place.id, user.id, chat.language)
        data["conversation"] = Conversation(context, chat, data["state"])
        if isinstance(event, CallbackQuery):
            data["shown"] = _shown_in(event)
        return await handler(event, data)


class AnswerTaps(BaseMiddleware):
    """Answers every tap, with the text that its handler returned, if any; then the button stops spinning. A tap that
    is too old is no error."""

    async def __call__(self, handler: Handler, event: Any, data: dict[str, Any]) -> Any:  # noqa: ANN401 - aiogram's own
        """Handle, then answer, after an error too."""
        text: Any = None
        try:
            text = await handler(event, data)
        finally:
            alert = cut(text, ALERT_UNITS_MAX) if isinstance(text, str) and text else None
            try:
                await data["context"].bot.answer_callback_query(event.id, text=alert, show_alert=alert is not None)
            except (TimeoutError, TelegramAPIError) as error:
                _log.debug("tap_not_answered", error=type(error).__name__)
        return text


def words_of(message: Message) -> str:
    """What was written; empty for pictures and the like."""
    return (message.text or "").strip()
