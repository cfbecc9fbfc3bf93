"""Signed words of the back office: who is signed in, which browser is known, which form is ours.

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

from admin.access.rules import ACCESS_LIFE, DEVICE_LIFE
from admin.access.store import LiveSession

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "spotlight"
_ACCESS, _DEVICE = "spotlight-admin", "spotlight-device"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What an access token says. `family`: the session."""

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
        """A word by which a browser is known where this account has signed in."""
        return self._sign({"sub": email, "jti": secrets.token_urlsafe(18)}, _DEVICE, DEVICE_LIFE)

    def read_device(self, token: str, email: str) -> str | None:
        """The browser's id; None where it is not known for this account."""
        claims = self._read(token, _DEVICE)
        if claims is None or claims.get("sub") != email.strip().lower():
            return None
        return str(claims.get("jti"))

    def form(self, session: LiveSession) -> str:
        """What every form of this session carries, and nobody else's page knows."""
        return hmac.digest(self._key, b"form" + session.family.bytes, "sha256").hex()[:40]

    def is_form(self, session: LiveSession, word: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.form(session).encode(), word.encode())

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
