"""Who calls: the address behind our proxies, the device, and whether they speak https."""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from aiohttp_remotes import XForwardedFiltered

from gateway.values.network import Network, comes_from

PUBLIC_URL: web.AppKey[str] = web.AppKey("public_url", str)


def is_https(request: web.Request) -> bool:
    """Whether the caller speaks https with us, also where a proxy that we do not trust ends it."""
    return request.secure or request.app.get(PUBLIC_URL, "").startswith("https://")


def storable(text: str) -> str:
    """A header as text that can be kept: bytes that are no UTF-8 stand in it as lone surrogates, which fit nowhere."""
    return text.encode("utf-8", "backslashreplace").decode()


def comes_from_us(request: web.Request, origin: str) -> bool:
    """Whether the header Origin names this site."""
    try:
        sender = urlsplit(origin).netloc
    except ValueError:
        return False
    return sender in {request.host, urlsplit(request.app.get(PUBLIC_URL, "")).netloc} - {""}


class ForwardedByProxies(XForwardedFiltered):
    """Takes the caller's address from `X-Forwarded-*` of requests that come from these networks, and of no others: the
    library looks at the header alone, and an address may decide about money."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        super().__init__(proxies)
        # Few addresses call, each many times.
        self._trusts = lru_cache(maxsize=1_024)(partial(comes_from, networks=tuple(proxies)))

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, with the address that called the proxy."""
        if hdrs.X_FORWARDED_FOR not in request.headers or not self._trusts(request.remote or ""):
            return await handler(request)
        return await super().middleware(request, handler)


COOKIE: Final = "device"
COOKIE_SECONDS: Final = 400 * 24 * 3600
_ID_BYTES: Final = 16
_MAC_BYTES: Final = 16
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})", re.ASCII)


class Devices:
    """Makes and reads the cookies. `key`: 256 bits that only our processes know."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def read(self, request: web.Request) -> str | None:
        """The device that sends this request; None without a cookie of ours."""
        found = _SHAPE.fullmatch(request.cookies.get(COOKIE, ""))
        if found is None or not hmac.compare_digest(found[2], self.mark(found[1])):
            return None
        return found[1]

    def fresh(self) -> str:
        """A device that was never seen."""
        return secrets.token_urlsafe(_ID_BYTES)

    def keep(self, request: web.Request, response: web.StreamResponse, device: str) -> None:
        """Let the browser remember its word."""
        response.set_cookie(
            COOKIE,
            f"{device}.{self.mark(device)}",
            max_age=COOKIE_SECONDS,
            samesite="Lax",
            secure=is_https(request),
            httponly=True,
        )

    def mark(self, text: str) -> str:
        """A keyed hash of a text, 22 characters: who reads it cannot try what the text may be."""
        mac = blake2b(text.encode(), key=self._key, digest_size=_MAC_BYTES).digest()
        return urlsafe_b64encode(mac).rstrip(b"=").decode()


DEVICES: web.AppKey[Devices] = web.AppKey("devices", Devices)
