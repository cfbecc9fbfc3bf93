"""Money on its way to an organiser: what may be paid, to whom, and the life of a payout. Pure.

What is payable is what the book owes the organiser, less what may still be taken back. A payout
leaves it the moment that a second person agreed, under a reference that is committed before the
operator is asked; what fails for good is payable again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

BENEFICIARY_DELAY: Final = timedelta(hours=24)
"""Between the confirmation of a beneficiary and the first payout to it, so that a change of number is
noticed before money follows it."""
DIFFERENCES_WITHIN: Final = timedelta(days=7)
"""Differences found so lately stop a payout as long as nobody has decided about them."""


class PayoutState(StrEnum):
    """Where a payout stands."""

    DUE = "due"  # approved, to be sent
    SENT = "sent"  # the operator is being asked; committed before the call
    DONE = "done"  # the organiser has it
    FAILED = "failed"  # it never arrived: payable again
    MANUAL = "manual"  # waiting for a person


class PayoutSeen(StrEnum):
    """What somebody observed or decided about a payout."""

    APPROVED = "approved"
    CALLING = "calling"
    ACCEPTED = "accepted"
    PUT_BACK = "put_back"  # never left us, or never arrived: sent again as it is
    PUT_OFF = "put_off"  # our own account cannot pay now; nothing was created: sent again as it is
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GIVEN_UP = "given_up"  # to a person
    ASKED_AGAIN = "asked_again"  # a person gives it back to the machine
    PAID_BY_HAND = "paid_by_hand"  # a person found that the organiser has it
    NOT_PAID = "not_paid"  # a person found that it never arrived


_DUE, _SENT, _DONE = PayoutState.DUE, PayoutState.SENT, PayoutState.DONE
_FAILED, _MANUAL = PayoutState.FAILED, PayoutState.MANUAL

# An answer about a reference holds whoever has it by then.
PAYOUT_TABLE: Final[dict[tuple[PayoutState, PayoutSeen], PayoutState]] = {
    (_DUE, PayoutSeen.CALLING): _SENT,
    (_SENT, PayoutSeen.ACCEPTED): _SENT,
    (_SENT, PayoutSeen.PUT_BACK): _DUE,
    (_SENT, PayoutSeen.PUT_OFF): _DUE,
    (_DUE, PayoutSeen.SUCCEEDED): _DONE,
    (_SENT, PayoutSeen.SUCCEEDED): _DONE,
    (_MANUAL, PayoutSeen.SUCCEEDED): _DONE,
    (_SENT, PayoutSeen.FAILED): _FAILED,
    (_DUE, PayoutSeen.GIVEN_UP): _MANUAL,
    (_SENT, PayoutSeen.GIVEN_UP): _MANUAL,
    (_MANUAL, PayoutSeen.ASKED_AGAIN): _DUE,
    (_MANUAL, PayoutSeen.PAID_BY_HAND): _DONE,
    (_MANUAL, PayoutSeen.NOT_PAID): _FAILED,
}


def payouts_before(seen: PayoutSeen) -> dict[PayoutState, PayoutState]:
    """Every state that this observation may leave, with where it leads."""
    return {before: after for (before, observed), after in PAYOUT_TABLE.items() if observed is seen}


@dataclass(frozen=True, slots=True)
class Position:
    """What a contest owes its organiser, in minor units of one currency.

    `owed`: by the book. `provisional`: their share of votes counted on a callback that nobody has
    checked yet. `at_risk`: their share of votes that somebody asked to take back, or whose payment is
    disputed. `differences`: open ones of the last days about its money, or about money of no contest in the
    account that would pay.
    """

    owed_minor: int
    provisional_minor: int = 0
    at_risk_minor: int = 0
    differences: int = 0

    @property
    def payable_minor(self) -> int:
        """What may be paid out now."""
        return max(0, self.owed_minor - self.provisional_minor - self.at_risk_minor)


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """Where an organiser is paid, as the rules see it."""

    same_organiser: bool
    usable_from: datetime | None
    retired: bool


def refusals(
    amount_minor: int, position: Position, beneficiary: Beneficiary | None, *, frozen: bool, now: datetime
) -> Sequence[str]:
    """Every reason against a payout of so much now; none when it may be paid."""
    found = []
    if frozen:
        found.append("the organiser is frozen: nothing is paid out; refunds go on")
    if beneficiary is None or not beneficiary.same_organiser:
        found.append("this organiser has no such beneficiary")
    elif beneficiary.retired:
        found.append("the beneficiary is retired")
    elif beneficiary.usable_from is None:
        found.append("nobody has confirmed the beneficiary yet")
    elif now < beneficiary.usable_from:
        found.append(f"the beneficiary can be paid from {beneficiary.usable_from:%Y-%m-%d %H:%M} UTC on")
    if position.differences:
        found.append(f"{position.differences} differences with operators are open: decide about them first")
    if amount_minor <= 0:
        found.append("nothing to pay")
    elif amount_minor > position.payable_minor:
        found.append(
            f"more than is payable: {position.payable_minor} of {position.owed_minor} owed"
            f" ({position.provisional_minor} provisional, {position.at_risk_minor} may be taken back), in minor units"
        )
    return found
