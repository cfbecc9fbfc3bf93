"""Signing in: who it is, for how long, and proving it again.

A caller without the password learns nothing: every failure looks the same and takes as long. One who has it is shown
that the second factor is missing or wrong. Failures in a row make account and address wait; a browser that has signed
in before is counted apart, so that its owner cannot be locked out.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Final
from uuid import UUID

import pyotp
import structlog

from admin.access.asked import Asked
from admin.access.factors import Factors
from admin.access.passkeys import Site, made, signed
from admin.access.passwords import Passwords
from admin.access.rules import (
    ACCOUNT_LOCK_SECONDS_MAX,
    ADDRESS_LOCK_SECONDS_MAX,
    Member,
    PasswordFault,
    Reuse,
    is_fresh,
    password_fault,
    proven_step,
    rights_of,
    seconds_to_wait,
)
from admin.access.store import (
    Client,
    Credentials,
    LiveSession,
    StaffAccounts,
)
from payments.requests import Right

# 256 bits.
_TOKEN_BYTES: Final = 32
# 160 bits in base 32, as RFC 4226 recommends.
_SECRET_LENGTH: Final = 32
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in as it was sent. `address`: whom the sender's address counts for, None where it does not
    count; `device`: id of a browser in which this very account has signed in before. `asked`: the question of the
    second step, which stands for the password."""

    email: str
    password: str = field(repr=False)
    factor: "Factor"
    client: Client
    address: str | None = None
    device: str | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Factor:
    """What is shown as a second factor: a code of the app, a recovery code, or a passkey's answer to a question."""

    code: str = field(default="", repr=False)
    passkey: str = field(default="", repr=False)
    asked: Asked | None = None

    def __bool__(self) -> bool:
        return bool(self.code.strip() or self.passkey)


@dataclass(frozen=True, slots=True)
class Opened:
    """Signed in. `refresh_token` is shown once."""

    session: LiveSession
    refresh_token: str = field(repr=False)


class Refusal(StrEnum):
    """What was wrong."""

    CREDENTIALS = "credentials"
    FACTOR_MISSING = "factor_missing"
    FACTOR_WRONG = "factor_wrong"


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """Not signed in. `wait_seconds`: nothing was looked at, come back then; 0: something was wrong. `step`: where the
    password was right, what the second step asks."""

    wait_seconds: int = 0
    why: Refusal = Refusal.CREDENTIALS
    step: "Step | None" = None


@dataclass(frozen=True, slots=True)
class Step:
    """The second step of a sign-in. `password`: which one was right."""

    member: Member
    password: str


