"""What signing in asks of storage and of cryptography."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from admin.access.rules import Failures, Member, Role


class StaffRefused(Exception):
    """An account cannot be made or changed so, and nothing was changed; the text says why."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: address and browser, as they are shown to whoever signed in."""

    remote: str
    agent: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves that somebody is a member. `totp_secret`: base 32; of a factor that is not proven yet too."""

    member: Member
    password_hash: str = field(repr=False)
    totp_secret: str | None = field(repr=False)
    totp_last_step: int | None


@dataclass(frozen=True, slots=True)
class LiveSession:
    """Somebody who is signed in. `family`: the session's id; `factor_at`: when they proved last who they
    are."""

    family: UUID
    member: Member
    factor_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as it is listed. `seen_at`: last renewed."""

    family: UUID
    started_at: datetime
    seen_at: datetime
    remote: str
    agent: str


@dataclass(frozen=True, slots=True)
class MemberLine:
    """An account as it is listed. `organiser`: slug."""

    member: Member
    organiser: str | None
    created_at: datetime
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewMember:
    """An account to be made. `organiser`: slug; None: for the platform."""

    email: str
    name: str
    role: Role
    organiser: str | None
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rotated:
    """It was used up; its successor is written."""

    session: LiveSession


@dataclass(frozen=True, slots=True)
class SecondTab:
    """Another tab of the same browser was faster by seconds."""


@dataclass(frozen=True, slots=True)
class NotRotated:
    """Nobody is signed in by it. `stolen`: it had been used before, so the whole session was ended."""

    stolen: bool = False


class StaffAccounts(Protocol):
    """Accounts, sessions and failures. Every method is one transaction; acts are in the audit log with it.

    `actor`: an e-mail address, or `cli:` and an account of the machine."""

    async def failures(self, subjects: Sequence[str]) -> Mapping[str, Failures]:
        """Failures in a row of each subject that has any."""
        ...

    async def note_failure(self, subjects: Sequence[str]) -> None:
        """One more failure of each."""
        ...

    async def forget_failures(self, subjects: Sequence[str]) -> None:
        """The way in is open again."""
        ...

    async def credentials(self, email: str) -> Credentials | None:
        """Of the account with this address, active or not."""
        ...

    async def use_step(self, staff_id: UUID, step: int) -> bool:
        """Use a time step up; False when it, or a later one, was used before."""
        ...

    async def rehash(self, staff_id: UUID, password_hash: str) -> None:
        """Keep the same password under today's parameters."""
        ...

    async def open_session(self, member: Member, refresh_hash: bytes, client: Client) -> LiveSession:
        """Begin a session of somebody who has just proven who they are."""
        ...

    async def rotate(self, refresh_hash: bytes, successor: bytes, client: Client) -> Rotated | SecondTab | NotRotated:
        """Exchange a refresh token for its successor. One that was used before ends the session."""
        ...

    async def live_session(self, family: UUID) -> LiveSession | None:
        """Who is signed in by a session that nobody ended."""
        ...

    async def end_session(self, family: UUID, actor: str) -> bool:
        """End a session; False when it was over."""
        ...

    async def end_other_sessions(self, staff_id: UUID, kept: UUID | None, actor: str) -> int:
        """End all sessions of somebody but one."""
        ...

    async def sessions(self, staff_id: UUID) -> Sequence[SessionLine]:
        """Sessions that last, the newest first."""
        ...

    async def prove(self, family: UUID) -> None:
        """Whoever is signed in has just proven who they are."""
        ...

    async def begin_factor(self, staff_id: UUID, secret: str) -> bool:
        """Keep the secret of a second factor that is to be proven; False when there is a proven one."""
        ...

    async def confirm_factor(self, staff_id: UUID, step: int) -> bool:
        """The secret that was begun is in the person's hands; False when none was begun."""
        ...

    async def create(self, new: NewMember, actor: str) -> Member:
        """Make an account. Raises StaffRefused."""
        ...

    async def set_password(self, staff_id: UUID, password_hash: str, actor: str) -> None:
        """Another password; ends no session by itself."""
        ...

    async def reset_factor(self, email: str, actor: str) -> Member:
        """Take the second factor away and end all sessions. Raises StaffRefused."""
        ...

    async def set_active(self, email: str, active: bool, actor: str) -> Member:
        """Let somebody in, or no longer, which ends all sessions. Raises StaffRefused."""
        ...

    async def listed(self) -> Sequence[MemberLine]:
        """Everybody, by address."""
        ...


class PasswordHasher(Protocol):
    """Slow hashing, a few at a time. Raises DatabaseUnavailable when too many wait."""

    async def hashed(self, password: str) -> str:
        """The hash to keep."""
        ...

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password; for no account (None) False, after the same time."""
        ...

    def outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        ...
