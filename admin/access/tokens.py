"""Signed tokens of the back office, and the cookies that carry them: session, known browser, form.

Cookies are httpOnly and SameSite=Strict, with the prefixes that browsers guard.

Access tokens are JSON Web Tokens (RFC 7519) of one algorithm. They hold no rights: those are read from
the database at each request, with the session.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from aiohttp import web

from admin.access.rules import ACCESS_LIFE, DEVICE_LIFE, REFRESH_LIFE
from admin.access.store import LiveSession

# Only these addresses are ever sent the refresh token.
AUTH_PATH: Final = "/api/auth"
_ALGORITHM: Final = "HS256"
_ISSUER: Final = "spotlight"
_ACCESS, _DEVICE = "spotlight-admin", "spotlight-device"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The content of an access token. `family`: the session."""

    staff_id: UUID
    family: UUID


class Tokens:
    """Signs and reads. `key`: at least 32 bytes, for nothing else; `clock`: now, in UTC."""

    def __init__(self, key: bytes, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._clock = clock

    def access(self, session: LiveSession) -> str:
        """A token for the next quarter of an hour."""
        claims = {"sub": str(session.member.id), "sid": str(session.family)}
        return self._sign(claims, _ACCESS, ACCESS_LIFE)

    def read_access(self, token: str) -> AccessToken | None:
        """Whose token it is; None for one that is not ours, not for this, or over."""
        claims = self._read(token, _ACCESS)
        try:
            return None if claims is None else AccessToken(UUID(claims["sub"]), UUID(claims["sid"]))
        except (KeyError, ValueError):
            return None

    def device(self, email: str) -> str:
        """A token by which a browser is known where this account has signed in."""
        return self._sign({"sub": email, "jti": secrets.token_urlsafe(18)}, _DEVICE, DEVICE_LIFE)

    def read_device(self, token: str, email: str) -> str | None:
        """The browser's id; None where it is not known for this account."""
        claims = self._read(token, _DEVICE)
        if claims is None or claims.get("sub") != email.strip().lower():
            return None
        return str(claims.get("jti"))

    def form(self, session: LiveSession) -> str:
        """What every form of this session carries, and no page of another site knows."""
        return hmac.digest(self._key, b"form" + session.family.bytes, "sha256").hex()[:40]

    def is_form(self, session: LiveSession, token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.form(session).encode(), token.encode())

    def _sign(self, claims: Mapping[str, Any], audience: str, life: timedelta) -> str:
        now = self._clock()
        whole = {**claims, "iss": _ISSUER, "aud": audience, "iat": now, "exp": now + life}
        return jwt.encode(whole, self._key, algorithm=_ALGORITHM)

    def _read(self, token: str, audience: str) -> Mapping[str, Any] | None:
        # Times are judged here, by the clock that was given.
        options: Any = {"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], audience=audience, issuer=_ISSUER, options=options
            )
        except jwt.InvalidTokenError:
            return None
        expires = claims["exp"]
        return claims if isinstance(expires, int) and self._clock().timestamp() < expires else None


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


def set_device(response: web.StreamResponse, device: str, *, secure: bool) -> None:
    """Know this browser again."""
    _set(response, device_name(secure), device, int(DEVICE_LIFE.total_seconds()), "/", secure)


def clear_session(response: web.StreamResponse, *, secure: bool) -> None:
    """Take both tokens away."""
    _set(response, access_name(secure), "", 0, "/", secure)
    _set(response, refresh_name(secure), "", 0, AUTH_PATH, secure)


def _set(response: web.StreamResponse, name: str, value: str, seconds: int, path: str, secure: bool) -> None:
    response.set_cookie(name, value, max_age=seconds, path=path, secure=secure, httponly=True, samesite="Strict")
