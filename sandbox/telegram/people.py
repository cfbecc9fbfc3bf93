"""The people who write to a bot, over HTTP: JSON for tests and scripts, and a page to try it by hand."""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sandbox.company import Context
from sandbox.phones.api import PAGES, Problem, read_body
from sandbox.telegram.bot import PERSON_MAX, Bot
from sandbox.telegram.chats import Chat, Message
from sandbox.telegram.photos import Album
from sandbox.telegram.text import Marked, commands, units
from sandbox.telegram.updates import about

TEXT_UNITS_MAX: Final = 4096
WAIT_SECONDS: Final = 20.0
_PAYLOAD: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_HOSTS: Final = ("t.me", "telegram.me")


class _Act(BaseModel):
    """What a person does. Name and language, once given, stay; a null language is shown to no bot."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    first_name: str | None = Field(None, min_length=1, max_length=64)
    language_code: str | None = Field(None, max_length=35)


class _Text(_Act):
    text: str = Field(min_length=1)


class _Tap(_Act):
    """`times`: taps without waiting for an answer. `forge`: a client of one's own, which sends what it likes."""

    message_id: int
    data: str
    forge: bool = False
    times: int = Field(1, ge=1, le=10)


class _Contact(_Act):
    """A card: one's own, or with `own` false another person's, whose account is `user_id` if there is one."""

    phone: str = Field(min_length=1, max_length=32)
    own: bool = True
    forwarded: bool = False
    user_id: int | None = Field(None, ge=1, lt=PERSON_MAX)


class _Open(_Act):
    url: str = Field(max_length=2048)


Act = TypeVar("Act", bound=_Act)


def start_text(url: str, username: str) -> str:
    """What a client sends for a bot's address. Raises ValueError for an address of something else."""
    parts = urlsplit(url)
    if parts.hostname not in _HOSTS or parts.path.strip("/").lower() != username.lower():
        raise ValueError(f"not an address of @{username}")
    payload = parse_qs(parts.query).get("start", [""])[0]
    return f"/start {payload}" if _PAYLOAD.fullmatch(payload) else "/start"


