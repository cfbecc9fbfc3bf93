"""Cookies of the back office: httpOnly, SameSite=Strict, and with the prefixes that browsers guard."""

from typing import Final

from aiohttp import web

from admin.access.rules import ACCESS_LIFE, DEVICE_LIFE, REFRESH_LIFE

# Only these addresses are ever sent the refresh token.
AUTH_PATH: Final = "/api/auth"


def access_name(secure: bool) -> str:
    """Name of the access token's cookie. The prefix keeps other hosts of the domain from setting it;
    browsers refuse it without https, which only a demo lacks."""
    return "__Host-spotlight-access" if secure else "spotlight-access"


def refresh_name(secure: bool) -> str:
    """Name of the refresh token's cookie."""
    return "__Secure-spotlight-refresh" if secure else "spotlight-refresh"


def device_name(secure: bool) -> str:
    """Name of the cookie by which a browser is known."""
    return "__Host-spotlight-device" if secure else "spotlight-device"


def set_session(response: web.StreamResponse, access: str, refresh: str, *, secure: bool) -> None:
    """Hand both tokens to the browser."""
    access_seconds, refresh_seconds = int(ACCESS_LIFE.total_seconds()), int(REFRESH_LIFE.total_seconds())
    _set(response, access_name(secure), access, access_seconds, "/", secure)
    _set(response, refresh_name(secure), refresh, refresh_seconds, AUTH_PATH, secure)


def set_device(response: web.StreamResponse, word: str, *, secure: bool) -> None:
    """Know this browser again."""
    _set(response, device_name(secure), word, int(DEVICE_LIFE.total_seconds()), "/", secure)


def clear_session(response: web.StreamResponse, *, secure: bool) -> None:
    """Take both tokens away."""
    _set(response, access_name(secure), "", 0, "/", secure)
    _set(response, refresh_name(secure), "", 0, AUTH_PATH, secure)


def _set(response: web.StreamResponse, name: str, value: str, seconds: int, path: str, secure: bool) -> None:
    response.set_cookie(name, value, max_age=seconds, path=path, secure=secure, httponly=True, samesite="Strict")
