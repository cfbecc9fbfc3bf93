"""Count on authenticated callbacks while questions pile up, and ask those questions later."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from gateway.orders.routing import provider_of
from payments.collection.callback_queue import DueCallback
from payments.collection.observations import Observation, OpenPayment
from payments.collection.provisional_rules import (
    SUSPICIOUS,
    URGENT_AFTER,
    Arrived,
    NotCounted,
    Policy,
    of_callback,
    of_later_report,
    refusal,
)
from payments.collection.provisional_store import ProvisionalPayments
from payments.collection.store import Payments
from payments.lifecycle import Actor, Observed
from payments.provider import Claims, StatusReport
from payments.settlement.settle import Show

# How long provisional payments of an account that had none are not looked for.
LOOK_AGAIN_SECONDS: Final = 30.0
_log = structlog.get_logger(__name__)


class CountingOnCallbacks:
    """Judges what callbacks claim, for accounts that have a policy. `rates`: by account, the questions that it
    may be asked in a second."""

    def __init__(self, store: ProvisionalPayments, policies: Mapping[str, Policy], rates: Mapping[str, float]) -> None:
        self._store = store
        self._policies = policies
        self._rates = rates

    async def observed(self, claimed: Sequence[tuple[DueCallback, Claims]]) -> Mapping[int, Observation]:
        """By callback, the evidence of those that are counted on; of each payment one. Asks storage only where
        an account with a policy is behind."""
        ours = [(due, claims) for due, claims in claimed if due.account in self._policies]
        if not ours:
            return {}
        due_now = await self._store.questions_due()
        backlog = {account: due_now.get(account, 0) / self._rates[account] for account in self._policies}
        behind = [
            (due, claims)
            for due, claims in ours
            if due.account and backlog[due.account] > self._policies[due.account].backlog_seconds
        ]
        if not behind:
            return {}
        facts = await self._store.facts([due.id for due, _ in behind])
        seen: dict[int, Observation] = {}
        taken = set()
        for due, claims in behind:
            account, known = due.account or "", facts.get(due.id)
            named = due.reference is not None and provider_of(account) == due.provider
            arrived = Arrived(known.remote if known else "", named, due.duplicate_of is None)
            why = refusal(self._policies[account], backlog[account], arrived, claims, known.ours if known else None)
            if why is not None or known is None or known.reference in taken:
                why = why or NotCounted.REPEATED
                log = _log.warning if why in SUSPICIOUS else _log.info
                log(
                    "callback_not_counted_on",
                    callback=due.id,
                    provider=due.provider,
                    payment=str(due.reference),
                    why=why.value,
                )
                continue
            taken.add(known.reference)
            success = Observation(known.reference, Observed.SUCCEEDED, Actor.VERIFIER)
            seen[due.id] = of_callback(success, claims, due.id)
        if seen:
            waits = {account: round(seconds) for account, seconds in backlog.items() if seconds}
            _log.warning("counted_on_callbacks", payments=len(seen), backlog_seconds=waits)
        return seen


class AskedLater:
    """Which payments to ask about when nothing is more urgent, and what follows from the answer. It goes on with
    payments of accounts that are not counted on any more. `show` is called after votes left. `clock`: monotonic
    seconds."""

    def __init__(
        self,
        store: ProvisionalPayments,
        payments: Payments,
        show: Show,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._payments = payments
        self._show = show
        self._clock = clock
        self._look_again: dict[tuple[str, bool], float] = {}

    async def claim(self, account: str, limit: int, more_urgent: int) -> list[OpenPayment]:
        """Provisional payments to ask about now, where an account may be asked `limit` questions and
        `more_urgent` are asked already. Without free turns only those that have waited for half their time."""
        free = limit - more_urgent
        urgent = free <= 0
        if self._clock() < self._look_again.get((account, urgent), 0.0):
            return []
        older = URGENT_AFTER.total_seconds() if urgent else 0.0
        found = await self._store.claim(account, limit if urgent else free, older)
        if not found:
            self._look_again[account, urgent] = self._clock() + LOOK_AGAIN_SECONDS
        return found

    async def learn(self, payment: OpenPayment, report: StatusReport, jitter: float) -> None:
        """Record the operator's report on a provisional payment. `jitter` in [-1, 1]."""
        answer = of_later_report(payment, report, jitter)
        log = _log.bind(vote=str(payment.vote_id), payment=str(payment.collection.reference), provider=payment.provider)
        if answer.observed is Observed.DENIED or answer.observed is Observed.PAID_OTHERWISE:
            taken_back = await self._store.take_back(answer, answer.observed)
            if taken_back is None:
                return
            received = str(answer.received)
            log.error("callback_was_not_true", seen=answer.observed, code=answer.reason_code, received=received)
            await self._show({taken_back.contest_id: tuple(taken_back.counted)})
            return
        log.info("asked_later", report=type(report).__name__, step=answer.observed)
        await self._payments.observe(answer)
