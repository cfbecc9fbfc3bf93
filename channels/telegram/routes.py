"""What Telegram calls: `POST /telegram/webhook`, its secret in a header."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import hdrs, web

from gateway.http.endpoint import read_body
from gateway.storage.engine import DatabaseUnavailable

PATH: Final = "/telegram/webhook"
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
RETRY_AFTER_SECONDS: Final = "5"
_log = structlog.get_logger(__name__)


class NotAnUpdate(Exception):
    """The body is no update of the Bot API; the text is for the log."""


def setup(app: web.Application, take: Callable[[bytes], Awaitable[object]], secret: str | None) -> None:
    """Serve the webhook. `take`: stores an update and begins to handle it; raises NotAnUpdate, and DatabaseUnavailable
    when it could not be stored. `secret`: what Telegram was given by setWebhook; None only in a demo."""

    async def receive(request: web.Request) -> web.Response:
        """Store an update, answer 200, handle it afterwards."""
        if secret is not None and not _has_secret(request, secret):
            _log.warning("telegram_secret_wrong")
            return web.Response(status=401, text="unauthorized")
        body = await read_body(request)
        try:
            await take(body)
        except NotAnUpdate as error:
            _log.warning("update_unreadable", fault=str(error))
            return web.Response(status=400, text="not an update")
        except DatabaseUnavailable:
            # Not stored, so not 200: Telegram sends it again.
            return web.Response(status=503, headers={hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS})
        return web.Response(text="ok")

    app.router.add_post(PATH, receive)


def _has_secret(request: web.Request, secret: str) -> bool:
    """Compared as bytes: a header may hold any of them."""
    given = request.headers.get(SECRET_HEADER, "").encode(errors="surrogateescape")
    return hmac.compare_digest(given, secret.encode())
