"""A number's latest payments, for whoever says that they were debited."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from gateway.domain.msisdn import Msisdn
from gateway.domain.rescue import Attempt


@dataclass(frozen=True, slots=True)
class HeldAttempt:
    """A payment as it stands. `askable`: whether its operator was asked to collect it and it is not known
    to be paid."""

    reference: UUID
    attempt: Attempt
    askable: bool


class AttemptStore(Protocol):
    """Reads a number's payments, and has persons look at them."""

    async def latest(self, number: Msisdn, contest_id: UUID) -> list[HeldAttempt]:
        """The latest payments of a day that this number paid or ordered, newest first."""
        ...

    async def open_ticket(self, number: Msisdn, contest_id: UUID, language: str, reference: UUID | None) -> str:
        """Number, with its check digit, of the open ticket of this number in this contest; opened if there
        is none."""
        ...
