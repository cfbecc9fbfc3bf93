"""The book's transactions: each balances, and says where money is and whose it is."""

from collections import Counter
from collections.abc import Callable

import pytest

from gateway.values.money import Money
from payments.ledger import postings as ledger
from payments.ledger.postings import VOTES, WHERE_MONEY_IS, Account, FeePlan, Posting, balanced

TOTAL = Money(1_000, "XOF")

TRANSACTIONS: dict[str, Callable[[], tuple[Posting, ...]]] = {
    "sale": lambda: ledger.sale(TOTAL, 10, 123),
    "sale without a fee": lambda: ledger.sale(TOTAL, 10),
    "sale that is all fee": lambda: ledger.sale(TOTAL, 10, 1_000),
    "held": lambda: ledger.held(TOTAL),
    "held counts": lambda: ledger.sale_of_held(TOTAL, 10, 123),
    "held is owed": lambda: ledger.held_to_owed(TOTAL),
    "owed": lambda: ledger.owed_back(TOTAL),
    "taken back": lambda: ledger.sale_taken_back(TOTAL, 10, 123),
    "refunded": lambda: ledger.refunded(TOTAL, from_float=False),
    "refunded from the float": lambda: ledger.refunded(TOTAL, from_float=True),
    "payout sent": lambda: ledger.payout_sent(TOTAL),
    "payout returned": lambda: ledger.payout_returned(TOTAL),
    "paid out": lambda: ledger.paid_out(TOTAL, from_float=True),
    "operator kept": lambda: ledger.operator_kept(TOTAL),
    "moved": lambda: ledger.moved(TOTAL, Account.OPERATOR_CLEARING, Account.BANK),
}


def sums(*transactions: tuple[Posting, ...]) -> dict[Account, int]:
    """Balances of money after these transactions, without accounts that are even."""
    total: Counter[Account] = Counter()
    for leg in (leg for legs in transactions for leg in legs if leg.currency != VOTES):
        total[leg.account] += leg.amount
    return {account: amount for account, amount in total.items() if amount}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_every_transaction_balances_and_has_no_empty_leg(name: str) -> None:
    legs = TRANSACTIONS[name]()
    assert balanced(legs)
    assert all(leg.amount for leg in legs)


def test_a_sale_that_is_taken_back_leaves_only_what_is_owed() -> None:
    assert sums(ledger.sale(TOTAL, 10, 123), ledger.sale_taken_back(TOTAL, 10, 123)) == {
        Account.OPERATOR_CLEARING: 1_000,
        Account.REFUNDS_OWED: -1_000,
    }
    votes = [leg.amount for leg in ledger.sale_taken_back(TOTAL, 10) if leg.account is Account.VOTES_COUNTED]
    assert votes == [10]


def test_a_sale_is_shared_between_organiser_and_platform() -> None:
    assert sums(ledger.sale(TOTAL, 10, 123)) == {
        Account.OPERATOR_CLEARING: 1_000,
        Account.SALES: -1_000,
        Account.SALES_SHARED: 1_000,
        Account.ORGANISER_PAYABLE: -877,
        Account.PLATFORM_FEE: -123,
    }


def test_a_refund_ends_where_the_money_left() -> None:
    taken = ledger.owed_back(TOTAL)
    assert sums(taken, ledger.refunded(TOTAL, from_float=False)) == {}
    assert sums(taken, ledger.refunded(TOTAL, from_float=True)) == {
        Account.OPERATOR_CLEARING: 1_000,
        Account.OPERATOR_FLOAT: -1_000,
    }


def test_a_payout_that_returns_is_payable_again() -> None:
    assert sums(ledger.payout_sent(TOTAL), ledger.payout_returned(TOTAL)) == {}


@pytest.mark.parametrize(
    ("source", "target"), [(Account.SALES, Account.BANK), (Account.BANK, Account.SALES), (Account.BANK, Account.BANK)]
)
def test_money_moves_between_places_only(source: Account, target: Account) -> None:
    assert source not in WHERE_MONEY_IS or target not in WHERE_MONEY_IS or source is target
    with pytest.raises(ValueError, match="to"):
        ledger.moved(TOTAL, source, target)


@pytest.mark.parametrize(
    ("plan", "amount", "fee"),
    [
        (FeePlan(), 1_000, 0),
        (FeePlan(percent_bp=1_250), 1_000, 125),
        (FeePlan(percent_bp=1_250), 100, 12),  # 12.5 is rounded down
        (FeePlan(percent_bp=1), 9_999, 0),
        (FeePlan(percent_bp=1), 10_000, 1),
        (FeePlan(fixed_minor=25), 100, 25),
        (FeePlan(percent_bp=1_000, fixed_minor=5), 1_000, 105),
        (FeePlan(percent_bp=1_000, minimum_minor=50), 100, 50),
        (FeePlan(percent_bp=1_000, minimum_minor=50), 1_000, 100),
        (FeePlan(fixed_minor=500), 100, 100),  # never more than the order
        (FeePlan(percent_bp=10_000), 100, 100),
    ],
)
def test_fee(plan: FeePlan, amount: int, fee: int) -> None:
    assert plan.fee(amount) == fee
