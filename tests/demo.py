"""The demo contest, as tests know it: always the same people under the same ids."""

from datetime import UTC, datetime
from uuid import UUID

from gateway.contests.contest import Candidate, Contest
from gateway.values.money import Money

ORGANISER_ID = UUID("0a000000-0000-4000-8000-000000000001")
CONTEST_ID = UUID("0b000000-0000-4000-8000-000000000001")

NAMES = (
    "Aya Koné",
    "Kouadio N'Guessan",
    "Mariam Traoré",
    "Yao Kouassi",
    "Fatou Bamba",
    "Serge Gnagne",
    "Awa Ouattara",
    "Ibrahim Coulibaly",
    "Adjoua Brou",
    "Moussa Diabaté",
    "Akissi Konan",
    "Franck Zadi",
)


def candidate_id(number: int) -> UUID:
    """The id of the candidate with this number, 1 to 12."""
    return UUID(f"0c000000-0000-4000-8000-{number:012d}")


def demo_contest() -> Contest:
    """Star d'Abidjan with twelve candidates, open through 2026 and 2027."""
    return Contest(
        id=CONTEST_ID,
        organiser_id=ORGANISER_ID,
        slug="star",
        name="Star d'Abidjan",
        country="CI",
        price=Money(100, "XOF"),
        opens_at=datetime(2026, 1, 1, tzinfo=UTC),
        closes_at=datetime(2027, 12, 31, 23, 59, tzinfo=UTC),
        service_code="*789#",
        short_code="7890",
        keyword="STAR",
        candidates=tuple(Candidate(candidate_id(n), f"{n:02d}", name) for n, name in enumerate(NAMES, start=1)),
    )
