"""Which account of which operator takes a payment: pure.

A rail is one way by which one account takes money in a country. Rails are what this installation
is set up with; the circuits of some accounts may be open, because their operator does not answer.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import product
from typing import Final

from gateway.orders.wallet import PaymentMethod, guess_method, has_wallet, network_of
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn

ACCOUNT_MARK: Final = "@"
"""Between a provider's code and the name of a further account: `mtn_momo@cm`."""
OUT_MARK: Final = ":out"
"""After an account's key: its wallet that refunds and payouts leave."""


class Kind(StrEnum):
    """How the payer approves."""

    PUSH = "push"
    REDIRECT = "redirect"
    OTP_FIRST = "otp_first"


class NoRail(StrEnum):
    """Why no account can take it."""

    NOT_TAKEN_HERE = "not_taken_here"
    CIRCUIT_OPEN = "circuit_open"
    TOO_LITTLE = "too_little"


@dataclass(frozen=True, slots=True)
class Rail:
    """`account`: key of the account. `kinds`: how a payer approves there. `phone_needed`: whether it
    must know the payer's number. `minimum_minor`: least amount. `priority`: lower is asked first."""

    account: str
    country: str
    method: PaymentMethod
    kinds: frozenset[Kind]
    currencies: frozenset[str]
    phone_needed: bool = True
    minimum_minor: int = 1
    priority: int = 100


# A payer who brings a code wants just that; others cannot be asked for one after the dialogue.
WITH_CODE: Final = frozenset({Kind.OTP_FIRST})
WITHOUT_CODE: Final = frozenset({Kind.PUSH, Kind.REDIRECT})


