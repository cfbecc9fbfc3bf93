"""Where operators call us: store the callback, answer at once, judge it later.

Known, unknown and forged calls get the same answer, so there is nothing to probe; 429 only where many come from
somewhere that prove nothing (docs/decisions/0020-callbacks-that-prove-nothing.md), 400 where the operator's own
signature is of another time.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from gateway.http.callers import storable
from gateway.http.endpoint import BODY_BYTES_MAX, JSON_TYPE, body_within, described
from gateway.http.problems import Problem
from gateway.storage.engine import DatabaseUnavailable
from payments.collection.callbacks import IncomingCallback, Taken

# Ours have 43 characters; a longer one is none of ours and not worth keeping whole.
TOKEN_LENGTH_MAX: Final = 64
RETRY_AFTER_SECONDS: Final = "5"
_LATER: Final[Mapping[str, str]] = {hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS}
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_HEADER_LENGTH_MAX: Final = 1024

StoreCallback = Callable[[IncomingCallback], Awaitable[Taken]]
"""Keeps a callback: durable when it returns that it is stored."""


def kept_headers(request: web.Request) -> dict[str, str]:
    """Headers worth keeping: no secrets, none of unreasonable length, all of them storable text."""
    return {
        name.lower(): storable(value[:_HEADER_LENGTH_MAX])
        for name, value in request.headers.items()
        if name.lower() not in _SECRET_HEADERS
    }


def _handler(codes: frozenset[str], store: StoreCallback) -> Handler:
    @described(
        returns={200: None},
        problems=(400, 404, 408, 413, 429, 503),
        tag="callbacks",
        sends={JSON_TYPE: {}},
    )
    async def receive(request: web.Request) -> web.Response:
        """Store a callback.

        For operators, who write it as they like; 200 with nothing in it once it is durable.
        """
        provider = request.match_info["provider"]
        if provider not in codes:
            return Problem(404, "Unknown provider", "No provider of this name calls here.").response()
        try:
            body = await body_within(request)
        except TimeoutError:
            return Problem(408, "Request timeout", "The body did not arrive in time.").response()
        if body is None:
            return Problem(413, "Content too large", f"A callback has at most {BODY_BYTES_MAX} bytes.").response()
        token = request.match_info.get("token")
        callback = IncomingCallback(
            provider=provider,
            token=token[:TOKEN_LENGTH_MAX] if token else None,
            method=request.method,
            headers=kept_headers(request),
            body=body,
            remote=request.remote or "",
        )
        try:
            taken = await store(callback)
        except DatabaseUnavailable:
            # Never 200 for something that is stored nowhere: an operator that repeats will come again.
            return Problem(503, "Not stored", headers=_LATER).response()
        if taken is Taken.TOO_MANY:
            return Problem(429, "Too many requests", headers=_LATER).response()
        if taken is Taken.STALE:
            return Problem(
                400, "Signed at another time", "The signature is older or newer than what is accepted."
            ).response()
        return web.Response(status=200)

    return receive


def setup(app: web.Application, codes: frozenset[str], store: StoreCallback) -> None:
    """Serve `/api/webhooks/{provider}[/{token}]`, POST and PUT, for these providers.

    `store`: raises DatabaseUnavailable where a callback is durable nowhere."""
    receive = _handler(codes, store)
    for path in ("/api/webhooks/{provider}", "/api/webhooks/{provider}/{token}"):
        app.router.add_post(path, receive)
        app.router.add_put(path, receive)
