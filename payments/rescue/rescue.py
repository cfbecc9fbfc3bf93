"""A voter says: I was debited. Ask the operators now, while the caller waits, and answer what is known.

Nothing here decides about money: an operator's answer is recorded as any other, so that a
late success is confirmed and counted in the usual way.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog

from gateway.storage.doorbell import Doorbell, Work
from payments.accounts.calls import UNWATCHED, Accounts, Budget
from payments.collection.store import Payments
from payments.collection.verify import ask
from payments.lifecycle import State
from payments.provider import PaymentProvider, StatusReport, Succeeded
from payments.rescue.attempts import Attempts, FoundAttempt
from payments.rescue.rules import Attempt, Claim, OfNumber, Outcome, Rescue, contest_of, is_unclear, judge

# A dialogue answers within four seconds; storage needs some of them.
ASK_SECONDS: Final = 2.0
COUNT_SECONDS: Final = 1.0
LOOK_EVERY_SECONDS: Final = 0.1
_log = structlog.get_logger(__name__)


class Rescuer:
    """Searches for the money of one voter at a time."""

    def __init__(
        self,
        attempts: Attempts,
        payments: Payments,
        providers: Mapping[str, PaymentProvider],
        budget: Budget,
        doorbell: Doorbell,
        accounts: Accounts = UNWATCHED,
    ) -> None:
        self._attempts = attempts
        self._payments = payments
        self._providers = providers
        self._budget = budget
        self._doorbell = doorbell
        self._accounts = accounts

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        """What became of the latest payments that this is about; one that stays unclear gets a ticket."""
        held = await self._attempts.latest(claim)
        unclear: frozenset[UUID] = frozenset()
        repaired: Attempt | None = None
        if askable := [one for one in held if one.askable]:
            paid, unclear = await self._ask_all(askable)
            held = await self._attempts.latest(claim)
            if paid:
                self._doorbell.ring(Work.SETTLE)
                held, repaired = await self._wait_until_counted(claim, paid, held)
        found = judge([replace(one.attempt, unclear=one.reference in unclear) for one in held], repaired)
        _log.info("debited_looked_into", channel=claim.channel, outcome=found.outcome.value, asked=len(askable))
        if found.outcome is not Outcome.UNCLEAR:
            return found
        about = next((one for one in held if _same(one, found, unclear)), None)
        return replace(found, ticket=await self._ticket(claim, language, about))

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        """The number of the open ticket of this number; opened if there is none. None for a chat that has
        neither ordered nor proved a number."""
        if isinstance(claim, OfNumber):
            return await self._ticket(claim, language, None)
        held = await self._attempts.latest(claim)
        return await self._ticket(claim, language, held[0] if held else None)

    async def _ticket(self, claim: Claim, language: str, about: FoundAttempt | None) -> str | None:
        contest_id = about.contest_id if about else contest_of(claim)
        if contest_id is None:
            return None
        reference = about.reference if about else None
        ticket = await self._attempts.open_ticket(claim, contest_id, language, reference)
        _log.info("ticket_open", ticket=ticket, payment=str(reference) if reference else None)
        return ticket

    async def _ask_all(self, held: Sequence[FoundAttempt]) -> tuple[frozenset[UUID], frozenset[UUID]]:
        """Payments of which their operators now say that they are paid, and those that stay unclear."""
        claimed = await self._payments.claim_named([one.reference for one in held])
        tasks = {
            asyncio.create_task(ask(payment, provider, self._payments, self._budget, self._accounts)): payment
            for payment in claimed
            if (provider := self._providers.get(payment.provider)) is not None
        }
        answered: dict[UUID, StatusReport] = {}
        if tasks:
            done, late = await asyncio.wait(tasks, timeout=ASK_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            answered = {tasks[task].collection.reference: task.result() for task in done}
        paid = frozenset(r for r, report in answered.items() if isinstance(report, Succeeded))
        unclear = {
            p.collection.reference
            for p in claimed
            if is_unclear(answered.get(p.collection.reference), p.state, expired=p.now >= p.expires_at)
        }
        # Asked some seconds ago without an answer: there is none by now either.
        asked = {p.collection.reference for p in claimed}
        unclear |= {one.reference for one in held if one.ticketed and one.reference not in asked}
        return paid, frozenset(unclear)

    async def _wait_until_counted(
        self, claim: Claim, paid: frozenset[UUID], held: list[FoundAttempt]
    ) -> tuple[list[FoundAttempt], Attempt | None]:
        """The payments once they are settled, or as far as they are when the caller can wait no longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + COUNT_SECONDS
        while any(one.reference in paid and one.attempt.state is State.CONFIRMED for one in held):
            if loop.time() >= until:
                break
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            held = await self._attempts.latest(claim)
        counted = (one.attempt for one in held if one.reference in paid and one.attempt.state is State.SETTLED)
        return held, next(counted, None)


def _same(one: FoundAttempt, found: Rescue, unclear: frozenset[UUID]) -> bool:
    return found.attempt == replace(one.attempt, unclear=one.reference in unclear)
