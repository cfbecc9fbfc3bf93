"""Telegram: the Bot API, and the people who write to a bot.

Source: Bot API, "Making requests", "Bots FAQ" for the limits. A bot is known by its token: the one
that was issued, or, where none was, any that has the form of one.
"""

import asyncio
import hmac
import re
import time
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web

from sandbox.company import Company, Context
from sandbox.phones.faults import TelegramFaults
from sandbox.telegram.bot import BLOCKED, Bot
from sandbox.telegram.methods import METHODS, WRITING, Method
from sandbox.telegram.people import PeopleApi
from sandbox.telegram.photos import Album
from sandbox.telegram.request import Parameters, Refused, bad, read
from sandbox.telegram.updates import Updates, about

BOTS_MAX: Final = 100
FETCH_SECONDS: Final = 10.0
_TOKEN: Final = re.compile(r"[1-9]\d{0,15}:[A-Za-z0-9_-]+", re.ASCII)
_PAGE_OF_A_PROXY: Final = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx/1.18.0</body>\r\n</html>\r\n"
)
_ORDERED: Final = {
    400: "Bad Request: chat not found",
    401: "Unauthorized",
    403: BLOCKED,
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    500: "Internal Server Error",
}


class Telegram:
    """The Bot API and all bots."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._album = Album()
        self._session: aiohttp.ClientSession | None = None
        self._struck_by: TelegramFaults | None = None
        self._struck = 0
        self.bots: dict[str, Bot] = {}
        self._issued = context.credentials.get("token", "")
        if _TOKEN.fullmatch(self._issued):
            self._add(self._issued)

    def application(self) -> web.Application:
        """Everything under `/telegram`."""
        app = web.Application()
        app.router.add_route("GET", "/bot{token}/{method}", self.call)
        app.router.add_route("POST", "/bot{token}/{method}", self.call)
        PeopleApi(self._context, self.bots, self._album).add_routes(app)
        app.cleanup_ctx.append(self._fetching)
        app.on_shutdown.append(self._close)
        return app

    async def _fetching(self, _: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._session = session
            yield
            self._session = None

    async def _close(self, _: web.Application) -> None:
        """Release those who wait for news."""
        for bot in self.bots.values():
            bot.updates.close()
            for chat in bot.chats.values():
                chat.changed()

    def faults(self) -> TelegramFaults:
        """Those in force."""
        return self._context.channel.faults.telegram

    def _add(self, token: str) -> Bot:
        updates = Updates(self._context.code, self._context.courier, self.faults)
        name = self._context.credentials.get("username") or f"spotlight_{token.partition(':')[0]}_bot"
        bot = self.bots[token] = Bot(token, name, updates, self._album, self._fetch, self.faults)
        return bot

    def _bot(self, token: str) -> Bot:
        """Whose token it is. Raises Refused."""
        if not _TOKEN.fullmatch(token):
            raise Refused(404, "Not Found")
        if self._issued and not hmac.compare_digest(token.encode(), self._issued.encode()):
            raise Refused(401, "Unauthorized")
        if token not in self.bots and len(self.bots) >= BOTS_MAX:
            raise Refused(401, "Unauthorized")
        return self.bots.get(token) or self._add(token)

    async def call(self, request: web.Request) -> web.Response:
        """`/bot<token>/<method>`."""
        name, faults = request.match_info["method"].lower(), self.faults()
        try:
            bot = self._bot(request.match_info["token"])
            method = _method(name)
            given = await read(request)
            self._note(request, given)
            await asyncio.sleep(faults.slow_ms / 1000)
            if self._is_struck(name, faults):
                return _ordered(faults)
            if name in WRITING:
                _respect_limits(bot, given, faults)
            result = await method(bot, given)
        except Refused as refused:
            return refused.answer()
        if name in WRITING:
            await asyncio.sleep(faults.slow_after_send_ms / 1000)
            result = {} if faults.bare_results else result
        return web.json_response({"ok": True, "result": result})

    def _note(self, request: web.Request, given: Parameters) -> None:
        if "chat_id" in given:
            self._context.courier.concerns(request, about(given.text("chat_id")[:20]))

    def _is_struck(self, name: str, faults: TelegramFaults) -> bool:
        """Whether the ordered error is for this call; counts it."""
        if faults is not self._struck_by:
            self._struck_by, self._struck = faults, 0
        named = {method.lower() for method in faults.methods} or WRITING
        if not faults.error or name not in named or (faults.error_times and self._struck >= faults.error_times):
            return False
        self._struck += 1
        return True

    async def _fetch(self, url: str, bytes_max: int) -> bytes:
        """A photo from its address. Raises Refused."""
        if self._session is None:
            raise bad("failed to get HTTP URL content")
        try:
            async with self._session.get(url) as response:
                if response.status != 200:
                    raise bad("failed to get HTTP URL content")
                content = b""
                async for piece in response.content.iter_any():
                    content += piece
                    if len(content) > bytes_max:
                        raise bad("failed to get HTTP URL content: the file is too big")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise bad("failed to get HTTP URL content") from None
        return content


def _method(name: str) -> Method:
    """The method of this name. Raises Refused."""
    method = METHODS.get(name)
    if method is None:
        raise Refused(404, "Not Found: method not found")
    return method


def _ordered(faults: TelegramFaults) -> web.Response:
    """The error that was ordered."""
    if faults.error == 502:
        return web.Response(status=502, text=_PAGE_OF_A_PROXY, content_type="text/html")
    if faults.error == 429:
        return _too_many(faults.retry_after).answer()
    return Refused(faults.error, _ORDERED[faults.error]).answer()


def _too_many(seconds: int) -> Refused:
    return Refused(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})


def _respect_limits(bot: Bot, given: Parameters, faults: TelegramFaults) -> None:
    """Count a message. Raises Refused when it comes too fast."""
    if faults.limits and (seconds := bot.limits.take(bot.chat(given).person.id, time.monotonic(), faults)):
        raise _too_many(seconds)


SANDBOX = Company(
    "telegram",
    lambda context: Telegram(context).application(),
    demo={"TOKEN": "123456:demo-token", "WEBHOOK_SECRET": "demo-webhook-secret"},
)
