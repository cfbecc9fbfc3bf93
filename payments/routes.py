"""Where operators call us: keep it, answer at once, judge later.

Known, unknown and forged calls get the same answer, so there is nothing to probe.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from gateway.http.app_keys import HOUSE
from gateway.http.problems import problem
from gateway.ports.house import HouseUnavailable, IncomingCallback

BODY_BYTES_MAX: Final = 64 * 1024
TOKEN_LENGTH_MAX: Final = 64
RETRY_AFTER_SECONDS: Final = "5"
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_HEADER_LENGTH_MAX: Final = 1024

Handler = Callable[[web.Request], Awaitable[web.Response]]


def kept_headers(request: web.Request) -> dict[str, str]:
    """Headers worth keeping: no secrets, none of unreasonable length."""
    return {
        name.lower(): value[:_HEADER_LENGTH_MAX]
        for name, value in request.headers.items()
        if name.lower() not in _SECRET_HEADERS
    }


async def read_bounded(request: web.Request) -> bytes | None:
    """The body; None when it is larger than any operator's."""
    if (request.content_length or 0) > BODY_BYTES_MAX:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            return None
    return bytes(body)


def _handler(codes: frozenset[str]) -> Handler:
    async def receive(request: web.Request) -> web.Response:
        """Store a callback; 200 with nothing in it once it is durable."""
        provider = request.match_info["provider"]
        if provider not in codes:
            return problem(404, "Unknown provider", "No provider of this name calls here.")
        body = await read_bounded(request)
        if body is None:
            return problem(413, "Body too large", f"A callback has at most {BODY_BYTES_MAX} bytes.")
        token = request.match_info.get("token")
        callback = IncomingCallback(
            provider,
            token[:TOKEN_LENGTH_MAX] if token else None,
            request.method,
            kept_headers(request),
            body,
            request.remote or "",
        )
        try:
            await request.config_dict[HOUSE].store_callback(callback)
        except HouseUnavailable:
            # Never 200 for something that is stored nowhere: an operator that repeats will come again.
            return web.Response(status=503, headers={hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS})
        return web.Response(status=200)

    return receive


def setup(app: web.Application, codes: frozenset[str]) -> None:
    """Serve `/api/webhooks/{provider}[/{token}]`, POST and PUT, for these providers."""
    receive = _handler(codes)
    for path in ("/api/webhooks/{provider}", "/api/webhooks/{provider}/{token}"):
        app.router.add_post(path, receive)
        app.router.add_put(path, receive)
