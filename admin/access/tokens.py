"""Signed tokens of the back office, and the cookies that carry them: session, known browser, form.

Cookies are httpOnly and SameSite=Strict, with the prefixes that browsers guard.

Access tokens are JSON Web Tokens (RFC 7519) of one algorithm. They hold no rights: those are read from
the database at each request, with the session.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from aiohttp import web

from admin.access.asked import Asked
from admin.access.rules import ACCESS_LIFE, DEVICE_LIFE, REFRESH_LIFE
from admin.access.store import LiveSession

# Only these addresses are ever sent the refresh token.
AUTH_PATH: Final = "/api/auth"
_ALGORITHM: Final = "HS256"
_ISSUER: Final = "spotlight"
_ACCESS, _DEVICE, _ASKED, _FLASH = "spotlight-admin", "spotlight-device", "spotlight-asked", "spotlight-flash"
ASKED_LIFE: Final = timedelta(minutes=5)
# From a form that was sent to the page that it leads to.
_FLASH_LIFE: Final = timedelta(minutes=1)
_FLASH_PATH: Final = "/admin"


class Tokens:
    """Signs, reads, and keeps in cookies. `key`: at least 32 bytes, for nothing else; `clock`: now, in UTC;
    `secure`: pages are reached by https, so cookies are kept to it."""

    def __init__(self, key: bytes, clock: Callable[[], datetime], *, secure: bool) -> None:
        self._key = key
        self._clock = clock
        self._secure = secure
        # The prefixes keep other hosts of the domain from setting them; browsers refuse them without https, which
        # only a demo lacks.
        self.access_name = "__Host-spotlight-access" if secure else "spotlight-access"
        self._refresh_name = "__Secure-spotlight-refresh" if secure else "spotlight-refresh"
        self._device_name = "__Host-spotlight-device" if secure else "spotlight-device"
        self._flash_name = "__Secure-spotlight-flash" if secure else "spotlight-flash"

    def access(self, session: LiveSession) -> str:
        """A token for the next quarter of an hour."""
        claims = {"sub": str(session.member.id), "sid": str(session.family)}
        return self._sign(claims, _ACCESS, ACCESS_LIFE)

    def read_access(self, token: str) -> UUID | None:
        """The session whose token it is; None for one that is not ours, not for this, or over."""
        claims = self._read(token, _ACCESS)
        try:
            return None if claims is None else UUID(claims["sid"])
        except (KeyError, ValueError):
            return None

    def access_of(self, request: web.Request) -> str:
        """The access token that a browser shows; empty for none."""
        return request.cookies.get(self.access_name, "")

    def refresh_of(self, request: web.Request) -> str:
        """The refresh token that a browser shows; empty for none."""
        token = request.cookies.get(self._refresh_name, "")
        return token if token.isascii() else ""

    def ask(self, email: str, password: str = "") -> tuple[str, bytes]:
        """A question to put: the token that comes back with the answer, and the challenge for passkeys."""
        challenge = secrets.token_bytes(32)
        claims = {"sub": email, "chg": challenge.hex(), "pwd": password, "at": self._clock().isoformat()}
        return self._sign(claims, _ASKED, ASKED_LIFE), challenge

    def asked(self, token: str) -> Asked | None:
        """The question that was put; None for none of ours, and after five minutes."""
        claims = self._read(token, _ASKED)
        if claims is None:
            return None
        at = datetime.fromisoformat(claims["at"])
        return Asked(claims["sub"], bytes.fromhex(claims["chg"]), at, claims["pwd"])

    def keep_flash(self, response: web.StreamResponse, page: str, session: str, facts: Mapping[str, str]) -> None:
        """Let the page at an address show this once. `session`: whose page it is."""
        claims = {"sub": session, "page": page, "facts": dict(facts)}
        self._set(response, self._flash_name, self._sign(claims, _FLASH, _FLASH_LIFE), _FLASH_LIFE, _FLASH_PATH)

    def flash(self, request: web.Request, session: str) -> Mapping[str, str]:
        """What this page is to show once; empty for nothing."""
        claims = self._read(request.cookies.get(self._flash_name, ""), _FLASH)
        if claims is None or (claims["sub"], claims["page"]) != (session, request.path):
            return {}
        facts: Mapping[str, str] = claims["facts"]
        return facts

    def forget_flash(self, request: web.Request, response: web.StreamResponse) -> None:
        """It was shown."""
        if self._flash_name in request.cookies:
            self._set(response, self._flash_name, "", timedelta(), _FLASH_PATH)

    def device(self, email: str) -> str:
        """A token by which a browser is known where this account has signed in."""
        return self._sign({"sub": email, "jti": secrets.token_urlsafe(18)}, _DEVICE, DEVICE_LIFE)

    def device_of(self, request: web.Request, email: str) -> str | None:
        """Id of the browser, where this account has signed in by it before."""
        claims = self._read(request.cookies.get(self._device_name, ""), _DEVICE)
        if claims is None or claims.get("sub") != email.strip().lower():
            return None
        return str(claims.get("jti"))

    def keep(self, response: web.StreamResponse, session: LiveSession, refresh: str) -> None:
        """Hand both tokens to the browser."""
        self._set(response, self.access_name, self.access(session), ACCESS_LIFE)
        self._set(response, self._refresh_name, refresh, REFRESH_LIFE, AUTH_PATH)

    def know_device(self, request: web.Request, response: web.StreamResponse, email: str) -> None:
        """Know this browser again for the account that has just signed in by it."""
        if self.device_of(request, email) is None:
            self._set(response, self._device_name, self.device(email), DEVICE_LIFE)

    def clear(self, response: web.StreamResponse) -> None:
        """Take both tokens away."""
        self._set(response, self.access_name, "", timedelta())
        self._set(response, self._refresh_name, "", timedelta(), AUTH_PATH)

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
        if not token.isascii():  # a header may hold any bytes
            return None
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

    def _set(self, response: web.StreamResponse, name: str, value: str, life: timedelta, path: str = "/") -> None:
        response.set_cookie(
            name,
            value,
            max_age=int(life.total_seconds()),
            path=path,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
