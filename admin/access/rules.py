"""Who works here and what each may do; when a sign-in is refused. Plain functions.

Rights are never written into a token: they follow from the role as it stands in the database, so that
a change acts at once. Figures after OWASP ASVS 5.0, chapters 6 and 7.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import pyotp

from gateway.values.organiser import OrganiserState
from gateway.values.scope import OneContest, Scope
from payments.requests import Act, Right


class Role(StrEnum):
    """What a member of staff does."""

    OWNER = "owner"
    ADMINISTRATOR = "administrator"  # of the platform: organisers and people, no money
    MANAGER = "manager"  # of an organiser: contests and candidates
    MODERATOR = "moderator"
    FINANCE = "finance"
    SUPPORT = "support"
    AUDITOR = "auditor"


_READ: Final = frozenset({Right.READ_CONTESTS, Right.READ_ORDERS})
_CONTESTS: Final = frozenset({Right.EDIT_CONTEST, Right.MODERATE, Right.MANAGE_STAFF, Right.CERTIFY, Right.DECIDE})
_VOTERS: Final = frozenset(
    {Right.SEE_NUMBER, Right.REFUND, Right.HANDLE_HELD, Right.REPLAY_CALLBACK, Right.CLOSE_TICKET}
)
_SEE_MONEY: Final = frozenset({Right.READ_MONEY, Right.READ_BOOK})
_MONEY: Final = _SEE_MONEY | {
    Right.END_REFUND,
    Right.RECONCILE,
    Right.PAY_OUT,
    Right.MANAGE_PAYOUTS,
    Right.VOID_WINDOW,
    Right.SET_FEES,
    Right.STOP_ORGANISERS,
    Right.PLATFORM_ALERTS,
}

_RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.OWNER: frozenset(Right),
    Role.ADMINISTRATOR: _READ
    | _CONTESTS
    | {Right.MANAGE_ORGANISERS, Right.STOP_ORGANISERS, Right.PLATFORM_ALERTS, Right.CLOSE_TICKET},
    Role.MANAGER: _READ | _CONTESTS | {Right.CLOSE_TICKET},
    Role.MODERATOR: frozenset({Right.READ_CONTESTS, Right.MODERATE}),
    Role.FINANCE: _READ | _VOTERS | _MONEY | {Right.DECIDE},
    Role.SUPPORT: _READ | _VOTERS,
    Role.AUDITOR: _READ | _SEE_MONEY,
}
# About all organisers together: members of one organiser do not have them.
_OF_THE_PLATFORM: Final = frozenset(
    {
        Right.READ_BOOK,
        Right.RECONCILE,
        Right.MANAGE_PAYOUTS,
        Right.SET_FEES,
        Right.MANAGE_ORGANISERS,
        Right.STOP_ORGANISERS,
        Right.PLATFORM_ALERTS,
    }
)
ROLES_OF_ORGANISERS: Final = frozenset(Role) - {Role.ADMINISTRATOR}
ROLES_OF_THE_PLATFORM: Final = frozenset(Role) - {Role.MANAGER, Role.MODERATOR}

ASKING: Final[Mapping[Act, Right]] = {
    Act.REFUND_PAYMENT: Right.REFUND,
    Act.VOID_WINDOW: Right.VOID_WINDOW,
    Act.MANUAL_REFUND_DONE: Right.END_REFUND,
    Act.RETRY_REFUND: Right.END_REFUND,
    Act.RELEASE_HELD: Right.HANDLE_HELD,
    Act.REFUSE_HELD: Right.HANDLE_HELD,
    Act.DECIDE_HELD: Right.HANDLE_HELD,
    Act.FRAUD_LIMITS: Right.HANDLE_HELD,
    Act.ANNOUNCE: Right.EDIT_CONTEST,
    Act.REPLAY_CALLBACK: Right.REPLAY_CALLBACK,
    Act.PAYOUT: Right.PAY_OUT,
    Act.BENEFICIARY: Right.PAY_OUT,
    Act.RECONCILE: Right.RECONCILE,
    Act.UNDO_IMPORT: Right.RECONCILE,
    Act.FEES: Right.SET_FEES,
    Act.CERTIFY_RESULT: Right.CERTIFY,
}
"""The right that asking for an act needs. Deciding needs it too, with `Right.DECIDE`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff. `organiser_id`: the only organiser they work for; None: the platform. `contest_id`: the only
    contest that an auditor of an organiser reads; None: all of its contests.

    `has_factor`: a second factor is set up and was proven once. `organiser_state`: of their organiser, with the reason
    that was given last; those of the platform are never stopped."""

    id: UUID
    email: str
    name: str
    role: Role
    organiser_id: UUID | None
    active: bool
    has_factor: bool
    contest_id: UUID | None = None
    organiser_state: OrganiserState = OrganiserState.ACTIVE
    state_reason: str | None = None

    @property
    def scope(self) -> Scope:
        """Whose data they work with."""
        if self.organiser_id is None or self.contest_id is None:
            return self.organiser_id
        return OneContest(self.organiser_id, self.contest_id)


def exists(role: Role, organiser_id: UUID | None) -> bool:
    """Whether there is such a role at an organiser, or without one at the platform."""
    return role in (ROLES_OF_THE_PLATFORM if organiser_id is None else ROLES_OF_ORGANISERS)


def rights_in(role: Role, organiser_id: UUID | None) -> frozenset[Right]:
    """The rights of a role at an organiser, or without one at the platform."""
    return _RIGHTS[role] if organiser_id is None else _RIGHTS[role] - _OF_THE_PLATFORM


def may_grant(granter: Member, role: Role, organiser_id: UUID | None) -> bool:
    """Whether a member may give, change or end a role at an organiser, or without one at the platform: nobody does so
    with a right that they lack, nor outside their own organiser. Only owners make their equals."""
    own = rights_in(granter.role, granter.organiser_id)
    given = rights_in(role, organiser_id)
    return (
        Right.MANAGE_STAFF in own
        and exists(role, organiser_id)
        and granter.organiser_id in (None, organiser_id)
        and (given < own or (given == own and granter.role is Role.OWNER))
    )


def may_appoint(granter: Member, organiser_id: UUID, *, has_contests: bool) -> bool:
    """Whether a member may invite an owner of an organiser that has none. While it has no contest there is nothing to
    take hold of; with one this takes whoever has the rights of an owner."""
    manages = Right.MANAGE_ORGANISERS in rights_in(granter.role, granter.organiser_id)
    return manages and (not has_contests or may_grant(granter, Role.OWNER, organiser_id))


def may_reset_factor(helper: Member, person: UUID, organiser_id: UUID | None) -> bool:
    """Whether a member may be one of the two who have a person's lost second factor taken away. `organiser_id`: whom
    the person works for. Owners and administrators of the platform may for everybody, owners of an organiser for its
    people, and nobody for themselves."""
    heads = helper.role in (Role.OWNER, Role.ADMINISTRATOR)
    return heads and helper.id != person and helper.organiser_id in (None, organiser_id)


def rights_of(member: Member, *, factor_wanted: bool) -> frozenset[Right]:
    """The rights of a member now. `factor_wanted`: without a second factor there are none."""
    if not member.active or (factor_wanted and not member.has_factor):
        return frozenset()
    return rights_in(member.role, member.organiser_id)


# Organisers ask for their money, and the platform agrees to it.
_AGREED_BY_THE_PLATFORM: Final = frozenset({Act.PAYOUT, Act.BENEFICIARY, Act.RECONCILE, Act.UNDO_IMPORT, Act.FEES})


def may_decide(rights: frozenset[Right], act: Act, scope: Scope) -> bool:
    """Whether these rights are enough for the second person of an act: deciding needs the right to ask, too. `scope`:
    theirs."""
    if scope is not None and act in _AGREED_BY_THE_PLATFORM:
        return False
    return Right.DECIDE in rights and ASKING[act] in rights


class PasswordFault(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    COMMON = "common"


PASSWORD_LENGTH_MIN: Final = 12
PASSWORD_LENGTH_MAX: Final = 128
# Of lists of leaked passwords, those of twelve characters and more that are tried first.
_COMMON_WORDS: Final = """
123456123456 123456789012 1234567890123 12345678901234 123456789123 1234567891011 0123456789012 098765432109
111111111111 000000000000 112233445566 121212121212 123123123123 987654321098 1q2w3e4r5t6y 1qaz2wsx3edc
qwertyuiop12 qwertyuiop123 qwertyuiopas qwerty123456 qwerty12345678 azertyuiop12 azertyuiop123 azerty123456
asdfghjkl123 password1234 password12345 password123456 passwordpassword password123! motdepasse12 motdepasse123
motdepasse1234 motdepassemotdepasse adminadmin12 administrator administrateur admin123456 admin12345678
iloveyou1234 jetaime12345 changeme1234 changemechangeme letmein12345 welcome12345 bienvenue123 abcdefghijkl
abcdefghijklmnop abcd12345678 abc123456789 a1b2c3d4e5f6 cotedivoire1 cotedivoire225 abidjan12345
"""
_COMMON: Final = frozenset(_COMMON_WORDS.split())
_OUR_NAMES: Final = ("spotlight",)
_BESIDE_A_NAME_MIN: Final = 8


def password_fault(password: str, email: str) -> PasswordFault | None:
    """Why this person cannot have this password; None when they can. No rule asks for kinds of letters."""
    if len(password) < PASSWORD_LENGTH_MIN:
        return PasswordFault.TOO_SHORT
    if len(password) > PASSWORD_LENGTH_MAX:
        return PasswordFault.TOO_LONG
    plain = password.lower()
    own = email.lower().partition("@")[0]
    known = [*_OUR_NAMES, *([own] if len(own) >= 4 else [])]
    left = plain
    for word in known:
        left = left.replace(word, "")
    # What is left beside a name that everybody knows must be worth guessing by itself.
    if plain in _COMMON or len(set(plain)) <= 2 or (left != plain and len(left) < _BESIDE_A_NAME_MIN):
        return PasswordFault.COMMON
    return None


STEP_SECONDS: Final = 30
CODE_DIGITS: Final = 6


def proven_step(secret: str, typed: str, now: datetime, last_step: int | None) -> int | None:
    """The time step whose code was typed (RFC 6238: this one or the one before); None for a wrong code and
    for a step that is not later than `last_step`, which was used before. `secret`: base 32."""
    code = "".join(typed.split())
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit()):
        return None
    generator = pyotp.TOTP(secret, digits=CODE_DIGITS, interval=STEP_SECONDS)
    current = int(now.timestamp()) // STEP_SECONDS
    for step in (current, current - 1):
        if hmac.compare_digest(generator.generate_otp(step), code):
            return step if last_step is None or step > last_step else None
    return None


RECOVERY_CODES: Final = 10
# Letters and digits that do not look alike; six times four of them are 118 bits.
CODE_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
CODE_GROUPS: Final = 6
CODE_GROUP_LENGTH: Final = 4


def read_recovery_code(typed: str) -> str | None:
    """A recovery code without what separates its groups; None for what is none."""
    code = "".join(letter for letter in typed.lower() if letter.isalnum())
    whole = len(code) == CODE_GROUPS * CODE_GROUP_LENGTH and set(code) <= set(CODE_LETTERS)
    return code if whole else None


@dataclass(frozen=True, slots=True)
class Failures:
    """Sign-ins in a row that failed for one account, address or known device."""

    count: int
    last_at: datetime


FREE_TRIES: Final = 5
FORGOTTEN_AFTER: Final = timedelta(hours=1)
_FIRST_LOCK_SECONDS: Final = 60
ACCOUNT_LOCK_SECONDS_MAX: Final = 15 * 60
ADDRESS_LOCK_SECONDS_MAX: Final = 60


def seconds_to_wait(failures: Failures | None, now: datetime, longest: int) -> int:
    """Whole seconds until the next try is accepted, 0 for now: some tries are free, then the wait
    doubles up to `longest`."""
    if failures is None or failures.count < FREE_TRIES:
        return 0
    lock = min(longest, _FIRST_LOCK_SECONDS << min(failures.count - FREE_TRIES, 16))
    left = failures.last_at + timedelta(seconds=lock) - now
    return max(0, -int(-left.total_seconds() // 1))


ACCESS_LIFE: Final = timedelta(minutes=15)
REFRESH_LIFE: Final = timedelta(days=7)
SESSION_LIFE: Final = timedelta(days=30)
FRESH_FACTOR: Final = timedelta(minutes=5)
DEVICE_LIFE: Final = timedelta(days=180)
# Two tabs of one browser may bring the same refresh token at once.
TWO_TABS: Final = timedelta(seconds=10)


def is_fresh(proven_at: datetime | None, now: datetime) -> bool:
    """Whether the second factor was shown lately: acts about money and rules require it."""
    return proven_at is not None and now - proven_at < FRESH_FACTOR


class Reuse(StrEnum):
    """What a refresh token that was used before means."""

    TWO_TABS = "two_tabs"
    STOLEN = "stolen"


def judge_reuse(used_at: datetime, now: datetime, *, same_client: bool) -> Reuse:
    """The same browser within seconds is two tabs; anything else is a thief, or the victim of one."""
    return Reuse.TWO_TABS if same_client and now - used_at <= TWO_TABS else Reuse.STOLEN