class SignIn:
    """Everything about being signed in. `factor_wanted`: without a second factor there are no rights.

    `clock`: now, in UTC, for codes and waits; sessions go by PostgreSQL's."""

    def __init__(
        self,
        accounts: StaffAccounts,
        passwords: Passwords,
        factors: Factors,
        site: Site,
        *,
        clock: Callable[[], datetime],
        factor_wanted: bool,
    ) -> None:
        self.accounts = accounts
        self.factors = factors
        self.site = site
        self._passwords = passwords
        self.now = self._clock = clock
        self.factor_wanted = factor_wanted

    async def sign_in(self, attempt: Attempt) -> Opened | SignInRefused:
        """Open a session. Raises DatabaseUnavailable when too many try at once."""
        found = await self._identify(attempt)
        if isinstance(found, SignInRefused):
            return found
        return await self.open(found, attempt.client, known=attempt.device is not None)

    async def open(self, member: Member, client: Client, *, known: bool = False) -> Opened:
        """A session of somebody who has just proved who they are. `known`: by a browser in which they did before."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        return Opened(await self.accounts.open_session(member, _hash(token), client, known=known), token)

    async def hashed(self, password: str) -> str:
        """A password as it is kept. Raises DatabaseUnavailable when too many wait."""
        return await self._passwords.hashed(password)

    async def _identify(self, attempt: Attempt) -> Member | SignInRefused:
        """Who it is."""
        email = attempt.email.strip().lower()
        own = f"device {attempt.device}" if attempt.device else f"account {email}"
        if wait := await self._seconds_to_wait(own, attempt.address):
            return SignInRefused(wait)
        found = await self.accounts.credentials(email)
        there = found is not None and found.member.active
        kept = found.password_hash if found and there else None
        if attempt.asked is not None:
            fits = kept is not None and attempt.asked.password == fingerprint(kept)
        else:
            fits = await self._passwords.fits(attempt.password, kept)
        if found is None or not fits:
            return await self._failed(attempt, email, own, SignInRefused())
        step = Step(found.member, fingerprint(found.password_hash))
        if found.member.has_factor and not attempt.factor:
            return SignInRefused(why=Refusal.FACTOR_MISSING, step=step)
        if not await self._shows_factor(attempt.factor, found):
            return await self._failed(attempt, email, own, SignInRefused(why=Refusal.FACTOR_WRONG, step=step))
        await self.accounts.forget_failures([own])
        if self._passwords.outdated(found.password_hash):
            await self._rehash(found, attempt)
        return found.member

    async def _rehash(self, found: Credentials, attempt: Attempt) -> None:
        """Keep the password under today's parameters, at a sign-in that brought it."""
        if attempt.asked is None:
            await self.accounts.rehash(found.member.id, await self._passwords.hashed(attempt.password))

    async def _failed(self, attempt: Attempt, email: str, own: str, refused: SignInRefused) -> SignInRefused:
        """Count it; the account's owner gets a mail when it has to wait."""
        tell = None if attempt.device else partial(self.accounts.note_lock, email, own, attempt.client)
        await self.accounts.note_failure(_subjects(own, attempt.address), tell)
        _log.info("sign_in_refused", why=refused.why.value)
        return refused

    async def refresh(self, token: str, client: Client) -> Opened | Reuse | None:
        """Exchange a refresh token for its successor; None: it opens no session."""
        successor = secrets.token_urlsafe(_TOKEN_BYTES)
        rotated = await self.accounts.rotate(_hash(token), _hash(successor), client)
        if rotated is Reuse.STOLEN:
            _log.warning("refresh_token_reused")
        return Opened(rotated, successor) if isinstance(rotated, LiveSession) else rotated

    def rights(self, member: Member) -> frozenset[Right]:
        """The rights of a member now."""
        return rights_of(member, factor_wanted=self.factor_wanted)

    def wants_factor(self, member: Member) -> bool:
        """Whether they have to set up their second factor first."""
        return self.factor_wanted and not member.has_factor

    def proven(self, session: LiveSession) -> bool:
        """Whether they proved lately who they are."""
        return is_fresh(session.factor_at, self._clock())

    async def prove(self, session: LiveSession, typed: str, factor: Factor | None = None) -> SignInRefused | None:
        """Prove again who it is, with a code, or the password where there is no second factor; None: done. `factor`:
        where something else than a code is shown."""
        shown = factor or Factor(typed)
        if refusal := await self._refusal(session, partial(self._proves, typed, shown)):
            return refusal
        await self.accounts.forget_failures([_own(session)])
        await self.accounts.prove(session.family)
        return None

    async def end(self, session: LiveSession) -> None:
        """Sign out."""
        await self.accounts.end_session(session.family, session.member.email)

    async def end_one(self, session: LiveSession, family: UUID) -> None:
        """End another session of the same person, if they have one like that."""
        if family in {line.family for line in await self.accounts.sessions(session.member.id)}:
            await self.accounts.end_session(family, session.member.email)

    async def end_others(self, session: LiveSession) -> None:
        """End all sessions of the same person but this one."""
        await self.accounts.end_other_sessions(session.member.id, session.family, session.member.email)

    async def begin_factor(self, member: Member) -> None:
        """Make the secret of a second factor. Does nothing where there is a proven one."""
        await self.accounts.begin_factor(member.id, pyotp.random_base32(_SECRET_LENGTH))

    async def has_app(self, member: Member) -> bool:
        """Whether codes of an app are set up, beside passkeys or alone."""
        found = await self.accounts.credentials(member.email)
        return found is not None and found.has_app

    async def begun_secret(self, member: Member) -> str | None:
        """The secret that waits to be proven; None when none was begun or it was proven."""
        found = await self.accounts.credentials(member.email)
        return None if found is None or found.has_app else found.totp_secret

    async def confirm_factor(self, session: LiveSession, code: str) -> bool:
        """Prove the new second factor by a code of it. All other sessions end."""
        if await self._refusal(session, partial(self._confirms, code)):
            return False
        await self.accounts.prove(session.family)
        await self.end_others(session)
        return True

    async def change_password(
        self, session: LiveSession, current: str, new: str
    ) -> PasswordFault | SignInRefused | None:
        """Another password; all other sessions end. None: done."""
        if refusal := await self._refusal(session, partial(self._is_password, current)):
            return refusal
        if fault := password_fault(new, session.member.email):
            return fault
        await self.accounts.set_password(session.member.id, await self._passwords.hashed(new), session.member.email)
        await self.end_others(session)
        return None

    async def _refusal(
        self, session: LiveSession, check: Callable[[Credentials], Awaitable[bool]]
    ) -> SignInRefused | None:
        """Why something is not proven in a session, None when it is; failures in a row make the session wait."""
        if wait := await self._seconds_to_wait(_own(session), None):
            return SignInRefused(wait)
        found = await self.accounts.credentials(session.member.email)
        if found is not None and await check(found):
            return None
        await self.accounts.note_failure([_own(session)])
        factor = found is not None and found.member.has_factor
        return SignInRefused(why=Refusal.FACTOR_WRONG if factor else Refusal.CREDENTIALS)

    async def _confirms(self, code: str, found: Credentials) -> bool:
        """Whether it is a code of the factor that was begun, which is proven by it."""
        if found.has_app or found.totp_secret is None:
            return False
        step = proven_step(found.totp_secret, code, self._clock(), None)
        return step is not None and await self.accounts.confirm_factor(found.member.id, step)

    async def _is_password(self, typed: str, found: Credentials) -> bool:
        return await self._passwords.fits(typed, found.password_hash)

    async def _proves(self, typed: str, shown: Factor, found: Credentials) -> bool:
        if found.member.has_factor:
            return await self._shows_factor(shown, found)
        return await self._is_password(typed, found)

    async def _shows_factor(self, shown: Factor, found: Credentials) -> bool:
        """Whether what is shown is right, or nothing is wanted yet. What is right is used up."""
        if not found.member.has_factor:
            return True
        if shown.passkey:
            return await self._shows_passkey(shown, found.member)
        if found.has_app and found.totp_secret is not None:
            step = proven_step(found.totp_secret, shown.code, self._clock(), found.totp_last_step)
            if step is not None:
                return await self.accounts.use_step(found.member.id, step)
        return await self.factors.use_code(found.member, shown.code)

    async def _shows_passkey(self, shown: Factor, member: Member) -> bool:
        asked = shown.asked
        if asked is None or asked.email != member.email:
            return False
        held = await self.factors.passkeys(member.id)
        found = signed(self.site, shown.passkey, asked.challenge, held)
        return found is not None and await self.factors.use_passkey(*found, asked.at)

    async def add_passkey(self, session: LiveSession, answer: str, asked: Asked | None, name: str) -> bool:
        """Keep a key that the browser has made; False for an answer that is not right. All other sessions end."""
        if asked is None or asked.email != session.member.email:
            return False
        key = made(self.site, answer, asked.challenge)
        if key is None or not await self.factors.add_passkey(session.member, key, name, session.family):
            return False
        await self.accounts.prove(session.family)
        return True

    async def _seconds_to_wait(self, own: str, address: str | None) -> int:
        failures, now = await self.accounts.failures(_subjects(own, address)), self._clock()
        waits = [seconds_to_wait(failures.get(own), now, ACCOUNT_LOCK_SECONDS_MAX)]
        if address is not None:
            waits.append(seconds_to_wait(failures.get(_place(address)), now, ADDRESS_LOCK_SECONDS_MAX))
        return max(waits)


def _own(session: LiveSession) -> str:
    return f"session {session.family}"


def _place(address: str) -> str:
    return f"address {address}"


def _subjects(own: str, address: str | None) -> list[str]:
    return [own] if address is None else [own, _place(address)]


def fingerprint(password_hash: str) -> str:
    """What tells one password's hash from another."""
    return sha256(password_hash.encode()).hexdigest()[:32]


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
