"""The latest payments of whoever says that they were debited."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from payments.rescue.rules import Attempt, Claim


@dataclass(frozen=True, slots=True)
class HeldAttempt:
    """A payment as it stands. `askable`: whether its operator was asked to collect it and it is not known
    to be paid. `ticketed`: whether a person was asked to look at it and has not done so."""

    reference: UUID
    attempt: Attempt
    askable: bool
    contest_id: UUID
    ticketed: bool = False


class AttemptStore(Protocol):
    """Reads the payments that a claim is about, and has persons look at them."""

    async def latest(self, claim: Claim) -> list[HeldAttempt]:
        """The latest payments of a day, or all of one order, newest first."""
        ...

    async def open_ticket(self, claim: Claim, contest_id: UUID, language: str, reference: UUID | None) -> str | None:
        """Number, with its check digit, of the open ticket of this number in this contest; opened if there
        is none. The number is the claim's own, else the payer's of the payment `reference`; None where
        neither is known."""
        ...
