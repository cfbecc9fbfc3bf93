"""Who may stand in for an account that is closed, and how accounts share orders."""

from collections import Counter
from dataclasses import replace

import pytest

from gateway.orders.place_order import Draws
from gateway.orders.routing import Kind, Rail, Rails
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money

XOF = frozenset({"XOF"})
PUSH = frozenset({Kind.PUSH})
OWN = Rail("mtn_momo", "CI", PaymentMethod.MTN, PUSH, XOF, minimum_minor=100)
OTHER = replace(OWN, account="pawapay")


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([], ()),
        ([OTHER], ("pawapay",)),
        ([replace(OTHER, minimum_minor=1)], ("pawapay",)),
        ([replace(OTHER, kinds=PUSH | {Kind.OTP_FIRST})], ("pawapay",)),
        ([replace(OTHER, minimum_minor=200)], ()),
        ([replace(OTHER, country="CM")], ()),
        ([replace(OTHER, method=PaymentMethod.ORANGE)], ()),
        ([replace(OTHER, currencies=frozenset({"XAF"}))], ()),
        # A voter who waits for a prompt must not be sent a link, nor asked for a code.
        ([replace(OTHER, kinds=frozenset({Kind.REDIRECT}))], ()),
        ([replace(OTHER, kinds=frozenset({Kind.OTP_FIRST}))], ()),
        ([replace(OTHER, priority=10), replace(OTHER, account="second", priority=5)], ("second", "pawapay")),
        ([OTHER, replace(OTHER, method=PaymentMethod.ORANGE)], ("pawapay",)),
    ],
)
def test_siblings(others: list[Rail], found: tuple[str, ...]) -> None:
    assert Rails((OWN, *others), frozenset({"mtn_momo"})).siblings("mtn_momo") == found


def test_a_sibling_takes_all_that_the_account_takes_and_is_open() -> None:
    orange = replace(OWN, method=PaymentMethod.ORANGE)
    assert Rails((OWN, orange, OTHER)).siblings("mtn_momo") == ()
    assert Rails((OWN, OTHER), frozenset({"mtn_momo", "pawapay"})).siblings("mtn_momo") == ()


PAGE = frozenset({Kind.REDIRECT})


@pytest.mark.parametrize(
    ("every", "closed", "by_page"),
    [
        ([OWN], (), False),
        ([replace(OWN, kinds=PAGE)], (), True),
        # A code is another way; a voter without one gets the page.
        ([replace(OWN, kinds=PAGE), replace(OTHER, kinds=frozenset({Kind.OTP_FIRST}))], (), True),
        ([replace(OWN, kinds=PAGE), replace(OTHER, country="CM")], (), True),
        # Who is asked first tells.
        ([replace(OWN, kinds=PAGE), replace(OTHER, priority=5)], (), False),
        ([replace(OWN, kinds=PAGE), replace(OTHER, priority=5)], ("pawapay",), True),
        ([replace(OWN, kinds=PAGE, priority=5), OTHER], (), True),
        # An order in progress when the circuit of its account opens.
        ([replace(OWN, kinds=PAGE)], (OWN.account,), True),
        ([], (), False),
    ],
)
def test_by_page(every: list[Rail], closed: tuple[str, ...], by_page: bool) -> None:
    assert Rails(tuple(every), frozenset(closed)).by_page("CI", PaymentMethod.MTN) is by_page


def test_accounts_of_one_operator_share_orders_equally_and_a_closed_one_has_none() -> None:
    names = ("mtn_momo", "mtn_momo@two", "mtn_momo@three")
    spare = replace(OWN, account="pawapay", priority=OWN.priority + 1)
    rails, draws = Rails((*(replace(OWN, account=name) for name in names), spare)), Draws()

    def accounts(of: Rails) -> Counter[str]:
        chosen = (of.choose("CI", PaymentMethod.MTN, Money(500, "XOF"), draws.draw()[0].int) for _ in range(6_000))
        return Counter(one.account for one in chosen if isinstance(one, Rail))

    shares = accounts(rails)
    assert shares.keys() == set(names)
    # Ten standard deviations: chance alone does not fail this once in the life of the suite.
    assert all(abs(count - 2_000) < 370 for count in shares.values())
    assert accounts(rails.with_circuits_open(["mtn_momo@two"])).keys() == {"mtn_momo", "mtn_momo@three"}
