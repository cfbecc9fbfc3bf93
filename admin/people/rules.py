"""Why something about people is refused, and how long an invitation is good. Plain values."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gateway.values.names import is_readable

INVITATION_LIFE: Final = timedelta(hours=72)
# From the second person's agreement until a lost second factor is taken away; as long as a request waits for one.
FACTOR_RESET_WAIT: Final = timedelta(hours=24)
NAME_LENGTH_MAX: Final = 120
_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SLUG_LENGTH_MAX: Final = 60


class Fault(StrEnum):
    """Why nothing was changed."""

    NO_ADDRESS = "no_address"
    HAS_ACCOUNT = "has_account"
    NOT_YOURS_TO_GIVE = "not_yours_to_give"  # a role that the granter may not give, change or end
    OWNERS_TO_GIVE = "owners_to_give"  # the organiser has contests: a platform's owner appoints its owner
    NO_ORGANISER = "no_organiser"
    NO_CONTEST = "no_contest"
    ONE_CONTEST = "one_contest"  # only an organiser's auditor is limited to one
    YOURSELF = "yourself"
    NOT_FOUND = "not_found"
    LINK_OVER = "link_over"
    NO_SLUG = "no_slug"
    SLUG_TAKEN = "slug_taken"
    NO_NAME = "no_name"
    NO_FACTOR = "no_factor"
    NOT_YOURS_TO_RESET = "not_yours_to_reset"
    RESET_ASKED = "reset_asked"  # it waits for a second person, or for the day to be over
    NO_MAIL = "no_mail"  # the owner of the factor could not be notified
    NO_QUOTA = "no_quota"


class PeopleRefused(Exception):
    """Nothing was changed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def is_slug(typed: str) -> bool:
    """Whether a text can name an organiser in addresses."""
    return len(typed) <= SLUG_LENGTH_MAX and _SLUG.fullmatch(typed) is not None


def clean_name(typed: str) -> str:
    """A name as it is kept. Raises PeopleRefused for none."""
    name = " ".join(typed.split())
    if not is_readable(name) or len(name) > NAME_LENGTH_MAX or not name.isprintable():
        raise PeopleRefused(Fault.NO_NAME)
    return name
