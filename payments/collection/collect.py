"""Ask operators to collect what was ordered. The reference is committed before each call.

Calls are in progress side by side, and new orders are claimed as places become free, so that a slow operator
delays only its own payers.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, cast

import structlog

from gateway.orders.rules import PAYMENT_CODE
from payments.accounts.calls import UNWATCHED, Accounts, Budget, CallKind, Unlimited, measured
from payments.collection.calls import CallsInProgress
from payments.collection.observations import (
    Observation,
    OpenPayment,
    not_configured,
    of_create,
    of_report,
    prepared,
    put_back,
)
from payments.collection.store import Payments
from payments.collection.verify import questioned
from payments.lifecycle import State
from payments.provider import (
    Accepted,
    Capabilities,
    CreateResult,
    NotFound,
    NotSent,
    PaymentProvider,
    Preparer,
    Rejected,
)

BATCH: Final = 128
# Calls in progress at once in one process.
PLACES: Final = 256
# Claimed beyond the places, so that one that becomes free is taken at once.
AHEAD: Final = 64
# Of the places, those that one account leaves to each of the others.
LEFT_TO_OTHERS: Final = 16
# New orders are claimed when so many calls have ended, or after this time.
ENDED_MIN: Final = 64
LOOK_SECONDS: Final = 0.2
TIDY_SECONDS: Final = 1.0
# Until what may not be tried again yet has its next turn.
AGAIN_SECONDS: Final = 5.0
_log = structlog.get_logger(__name__)


class Collector:
    """Asks for what is due. One a process.

    `prompts`: gives turns at the accounts that `per_second` names, which are those with a rate. `questions`: gives
    turns for questions about refusals.
    """

    def __init__(
        self,
        payments: Payments,
        providers: Mapping[str, PaymentProvider],
        *,
        prompts: Budget | None = None,
        per_second: Mapping[str, int] = MappingProxyType({}),
        questions: Budget | None = None,
        accounts: Accounts = UNWATCHED,
        places: int = PLACES,
    ) -> None:
        self._payments = payments
        self._providers = providers
        self._prompts = prompts
        self._per_second = per_second if prompts else {}
        self._questions = questions or Unlimited()
        self._accounts = accounts
        self._places = places
        self._calling = asyncio.Semaphore(places)
        self._claimed: Counter[str] = Counter()
        self._in_line: Counter[str] = Counter()
        self._calls = CallsInProgress(ENDED_MIN)
        self._tidied_at = float("-inf")

    async def step(self) -> int:
        """Ask for what is due; how many were asked or closed since the last step, 0 when nothing is left and
        no call is in progress. Raises what kept one of them from being recorded."""
        closed = await self._tidy()
        while True:
            closed += await self._claim()
            if done := closed + self._calls.count_ended():
                return done
            if not self._calls:
                return 0
            await self._calls.wait(LOOK_SECONDS)

    async def aclose(self, seconds: float = 15.0) -> None:
        """Let calls that are in progress end. A payment whose call takes longer is asked about later."""
        await self._calls.aclose(seconds)

    async def _tidy(self) -> int:
        """Close what is overdue and move what waits at an open circuit, at most once a second during calls."""
        now = asyncio.get_running_loop().time()
        if self._calls and now - self._tidied_at < TIDY_SECONDS:
            return 0
        self._tidied_at = now
        await self._move_unsent()
        return await self._payments.close_unsent(BATCH)

    async def _move_unsent(self) -> None:
        rails = self._accounts.rails
        for account in rails.circuit_open & self._providers.keys():
            sibling = next(iter(rails.siblings(account)), None)
            if sibling and (moved := await self._payments.move_unsent(account, sibling, BATCH)):
                _log.warning("orders_moved", account=account, sibling=sibling, orders=moved)

    async def _claim(self) -> int:
        """Take as many as there are free places for; how many were closed instead of taken."""
        free = self._places + AHEAD - sum(self._claimed.values())
        places = {account: self._free_places(account, free) for account in self._providers}
        if free > 0:
            claimed = await self._payments.claim_to_collect(free, places)
            self._start(payment for payment in claimed if payment.state is State.SENT)
            return sum(payment.state is not State.SENT for payment in claimed)
        return 0

    def _free_places(self, account: str, free: int) -> int:
        others = len(self._providers) - 1
        own = max(self._places - LEFT_TO_OTHERS * others, LEFT_TO_OTHERS) if others else self._places + AHEAD
        places = min(free, self._accounts.at_once(account, own) - self._claimed[account])
        rate = self._per_second.get(account)
        # No more than may be asked within the next second: the others wait in the table.
        return max(0, places if rate is None else min(places, rate - self._in_line[account]))

    def _start(self, claimed: Iterable[OpenPayment]) -> None:
        for payment in claimed:
            self._claimed[payment.provider] += 1
            self._calls.start(self._collect(payment))

    async def _collect(self, payment: OpenPayment) -> None:
        try:
            observation = await self._asked(payment)
        finally:
            self._claimed[payment.provider] -= 1
        await self._payments.observe(observation)

    async def _asked(self, payment: OpenPayment) -> Observation:
        account = payment.provider
        log = _log.bind(vote=str(payment.vote_id), payment=str(payment.collection.reference), provider=account)
        provider = self._providers.get(account)
        if provider is None:
            # The provider was taken out of service after the order: the payer was not asked.
            log.error("provider_not_configured")
            return not_configured(payment)
        if not self._accounts.may_ask(account, again=payment.send_tries > 1):
            return put_back(payment, "too much is tried again", AGAIN_SECONDS)
        await self._wait_turn(account)
        async with self._calling:
            if account in self._accounts.rails.circuit_open:
                # Its circuit opened while this waited for its turn.
                return put_back(payment, "account closed")
            return await self._ask(payment, provider, log)

    async def _wait_turn(self, account: str) -> None:
        rate = self._per_second.get(account)
        if rate is None or self._prompts is None:
            return
        self._in_line[account] += 1
        try:
            await self._prompts.wait_turn(account, rate)
        finally:
            self._in_line[account] -= 1

    async def _ask(
        self, payment: OpenPayment, provider: PaymentProvider, log: structlog.typing.FilteringBoundLogger
    ) -> Observation:
        can = provider.capabilities(payment.collection.country)
        collection = replace(payment.collection, base_url=payment.collection.base_url or provider.base_url)
        payment = replace(payment, collection=collection)
        result, payment = await self._create(payment, provider, can)
        jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
        note = log.debug if isinstance(result, Accepted) else log.info
        note("collection_asked", result=type(result).__name__, tries=payment.send_tries)
        if isinstance(result, Rejected) and result.ask_first:
            report = await questioned(payment, provider, self._questions, self._accounts)
            if not isinstance(report, NotFound):
                return of_report(payment, report, can, jitter)
        if getattr(result, "alarm", False):
            log.error("provider_refuses_us", result=repr(result))
        return of_create(payment, result, can, jitter)

    async def _create(
        self, payment: OpenPayment, provider: PaymentProvider, can: Capabilities
    ) -> tuple[CreateResult, OpenPayment]:
        """Ask for the money. Secrets that must be fetched first are stored first: without them it cannot be asked for
        again."""
        account, collection = payment.provider, payment.collection
        if can.prepares - collection.secrets.keys():
            first = cast("Preparer", provider).prepare(collection)
            fetched = await measured(self._accounts, account, CallKind.PREPARATION, first)
            if isinstance(fetched, NotSent):
                return fetched, payment
            collection = replace(collection, secrets={**collection.secrets, **fetched})
            payment = replace(payment, collection=collection)
            await self._payments.observe(prepared(payment))
        call = provider.create(collection, collection.secrets.get(PAYMENT_CODE))
        return await measured(self._accounts, account, CallKind.COLLECTION, call), payment
