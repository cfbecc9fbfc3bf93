"""Calls to accounts at operators: within their rates, measured, and whether they may be made now.

An account is watched under its key where it collects, and under `routing.out_of` its key where refunds and payouts
leave it: one may fail while the other works.
"""

import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from gateway.orders.routing import Rails
from payments.provider import PaymentProvider

# Questions a second that an account is asked while its circuit is open.
TRICKLE: Final = 1
R = TypeVar("R")


class CallKind(StrEnum):
    """Kinds of calls that are measured apart."""

    PREPARATION = "preparation"
    COLLECTION = "collection"
    STATUS = "status"
    DISBURSEMENT = "disbursement"


class Accounts:
    """The accounts of this process as callers see them. These are not watched: every circuit is closed."""

    rails = Rails()
    """Every rail, with the accounts whose circuit is open now."""

    def at_once(self, account: str, usual: int) -> int:
        """How many calls may be in progress at an account: 0 while its circuit is open, few after it closed."""
        return usual

    def may_ask(self, account: str, *, again: bool) -> bool:
        """Whether money may be asked for, or sent, now; it counts as asked when it is. A repeat (`again`) waits while
        too much of the last minute was repeats."""
        return True

    def note(self, account: str, kind: CallKind, result: object, seconds: float) -> None:
        """A call ended with this result after so long. Never blocks and never raises."""


UNWATCHED: Final = Accounts()


async def measured(accounts: Accounts, account: str, kind: CallKind, call: Awaitable[R]) -> R:
    """Make a call to an operator and note its result."""
    started = time.monotonic()
    result = await call
    accounts.note(account, kind, result, time.monotonic() - started)
    return result


class Budget(Protocol):
    """How fast an operator's account may be called."""

    async def wait_turn(self, account: str, per_second: int) -> Callable[[], None] | None:
        """Return when one more call may be made. The result, if any, is to be called when the call is answered."""


class Unlimited:
    """A `Budget` for accounts that may be called at any time."""

    async def wait_turn(self, account: str, per_second: int) -> None:
        """At once."""


def rate_of(account: str, provider: PaymentProvider, accounts: Accounts) -> int:
    """Questions a second: a trickle while the circuit is open."""
    return TRICKLE if account in accounts.rails.circuit_open else provider.capabilities("").status_per_second


async def in_turn(budget: Budget, account: str, per_second: int, ask: Callable[[], Awaitable[R]]) -> R:
    """Make a call when its turn comes, and notify the budget when it is answered."""
    answered = await budget.wait_turn(account, per_second)
    try:
        return await ask()
    finally:
        if answered is not None:
            answered()
