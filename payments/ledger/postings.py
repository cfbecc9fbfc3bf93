"""Double-entry postings: where each franc and each vote is. Debits are positive.

Votes are booked beside the money, as a currency of their own, so that one constraint, the legs of
a transaction sum to zero per currency, guards both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.values.money import Money

VOTES: Final = "VOTES"


class Account(StrEnum):
    """The accounts of the book."""

    OPERATOR_CLEARING = "operator_clearing"  # money that an operator holds for us
    OPERATOR_FLOAT = "operator_float"  # money in the wallet that an operator pays out from
    BANK = "bank"  # money that an operator has paid over to us
    OPERATOR_FEE = "operator_fee"  # what operators keep for their work
    SALES = "sales"  # money for counted votes
    SALES_SHARED = "sales_shared"  # the part of sales that has been shared out: all of it
    ORGANISER_PAYABLE = "organiser_payable"  # the organiser's share, not yet paid out
    PLATFORM_FEE = "platform_fee"  # our share
    PAYOUTS_SENT = "payouts_sent"  # on its way to an organiser
    HELD_FUNDS = "held_funds"  # money taken, not yet decided about
    REFUNDS_OWED = "refunds_owed"  # money that will be refunded
    UNEXPLAINED = "unexplained"  # money at an operator without an explanation yet
    VOTES_SOLD = "votes_sold"
    VOTES_COUNTED = "votes_counted"


WHERE_MONEY_IS: Final = (
    Account.OPERATOR_CLEARING,
    Account.OPERATOR_FLOAT,
    Account.BANK,
    Account.OPERATOR_FEE,
)
"""The accounts that say where money is, or that an operator kept it; the others say whose it is."""
OF_ORGANISERS: Final = frozenset(Account) - {*WHERE_MONEY_IS, Account.UNEXPLAINED}
"""The accounts of a contest that its organiser sees: whose its money is, and its votes."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg. `currency` is a currency code or VOTES."""

    account: Account
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class FeePlan:
    """Our share of an order: a percentage in basis points, and a fixed amount, at least `minimum_minor`.

    Rounded down to the minor unit, in the organiser's favour, and never more than the order.
    """

    percent_bp: int = 0
    fixed_minor: int = 0
    minimum_minor: int = 0

    def fee(self, amount_minor: int) -> int:
        """Our share of an order of so much."""
        share = amount_minor * self.percent_bp // 10_000 + self.fixed_minor
        return min(amount_minor, max(share, self.minimum_minor))


@dataclass(frozen=True, slots=True)
class FeePlans:
    """Our shares at one moment. `own`: by way to pay; `every`: of those without a plan of their own."""

    every: FeePlan = FeePlan()
    own: Mapping[str, FeePlan] = field(default_factory=dict)

    def of(self, method: str) -> FeePlan:
        """The plan for what was paid in this way."""
        return self.own.get(method, self.every)


def _moved(total: Money, source: Account, target: Account) -> tuple[Posting, ...]:
    return (
        Posting(target, total.currency, total.amount_minor),
        Posting(source, total.currency, -total.amount_minor),
    )


def undone(legs: tuple[Posting, ...]) -> tuple[Posting, ...]:
    """The opposite of what was booked."""
    return tuple(Posting(leg.account, leg.currency, -leg.amount) for leg in legs)


def sale(total: Money, votes: int, fee_minor: int = 0) -> tuple[Posting, ...]:
    """Confirmed money becomes counted votes, and is shared between organiser and platform."""
    return (*_moved(total, Account.SALES, Account.OPERATOR_CLEARING), *_counted(total, votes, fee_minor))


def sale_of_held(total: Money, votes: int, fee_minor: int = 0) -> tuple[Posting, ...]:
    """Money that was held counts after all."""
    return (*_moved(total, Account.SALES, Account.HELD_FUNDS), *_counted(total, votes, fee_minor))


