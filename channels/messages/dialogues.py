"""What is kept of a dialogue: how far one came that was cut off, and the language that was chosen."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from gateway.storage.purging import LANGUAGE_DAYS
from gateway.values.msisdn import Msisdn

LANGUAGE_SECONDS: Final = LANGUAGE_DAYS * 24 * 3600


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a number came in a contest. `quantity` None: the number of votes was not typed."""

    voter: Msisdn
    contest_id: UUID
    candidate_code: str
    quantity: int | None
    language: str


def language_key(number_key: str) -> str:
    """Where the language of a number is kept beside its dialogues. `number_key`: see `VotingService.number_key`."""
    return f"language:{number_key}"
