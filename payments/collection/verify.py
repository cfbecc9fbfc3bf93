"""Ask operators what became of payments, within their rates."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

import structlog

from payments.accounts.calls import UNWATCHED, Accounts, Budget, CallKind, in_turn, measured, rate_of
from payments.collection.calls import CallsInProgress
from payments.collection.count_on_callback import AskedLater
from payments.collection.observations import OpenPayment, of_report
from payments.collection.store import Payments
from payments.lifecycle import Observed
from payments.provider import Failed, PaymentProvider, Readier, StatusReport, StillOpen, Succeeded

# Questions are claimed for so long ahead, and again when half of them were asked: those that wait for a turn keep
# the account busy while others are claimed.
AHEAD_SECONDS: Final = 1.0
# While answers are awaited, more is looked for so often.
LOOK_SECONDS: Final = 0.2
_log = structlog.get_logger(__name__)


class Verifier:
    """Asks about payments that are due, as fast as each operator's rate allows. One a process.

    Accounts are asked side by side: one that does not answer holds up no other. `later`: what is counted
    already and asked about when nothing else is."""

    def __init__(
        self,
        payments: Payments,
        providers: Mapping[str, PaymentProvider],
        budget: Budget,
        accounts: Accounts = UNWATCHED,
        later: AskedLater | None = None,
    ) -> None:
        self._payments = payments
        self._providers = providers
        self._budget = _InLine(budget)
        self._accounts = accounts
        self._later = later
        self._calls = CallsInProgress()

    async def step(self) -> int:
        """Ask about what is due; how many questions ended since the last step, 0 when nothing is due anywhere and
        none is in progress. Raises what kept an answer from being recorded."""
        while not (done := self._calls.count_ended()):
            await self._claim()
            if self._calls.idle:
                return 0
            await self._calls.wait(LOOK_SECONDS)
        return done

    async def aclose(self) -> None:
        """Cancel what is in progress: it is asked again when its lease runs out."""
        await self._calls.aclose()

    async def _claim(self) -> None:
        ahead = {
            account: math.ceil(rate_of(account, provider, self._accounts) * AHEAD_SECONDS)
            for account, provider in self._providers.items()
        }
        waiting = self._budget.waiting
        places = {account: most - waiting[account] for account, most in ahead.items() if waiting[account] <= most // 2}
        if not places:
            return
        for payment in await self._payments.claim_to_verify(places):
            account = payment.provider
            self._start(account, self._ask(payment, self._providers[account]))
        if self._later is not None:
            await asyncio.gather(*(self._claim_later(self._later, account, ahead[account]) for account in places))

    async def _claim_later(self, later: AskedLater, account: str, ahead: int) -> None:
        for payment in await later.claim(account, ahead, self._budget.waiting[account]):
            self._start(account, self._ask_later(payment, self._providers[account]))

    def _start(self, account: str, question: Coroutine[None, None, None]) -> None:
        self._budget.waiting[account] += 1
        self._calls.start(question)

    async def _ask(self, payment: OpenPayment, provider: PaymentProvider) -> None:
        await ask(payment, provider, self._payments, self._budget, self._accounts)

    async def _ask_later(self, payment: OpenPayment, provider: PaymentProvider) -> None:
        report = await questioned(payment, provider, self._budget, self._accounts)
        if self._later:
            await self._later.learn(payment, report, random.uniform(-1, 1))  # noqa: S311 - spreads load, guards nothing


class _InLine:
    """A budget that knows how many questions of this process wait for it, by account."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.waiting: Counter[str] = Counter()

    async def wait_turn(self, account: str, per_second: int) -> Callable[[], None] | None:
        """As the budget does."""
        try:
            return await self._budget.wait_turn(account, per_second)
        finally:
            self.waiting[account] -= 1


async def questioned(
    payment: OpenPayment, provider: PaymentProvider, budget: Budget, accounts: Accounts
) -> StatusReport:
    """The operator's report on a payment, asked for within its rate."""
    account = payment.provider

    async def query() -> StatusReport:
        return await measured(accounts, account, CallKind.STATUS, provider.query(payment.collection))

    if isinstance(provider, Readier):
        # Turns of calls that wait for a token would all be used at once when it comes.
        await provider.ready(payment.collection)
    return await in_turn(budget, account, rate_of(account, provider, accounts), query)


async def ask(
    payment: OpenPayment,
    provider: PaymentProvider,
    payments: Payments,
    budget: Budget,
    accounts: Accounts = UNWATCHED,
) -> StatusReport:
    """Ask about one claimed payment, within the operator's rate, and record the report."""
    report = await questioned(payment, provider, budget, accounts)
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
    seen = of_report(payment, report, provider.capabilities(payment.collection.country), jitter)
    log = _log.bind(vote=str(payment.vote_id), payment=str(payment.collection.reference), provider=payment.provider)
    note = log.debug if isinstance(report, Succeeded | StillOpen) else log.info
    note("status_asked", report=type(report).__name__, step=seen.observed, checks=payment.checks)
    if seen.observed is Observed.SUCCEEDED_OTHERWISE:
        log.error("amount_differs", received=str(seen.received))
    if isinstance(report, Failed) and report.alarm:
        log.error("provider_refuses_us", code=report.code)
    await payments.observe(seen)
    return report