@dataclass(frozen=True)
class Rails:
    """Every rail, and the accounts whose circuit is open at this moment."""

    every: tuple[Rail, ...] = ()
    circuit_open: frozenset[str] = frozenset()

    def with_circuits_open(self, accounts: Iterable[str]) -> "Rails":
        """The same rails with the circuits of these accounts open, and of no others."""
        now = frozenset(accounts)
        return self if now == self.circuit_open else Rails(self.every, now)

    def methods(self, country: str) -> tuple[PaymentMethod, ...]:
        """The ways to pay that some account takes in this country, open now or not, as voters see
        them: those of phones first."""
        return self._methods.get(country, ())

    def open_methods(self, country: str) -> tuple[PaymentMethod, ...]:
        """Those that can be paid with now."""
        return self._open_methods.get(country, ())

    def open_for(self, payer: Msisdn, network: str | None = None) -> tuple[PaymentMethod, ...]:
        """Those of its country that this number may pay with now. `network`: of its SIM, where that is known."""
        place = (payer.country, network_of(payer, network))
        found = self._open_for.get(place)
        if found is None:
            found = self._open_for[place] = tuple(m for m in self.open_methods(place[0]) if has_wallet(place[1], m))
        return found

    def guess(self, payer: Msisdn, network: str | None = None) -> PaymentMethod | None:
        """The wallet that this number most likely has, where its country takes it. `network`: as in `open_for`."""
        method = guess_method(payer, network)
        return method if method in self.methods(payer.country) else None

    def with_code(self, country: str, method: PaymentMethod) -> bool:
        """Whether a payer may bring a code, and finish without a prompt or a page."""
        return (country, method) in self._with_code

    def by_page(self, country: str, method: PaymentMethod) -> bool:
        """Whether a payer without a code approves on the operator's page, by the accounts that are asked
        first: none of them asks the phone, and no card does. Where all are closed, as it was before."""
        return method is PaymentMethod.CARD or (country, method) in self._by_page

    def _asks_no_phone(self, country: str, method: PaymentMethod) -> bool:
        every = [rail for rail in self._among(country, method) if rail.kinds & WITHOUT_CODE]
        rails = [rail for rail in every if rail.account not in self.circuit_open] or every
        best = min((rail.priority for rail in rails), default=0)
        return bool(rails) and not any(Kind.PUSH in rail.kinds for rail in rails if rail.priority == best)

    def minimum(self, country: str, method: PaymentMethod) -> int:
        """The least amount that this way to pay takes in this country, in minor units."""
        return min((rail.minimum_minor for rail in self._among(country, method)), default=1)

    def choose(
        self, country: str, method: PaymentMethod, amount: Money, draw: int, *, with_code: bool = False
    ) -> Rail | NoRail:
        """The rail for an order: among those of the best priority, the `draw`-th."""
        found = self._sorted.get((country, method, amount.currency, with_code))
        if found is None:
            return NoRail.NOT_TAKEN_HERE
        usable = found if not self.circuit_open else [rail for rail in found if rail.account not in self.circuit_open]
        if not usable:
            return NoRail.CIRCUIT_OPEN
        enough = [rail for rail in usable if amount.amount_minor >= rail.minimum_minor]
        if not enough:
            return NoRail.TOO_LITTLE
        equal = [rail for rail in enough if rail.priority == enough[0].priority]
        return equal[draw % len(equal)]

    def siblings(self, account: str) -> tuple[str, ...]:
        """Open accounts that take everything which this one takes, best first: who may stand in for it."""
        own = [rail for rail in self.every if rail.account == account]
        others = sorted({(r.priority, r.account) for r in self.every if r.account not in self.circuit_open | {account}})
        return tuple(
            dict.fromkeys(
                other
                for _, other in others
                if all(any(_stands_in(rail, one) for rail in self.every if rail.account == other) for one in own)
            )
        )

    def _among(self, country: str, method: PaymentMethod) -> tuple[Rail, ...]:
        return self._by_place.get((country, method), ())

    @cached_property
    def _open_for(self) -> dict[tuple[str, str | None], tuple[PaymentMethod, ...]]:
        """By country and network, as far as they were asked for: every confirmation does."""
        return {}

    @cached_property
    def _by_page(self) -> frozenset[tuple[str, PaymentMethod]]:
        return frozenset(place for place in self._by_place if self._asks_no_phone(*place))

    @cached_property
    def _by_place(self) -> dict[tuple[str, PaymentMethod], tuple[Rail, ...]]:
        found: dict[tuple[str, PaymentMethod], tuple[Rail, ...]] = {}
        for rail in self.every:
            place = (rail.country, rail.method)
            found[place] = (*found.get(place, ()), rail)
        return found

    @cached_property
    def _sorted(self) -> dict[tuple[str, PaymentMethod, str, bool], list[Rail]]:
        """By all that does not change from order to order, the best first."""
        found: dict[tuple[str, PaymentMethod, str, bool], list[Rail]] = defaultdict(list)
        for rail in sorted(self.every, key=lambda rail: rail.priority):
            for currency, (with_code, kinds) in product(rail.currencies, ((True, WITH_CODE), (False, WITHOUT_CODE))):
                if rail.kinds & kinds:
                    found[rail.country, rail.method, currency, with_code].append(rail)
        return dict(found)

    @cached_property
    def _methods(self) -> dict[str, tuple[PaymentMethod, ...]]:
        return _by_country(rail for rail in self.every if rail.kinds & WITHOUT_CODE)

    @cached_property
    def _open_methods(self) -> dict[str, tuple[PaymentMethod, ...]]:
        return _by_country(r for r in self.every if r.kinds & WITHOUT_CODE and r.account not in self.circuit_open)

    @cached_property
    def _with_code(self) -> frozenset[tuple[str, PaymentMethod]]:
        return frozenset(
            (r.country, r.method) for r in self.every if r.kinds & WITH_CODE and r.account not in self.circuit_open
        )


def _stands_in(rail: Rail, for_one: Rail) -> bool:
    """Whether whatever was ordered of one rail can be asked of another as well."""
    return (
        (rail.country, rail.method) == (for_one.country, for_one.method)
        and rail.kinds >= for_one.kinds & WITHOUT_CODE
        and rail.currencies >= for_one.currencies
        and rail.minimum_minor <= for_one.minimum_minor
        and rail.phone_needed <= for_one.phone_needed
    )


def _by_country(rails: Iterable[Rail]) -> dict[str, tuple[PaymentMethod, ...]]:
    places = {(rail.country, rail.method) for rail in rails}
    countries = {country for country, _ in places}
    return {c: tuple(method for method in PaymentMethod if (c, method) in places) for c in countries}


def provider_of(account: str) -> str:
    """The code of the provider whose account this is."""
    return account.partition(ACCOUNT_MARK)[0]


def out_of(account: str) -> str:
    """What an account is watched as where money leaves it: `mtn_momo@cm:out`."""
    return account + OUT_MARK


def account_of(watched: str) -> str:
    """The account that is watched under this key, whichever way its money goes."""
    return watched.removesuffix(OUT_MARK)
