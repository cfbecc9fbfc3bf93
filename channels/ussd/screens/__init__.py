"""What the voter sees: each screen as text within its budget of septets, in any language.

Every screen has parts that may give way: names are cut on a word, an error above a screen is
dropped before the screen itself suffers.
"""

from channels.ussd.screens.fitting import (
    LIST_NAME_SEPTETS,
    NAME_SEPTETS_MAX,
    NAME_SEPTETS_MIN,
    SEPTETS_MAX,
    fitted,
    squeezed,
)
from channels.ussd.screens.helping import (
    help_menu,
    languages,
    my_votes,
    receipt,
    receipt_question,
    rescued,
    rules,
    rules_pages,
    ticket,
)
from channels.ussd.screens.listing import (
    LIST_SIZE,
    candidate_pages,
    candidates,
    contest_pages,
    contests,
    pages_of,
    people,
    ranking,
    ranking_pages,
)
from channels.ussd.screens.voting import (
    check,
    closed,
    confirm,
    home,
    other_number,
    paid_by_code,
    payment_code,
    placed,
    quantity,
    resume,
    wallet,
)

MY_VOTES_MAX = 4

__all__ = [
    "LIST_NAME_SEPTETS",
    "LIST_SIZE",
    "MY_VOTES_MAX",
    "NAME_SEPTETS_MAX",
    "NAME_SEPTETS_MIN",
    "SEPTETS_MAX",
    "candidate_pages",
    "candidates",
    "check",
    "closed",
    "confirm",
    "contest_pages",
    "contests",
    "fitted",
    "help_menu",
    "home",
    "languages",
    "my_votes",
    "other_number",
    "pages_of",
    "paid_by_code",
    "payment_code",
    "people",
    "placed",
    "quantity",
    "ranking",
    "ranking_pages",
    "receipt",
    "receipt_question",
    "rescued",
    "resume",
    "rules",
    "rules_pages",
    "squeezed",
    "ticket",
    "wallet",
]
