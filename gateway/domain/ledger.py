"""Double-entry postings: where each franc and each vote is. Debits are positive.

Votes are booked beside the money, as a currency of their own, so that one constraint, the legs of
a transaction sum to zero per currency, guards both.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.domain.money import Money

VOTES: Final = "VOTES"


class Account(StrEnum):
    """The accounts of a contest's book."""

    OPERATOR_CLEARING = "operator_clearing"  # money that an operator holds for us
    SALES = "sales"  # money for counted votes
    HELD_FUNDS = "held_funds"  # money taken, not yet decided about
    REFUNDS_OWED = "refunds_owed"  # money that will be given back
    VOTES_SOLD = "votes_sold"
    VOTES_COUNTED = "votes_counted"


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg. `currency` is a currency code or VOTES."""

    account: Account
    currency: str
    amount: int


def sale(total: Money, votes: int) -> tuple[Posting, ...]:
    """Confirmed money becomes counted votes."""
    return (
        Posting(Account.OPERATOR_CLEARING, total.currency, total.amount_minor),
        Posting(Account.SALES, total.currency, -total.amount_minor),
        Posting(Account.VOTES_SOLD, VOTES, votes),
        Posting(Account.VOTES_COUNTED, VOTES, -votes),
    )


def owed_back(total: Money) -> tuple[Posting, ...]:
    """Money arrived that cannot be counted: it is owed to its payer."""
    return (
        Posting(Account.OPERATOR_CLEARING, total.currency, total.amount_minor),
        Posting(Account.REFUNDS_OWED, total.currency, -total.amount_minor),
    )


def held(total: Money) -> tuple[Posting, ...]:
    """Money arrived that nobody has decided about yet."""
    return (
        Posting(Account.OPERATOR_CLEARING, total.currency, total.amount_minor),
        Posting(Account.HELD_FUNDS, total.currency, -total.amount_minor),
    )


def held_to_owed(total: Money) -> tuple[Posting, ...]:
    """Money that was held is owed back to its payer."""
    return (
        Posting(Account.HELD_FUNDS, total.currency, total.amount_minor),
        Posting(Account.REFUNDS_OWED, total.currency, -total.amount_minor),
    )


def balanced(legs: tuple[Posting, ...]) -> bool:
    """Whether the legs of one transaction sum to zero in every currency."""
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.currency] = sums.get(leg.currency, 0) + leg.amount
    return not any(sums.values())