def sale_taken_back(total: Money, votes: int, fee_minor: int = 0) -> tuple[Posting, ...]:
    """Counted votes leave the tally; their money is owed back, and both shares are given up."""
    return (*_moved(total, Account.REFUNDS_OWED, Account.SALES), *undone(_counted(total, votes, fee_minor)))


def sale_reversed(total: Money, votes: int, fee_minor: int = 0) -> tuple[Posting, ...]:
    """Counted votes leave the tally, and their money is not with the operator: it was reversed there, or
    never came."""
    return undone(sale(total, votes, fee_minor))


def _counted(total: Money, votes: int, fee_minor: int) -> tuple[Posting, ...]:
    shares = (
        Posting(Account.SALES_SHARED, total.currency, total.amount_minor),
        Posting(Account.ORGANISER_PAYABLE, total.currency, fee_minor - total.amount_minor),
        Posting(Account.PLATFORM_FEE, total.currency, -fee_minor),
        Posting(Account.VOTES_SOLD, VOTES, votes),
        Posting(Account.VOTES_COUNTED, VOTES, -votes),
    )
    return tuple(leg for leg in shares if leg.amount)


def refunded(total: Money, *, from_float: bool) -> tuple[Posting, ...]:
    """The money is refunded. `from_float`: out of the operator's payout wallet."""
    return _moved(total, _leaves(from_float), Account.REFUNDS_OWED)


def payout_sent(total: Money) -> tuple[Posting, ...]:
    """The organiser's share is on its way."""
    return _moved(total, Account.PAYOUTS_SENT, Account.ORGANISER_PAYABLE)


def payout_returned(total: Money) -> tuple[Posting, ...]:
    """It did not arrive: it is payable again."""
    return undone(payout_sent(total))


def paid_out(total: Money, *, from_float: bool) -> tuple[Posting, ...]:
    """The organiser has it."""
    return _moved(total, _leaves(from_float), Account.PAYOUTS_SENT)


def operator_kept(fee: Money) -> tuple[Posting, ...]:
    """An operator took its fee out of what it holds for us."""
    return _moved(fee, Account.OPERATOR_CLEARING, Account.OPERATOR_FEE)


def moved(total: Money, source: Account, target: Account) -> tuple[Posting, ...]:
    """Money of ours changed its place. Raises ValueError for accounts that are no place."""
    if source not in WHERE_MONEY_IS or target not in WHERE_MONEY_IS or source is target:
        raise ValueError(f"{source} to {target}")
    return _moved(total, source, target)


def _leaves(from_float: bool) -> Account:
    return Account.OPERATOR_FLOAT if from_float else Account.OPERATOR_CLEARING


def fee_given_up(fee: Money) -> tuple[Posting, ...]:
    """An operator refunded a fee."""
    return undone(operator_kept(fee))


def owed_back(total: Money) -> tuple[Posting, ...]:
    """Money arrived that cannot be counted: it is owed to its payer."""
    return _moved(total, Account.REFUNDS_OWED, Account.OPERATOR_CLEARING)


def held(total: Money) -> tuple[Posting, ...]:
    """Money arrived that waits for a decision."""
    return _moved(total, Account.HELD_FUNDS, Account.OPERATOR_CLEARING)


def held_reversed(total: Money) -> tuple[Posting, ...]:
    """The operator reversed money that waited for a decision."""
    return undone(held(total))


def owed_reversed(total: Money) -> tuple[Posting, ...]:
    """The operator reversed money that was owed to its payer: it is owed no more."""
    return undone(owed_back(total))


def held_to_owed(total: Money) -> tuple[Posting, ...]:
    """Money that was held is owed back to its payer."""
    return _moved(total, Account.REFUNDS_OWED, Account.HELD_FUNDS)


def balanced(legs: tuple[Posting, ...]) -> bool:
    """Whether the legs of one transaction sum to zero in every currency."""
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.currency] = sums.get(leg.currency, 0) + leg.amount
    return not any(sums.values())
