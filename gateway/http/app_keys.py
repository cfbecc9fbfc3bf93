"""Typed keys under which an aiohttp application holds what its handlers share."""

from aiohttp import web

PUBLIC_URL: web.AppKey[str] = web.AppKey("public_url", str)


def is_https(request: web.Request) -> bool:
    """Whether the caller speaks https with us, also where a proxy that we do not trust ends it."""
    return request.secure or request.app.get(PUBLIC_URL, "").startswith("https://")
