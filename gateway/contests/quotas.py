"""How much of everything an organiser may have: defaults in one table, and what an organiser has instead. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Quota(StrEnum):
    """What is counted. All of it costs every other organiser something: memory, short codes, storage, mails."""

    CONTESTS = "contests"  # published and not over
    DRAFTS = "drafts"
    CANDIDATES = "candidates"  # of one contest, whatever became of them; each may have one photo
    PEOPLE = "people"  # who may sign in, and who is invited
    INVITATIONS = "invitations"  # sent within 24 hours
    VIDEOS = "videos"  # kept at once, of at most 50 MB each


DEFAULTS: Final[Mapping[Quota, int]] = {
    Quota.CONTESTS: 5,
    Quota.DRAFTS: 20,
    Quota.CANDIDATES: 1_000,
    Quota.PEOPLE: 30,
    Quota.INVITATIONS: 40,
    Quota.VIDEOS: 200,
}
QUOTA_MAX: Final = 1_000_000


class QuotaReached(Exception):
    """There is no room for more, and nothing was changed."""

    def __init__(self, quota: Quota, most: int) -> None:
        super().__init__(f"at most {most} {_COUNTED[quota]}")
        self.quota = quota
        self.most = most


_COUNTED: Final[Mapping[Quota, str]] = {
    Quota.CONTESTS: "contests open at once",
    Quota.DRAFTS: "drafts",
    Quota.CANDIDATES: "candidates in a contest",
    Quota.PEOPLE: "people, those who are invited among them",
    Quota.INVITATIONS: "invitations in 24 hours",
    Quota.VIDEOS: "videos at once",
}


def most_of(own: Mapping[str, int], quota: Quota) -> int:
    """The quota of an organiser. `own`: what it has instead of the defaults, by name."""
    return own.get(quota.value, DEFAULTS[quota])


def check(own: Mapping[str, int], quota: Quota, wanted: int) -> None:
    """Whether there may be so many. Raises QuotaReached."""
    most = most_of(own, quota)
    if wanted > most:
        raise QuotaReached(quota, most)
