"""What is kept of a dialogue that was cut off after a candidate was chosen."""

from dataclasses import dataclass
from uuid import UUID

from gateway.domain.msisdn import Msisdn


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a number came in a contest. `quantity` None: the number of votes was not typed."""

    voter: Msisdn
    contest_id: UUID
    candidate_code: str
    quantity: int | None
    language: str
