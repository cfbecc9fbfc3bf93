"""What may be paid to an organiser. Pure.

What is payable is what the book owes the organiser, less what may still be taken back. A payout
leaves it the moment that a second person agreed, under a reference that is committed before the
operator is asked; what fails for good is payable again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.values.money import CURRENCY_OF
from payments.disbursement.rules import Step

ENDS: Final = {"done": Step.PAID_BY_HAND, "failed": Step.NOT_PAID, "again": Step.ASKED_AGAIN}
"""How a person may end a payout that waits for one."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a contest owes its organiser, in minor units of one currency.

    `owed`: by the book. `provisional`: their share of votes counted on an unchecked callback. `at_risk`: their share
    of votes that are asked to be taken back, or whose payment is disputed. `differences`: open ones, however old,
    about its money, or about money of no contest in the account that would pay.
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
    same_currency: bool


def is_paid_in(country: str, currency: str) -> bool:
    """Whether wallets of this country take this currency. True where the country's currency is not known here."""
    return CURRENCY_OF.get(country, currency) == currency


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
    elif not beneficiary.same_currency:
        found.append("the beneficiary's wallet takes another currency than the contest's")
    elif beneficiary.usable_from is None:
        found.append("no second person has confirmed the beneficiary yet")
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


def end_refusal(end: str, operator_reference: str) -> str | None:
    """The reason against this end of a payout that waits for a person; None when it may end so."""
    if end not in ENDS:
        return f"{end!r} is no end; choose: {', '.join(ENDS)}"
    if end == "done" and not operator_reference:
        return "say the operator's reference of the payment"
    return None


def confirmation_refusal(*, confirmed: bool, retired: bool, own: bool = False) -> str | None:
    """The reason against confirming a beneficiary; None when it may be confirmed. `own`: by the person who registered
    it."""
    if confirmed or retired:
        return "it is confirmed or retired already"
    return "you registered it yourself" if own else None