class PeopleApi:
    """`/telegram/people/{user_id}/…` and the page. People write to the bot whose token was issued, or
    else to the one that called first; `?bot=<id>` names another."""

    def __init__(self, context: Context, bots: Mapping[str, Bot], album: Album) -> None:
        self._context = context
        self._bots = bots
        self._album = album

    def add_routes(self, app: web.Application) -> None:
        """Routes below `/telegram`."""
        for path in ("", "/"):
            app.router.add_get(path, self.page)
        one = "/people/{person}"
        app.router.add_get("/people", self.list_people)
        app.router.add_get(one, self.show)
        app.router.add_get(f"{one}/chat", self.show_chat)
        app.router.add_get(f"{one}/exchange", self.show_exchange)
        app.router.add_get(f"{one}/photos/{{name}}", self.show_photo)
        for act in (self.send, self.tap, self.contact, self.open, self.block, self.unblock):
            app.router.add_post(f"{one}/{act.__name__}", act)

    async def page(self, _: web.Request) -> web.StreamResponse:
        """A chat to try by hand."""
        return web.FileResponse(PAGES / "telegram.html", headers={"Cache-Control": "no-cache"})

    # What they do.

    async def send(self, request: web.Request) -> web.Response:
        """`{"text": "/start c_star_07"}` → `{"message_id", "update_id"}`."""
        bot, chat, act = await self._acting(request, _Text)
        return self._write(bot, chat, act.text)

    async def open(self, request: web.Request) -> web.Response:
        """`{"url": "https://t.me/<bot>?start=c_star_07"}`: follow a link and press Start."""
        bot, chat, act = await self._acting(request, _Open)
        try:
            text = start_text(act.url, bot.username)
        except ValueError as error:
            raise Problem(400, "Not possible", str(error)) from None
        return self._write(bot, chat, text)

    def _write(self, bot: Bot, chat: Chat, text: str) -> web.Response:
        if units(text) > TEXT_UNITS_MAX:
            raise Problem(400, "Not possible", f"text must have at most {TEXT_UNITS_MAX} units.")
        content = Marked(text, commands(text))
        message = chat.put(chat.person.user(), content)
        keys = (chat.keyboard or {}).get("keyboard", [])
        if any(key["text"] == text for row in keys for key in row):
            _used_key(chat)
        return _sent(message, bot.receives(chat, message))

    async def tap(self, request: web.Request) -> web.Response:
        """`{"message_id", "data"}` → `{"queries"}`; 409 when the message has no such button now."""
        bot, chat, act = await self._acting(request, _Tap)
        message = chat.messages.get(act.message_id)
        shown = [] if message is None else [button.get("callback_data") for button in message.buttons()]
        if not act.forge and act.data not in shown:
            raise Problem(409, "Not possible", "The message has no such button.")
        queries = [bot.is_tapped(chat, act.message_id, act.data) for _ in range(act.times)]
        return web.json_response({"queries": queries})

    async def contact(self, request: web.Request) -> web.Response:
        """`{"phone"}` and perhaps `"own": false, "user_id"` or `"forwarded": true` → as `send`."""
        bot, chat, act = await self._acting(request, _Contact)
        person = chat.person
        card: dict[str, object] = {"phone_number": act.phone, "first_name": person.first_name if act.own else "Koffi"}
        owner = person.id if act.own else act.user_id
        if owner is not None:
            card["user_id"] = owner
        message = chat.put(person.user(), Marked(""), extra={"contact": card})
        if act.forwarded:
            message.extra["forward_origin"] = {"type": "user", "sender_user": person.user(), "date": message.at}
        elif act.own:
            _used_key(chat)
        return _sent(message, bot.receives(chat, message))

    async def block(self, request: web.Request) -> web.Response:
        """Shut the bot out."""
        bot, chat = self._chat(request)
        return web.json_response({"update_id": bot.is_blocked(chat, blocked=True)})

    async def unblock(self, request: web.Request) -> web.Response:
        """Let it write again."""
        bot, chat = self._chat(request)
        return web.json_response({"update_id": bot.is_blocked(chat, blocked=False)})

    # What they see.

    async def list_people(self, request: web.Request) -> web.Response:
        """Who has a chat with the bot."""
        return web.json_response(sorted(self._bot(request).chats))

    async def show(self, request: web.Request) -> web.Response:
        """All that the page shows; `?newer_than=<version>` waits up to 20 s for something newer."""
        bot, chat = self._chat(request)
        seen = request.query.get("newer_than", "")
        if seen.isascii() and seen.isdecimal() and len(seen) < 16:
            await chat.newer_than(int(seen), WAIT_SECONDS)
        return web.json_response(
            {
                "id": chat.person.id,
                "first_name": chat.person.first_name,
                "language_code": chat.person.language,
                "bot": bot.username,
                "blocked": chat.blocked,
                "keyboard": (chat.keyboard or {}).get("keyboard"),
                "answers": chat.answers,
                "commands": bot.profile.get(("commands", "default", chat.person.language or ""))
                or bot.profile.get(("commands", "default", ""), []),
                "messages": [_shown(chat, message) for message in chat.messages.values()],
                "version": chat.version,
            }
        )

    async def show_chat(self, request: web.Request) -> web.Response:
        """Messages as they now stand, oldest first."""
        _, chat = self._chat(request)
        return web.json_response([_shown(chat, message) for message in chat.messages.values()])

    async def show_exchange(self, request: web.Request) -> web.Response:
        """The last requests between gateway and Telegram about this person's chat."""
        _, chat = self._chat(request)
        return web.json_response(self._context.courier.exchange(about(chat.person.id)))

    async def show_photo(self, request: web.Request) -> web.Response:
        """A photo of the chat; 404 for one of an earlier run."""
        content = self._album.content(request.match_info["name"])
        if content is None:
            raise Problem(404, "Not possible", "This photo is not kept.")
        return web.Response(body=content, content_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    def _bot(self, request: web.Request) -> Bot:
        wanted = request.query.get("bot")
        for bot in self._bots.values():
            if wanted in (None, str(bot.id)):
                return bot
        raise Problem(409, "Not possible", "No such bot has called yet.")

    def _chat(self, request: web.Request) -> tuple[Bot, Chat]:
        written = request.match_info["person"]
        if not (written.isascii() and written.isdecimal() and len(written) < 17 and 0 < int(written) < PERSON_MAX):
            raise Problem(400, "Not possible", "The path names no account: a number from 1, below 2⁵².")
        bot = self._bot(request)
        return bot, bot.with_person(int(written))

    async def _acting(self, request: web.Request, kind: type[Act]) -> tuple[Bot, Chat, Act]:
        bot, chat = self._chat(request)
        act = await read_body(request, kind)
        if chat.blocked:
            raise Problem(409, "Not possible", "The person has blocked the bot.")
        if act.first_name is not None:
            chat.person.first_name = act.first_name
        if "language_code" in act.model_fields_set:
            chat.person.language = act.language_code
        return bot, chat, act


def _used_key(chat: Chat) -> None:
    """A keyboard for one use goes after it."""
    if chat.keyboard is not None and chat.keyboard.get("one_time_keyboard"):
        chat.keyboard = None
        chat.changed()


def _sent(message: Message, update_id: int | None) -> web.Response:
    return web.json_response({"message_id": message.id, "update_id": update_id})


def _shown(chat: Chat, message: Message) -> dict[str, Any]:
    picture = message.picture
    photo = f"/telegram/people/{chat.person.id}/photos/{picture.name}" if picture else None
    return {
        "id": message.id,
        "at": message.at,
        "from": "bot" if message.by_bot else "person",
        "text": message.content.text,
        "entities": list(message.content.entities),
        "buttons": [[_button(button) for button in row] for row in message.rows],
        "photo": photo,
        "contact": message.extra.get("contact"),
        "edits": message.edits,
    }


def _button(button: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"text": button["text"], "data": button.get("callback_data"), "url": button.get("url")}
    return {name: value for name, value in shown.items() if value is not None}
