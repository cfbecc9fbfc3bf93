"""Requests of staff: what may be asked for, by which right, and why one is refused."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from gateway.values.scope import Scope as Scope


class Act(StrEnum):
    """What may be asked for."""

    REFUND_PAYMENT = "refund_payment"  # a counted or held payment goes back to its payer
    VOID_WINDOW = "void_window"  # all payments of a window go back
    MANUAL_REFUND_DONE = "manual_refund_done"  # a person paid, and has the operator's reference
    RETRY_REFUND = "retry_refund"  # ask the operator again for what was given to a person
    RELEASE_HELD = "release_held"  # a held payment counts after all
    REFUSE_HELD = "refuse_held"  # a held payment goes back
    DECIDE_HELD = "decide_held"  # held payments of a contest count, or go back
    FRAUD_LIMITS = "fraud_limits"  # the limits of the fraud rules of a contest whose votes count
    ANNOUNCE = "announce"  # the result of a contest whose public log is sealed
    REPLAY_CALLBACK = "replay_callback"  # judge a stored callback once more
    PAYOUT = "payout"
    BENEFICIARY = "beneficiary"
    RECONCILE = "reconcile"  # a difference with an operator, or a group of them, is booked or accepted
    FEES = "fees"  # our share of what an organiser's votes bring, from an instant on
    UNDO_IMPORT = "undo_import"  # a statement is taken back as a whole
    CERTIFY_RESULT = "certify_result"  # the result of a contest is signed


class RequestStatus(StrEnum):
    """Where a request stands."""

    WAITING = "waiting"
    REJECTED = "rejected"
    APPROVED = "approved"  # being done
    DONE = "done"
    FAILED = "failed"


class Why(StrEnum):
    """Why an act or a decision is refused."""

    UNKNOWN = "unknown"
    NO_PERSON = "no_person"
    NO_REASON = "no_reason"
    NOT_ALLOWED = "not_allowed"  # their role lacks the right
    FROZEN = "frozen"  # their organiser is frozen
    LIMITED = "limited"  # their organiser is limited, and this would be new
    OWN_REQUEST = "own_request"
    DECIDED = "decided"
    EXPIRED = "expired"
    TOO_LATE = "too_late"  # the rules of the contest allow no such refund any more
    IMPOSSIBLE = "impossible"


class ActRefused(Exception):
    """The act or the decision is refused and nothing was changed; the text is for the person who asked."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


# Stands where the second person would, for acts that need none.
NOBODY_ELSE: Final = "single-person act"


REASON_LENGTH_MIN: Final = 3


REASON_LENGTH_MAX: Final = 500


class Right(StrEnum):
    """What a page or an address of the back office needs."""

    READ_CONTESTS = "read_contests"
    EDIT_CONTEST = "edit_contest"  # create, edit, publish, close, archive
    CERTIFY = "certify"  # sign the result of a contest, with another person
    MODERATE = "moderate"  # candidates, their photos and videos, nominations
    MANAGE_STAFF = "manage_staff"  # invite, change roles, end
    MANAGE_ORGANISERS = "manage_organisers"  # create, quotas
    STOP_ORGANISERS = "stop_organisers"  # limit one, freeze one, and let it go on
    READ_ORDERS = "read_orders"
    SEE_NUMBER = "see_number"  # a whole phone number, each time with a reason
    READ_MONEY = "read_money"  # balances, fees, payouts
    READ_BOOK = "read_book"  # the whole book, statements of operators, differences: of all organisers
    REFUND = "refund"
    HANDLE_HELD = "handle_held"
    VOID_WINDOW = "void_window"
    END_REFUND = "end_refund"  # refunds that wait for a person
    REPLAY_CALLBACK = "replay_callback"
    CLOSE_TICKET = "close_ticket"
    RECONCILE = "reconcile"
    PAY_OUT = "pay_out"  # ask for a payout; another person agrees
    MANAGE_PAYOUTS = "manage_payouts"  # end one that waits for a person
    SET_FEES = "set_fees"  # our share of what votes bring
    PLATFORM_ALERTS = "platform_alerts"  # where alerts about operators and carriers go
    DECIDE = "decide"  # be the second person


@dataclass(frozen=True, slots=True)
class StaffRequest:
    """A request as it is kept.

    `subject`: what it is about, in the words of its act (a payment's reference, a contest's slug …).
    `params`: what was asked for exactly. `preview`: what it would do, as of when it was made.
    """

    id: UUID
    act: Act
    subject: str
    reason: str
    requested_by: str
    requested_at: datetime
    status: RequestStatus
    params: Mapping[str, Any] = field(default_factory=dict)
    preview: Mapping[str, Any] = field(default_factory=dict)
    decided_by: str | None = None
    decided_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request that is not kept yet."""

    id: UUID
    act: Act
    subject: str
    params: Mapping[str, Any]
    reason: str
    requested_by: str


@dataclass(frozen=True, slots=True)
class Executed:
    """What an executor did. `finished` False: there is more to do, it is called again."""

    outcome: str
    finished: bool = True
    ok: bool = True


Executor = Callable[[StaffRequest], Awaitable[Executed]]
"""Does an approved request. It may be called again after a kill, and twice at once: it must find out by
the request's id what is done already. Raises ActRefused when it cannot be done (any more)."""


def named(person: str) -> str:
    """A person by e-mail address or account name, as they are compared. Raises ActRefused."""
    name = person.strip().lower()
    if not name or name == NOBODY_ELSE:
        raise ActRefused(Why.NO_PERSON, "say who you are")
    return name


def reasoned(reason: str) -> str:
    """A reason that says something. Raises ActRefused."""
    given = " ".join(reason.split())
    if not REASON_LENGTH_MIN <= len(given) <= REASON_LENGTH_MAX:
        raise ActRefused(
            Why.NO_REASON, f"give a reason of {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters for the record"
        )
    return given


def subject_id(given: object, what: str = "reference") -> UUID:
    """What an act is about, where that has a UUID. Raises ActRefused."""
    try:
        return UUID(str(given))
    except ValueError:
        raise ActRefused(Why.UNKNOWN, f"{given!r} is no {what}") from None
