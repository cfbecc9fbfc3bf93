"""Find out what became of payments: judge callbacks, ask operators, within their rates."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

import structlog

from gateway.domain.payment import Actor, Seen, success_seen
from gateway.domain.routing import provider_of
from gateway.ports.accounts import Accounts, Asked
from gateway.ports.payment_provider import Failed, Hint, PaymentProvider, Reversed, StatusReport
from gateway.ports.raw_exchange import RawRequest
from gateway.ports.stores import DueCallback, JudgedCallback, Observation, OpenPayment, PaymentStore
from gateway.usecases.account_watch import UNWATCHED, measured
from gateway.usecases.observations import LOOK_AGAIN_AT_FAILED, of_report

CALLBACK_BATCH: Final = 500
# Questions a second that an account is asked while it is closed.
TRICKLE: Final = 1
_log = structlog.get_logger(__name__)


class StatusBudget(Protocol):
    """How fast an operator's account may be asked."""

    async def wait_turn(self, provider: str, per_second: int) -> None:
        """Return when one more question may be asked."""
        ...


async def judge_callbacks(*, payments: PaymentStore, providers: Mapping[str, PaymentProvider]) -> int:
    """Read stored callbacks. A proof becomes evidence, a hint makes its payment due, anything else
    is only kept. The same bytes again are a hint at most. Returns how many were judged."""
    due = await payments.claim_callbacks(CALLBACK_BATCH)
    judged, proofs = [], []
    for callback in due:
        hints = _read(callback, providers)
        hints = tuple(replace(hint, proof=None) if _proves_nothing(callback, hint) else hint for hint in hints)
        proofs += [seen for hint in hints if (seen := _proof(callback, hint))]
        judged.append(replace(_judged(callback, hints), duplicate_of=callback.duplicate_of))
    # Evidence first: a callback is marked as judged only when what it proves is kept.
    await payments.record(proofs)
    await payments.judge_callbacks(judged)
    return len(due)


def _proves_nothing(callback: DueCallback, hint: Hint) -> bool:
    """The same bytes again are no news. What was signed about one payment says nothing about another, at
    whose address it came."""
    elsewhere = None not in (hint.reference, callback.reference) and hint.reference != callback.reference
    return callback.duplicate_of is not None or elsewhere


def _read(callback: DueCallback, providers: Mapping[str, PaymentProvider]) -> tuple[Hint, ...]:
    """What a callback says, to the account that it concerns; where its URL names no payment, to whichever
    account of that provider it means something."""
    concerned = providers.get(callback.account or "")
    accounts = [p for key, p in providers.items() if provider_of(key) == callback.provider]
    if concerned is not None and concerned in accounts:
        accounts = [concerned]
    readings = (account.parse_callback(_raw(callback), callback.secrets) for account in accounts)
    return next((hints for hints in readings if hints), ())


def _raw(callback: DueCallback) -> RawRequest:
    return RawRequest(callback.method, "", callback.headers, callback.body)


def _judged(callback: DueCallback, hints: tuple[Hint, ...]) -> JudgedCallback:
    if not hints:
        return JudgedCallback(callback.id, "nothing")
    hint = hints[0]
    reference = callback.reference or hint.reference
    if reference is None and hint.order_code is None:
        return JudgedCallback(callback.id, "unknown reference")
    if hint.proof is not None and callback.reference is not None:
        return JudgedCallback(callback.id, "proof", reference)
    # What is proved of a payment that the URL does not name is asked for once more: one question finds it.
    return JudgedCallback(callback.id, "hint", reference, hint.order_code, hinted=True)


def _proof(callback: DueCallback, hint: Hint) -> Observation | None:
    """What a signed callback proves about its payment."""
    if isinstance(hint.proof, Reversed):
        # Nothing follows by itself: it is for a person, who finds the payment by what the event names.
        _log.error(
            "payment_reversed",
            provider=callback.provider,
            payment=str(hint.reference or callback.reference or ""),
            operator_reference=hint.provider_reference,
            code=hint.proof.code,
            amount=str(hint.proof.amount),
        )
        return None
    if callback.reference is None or callback.amount is None or hint.proof is None:
        return None
    proof = hint.proof
    evidence = Observation(
        callback.reference,
        Seen.FAILED,
        Actor.VERIFIER,
        evidence_word="failed",
        evidence_source="callback_proof",
        evidence_raw=proof.raw[:4000],
    )
    if isinstance(proof, Failed):
        return replace(
            evidence,
            detail=proof.code,
            next_check_at=callback.now + LOOK_AGAIN_AT_FAILED,
            reason=proof.reason.value,
            reason_code=proof.code,
            message="payment_failed",
        )
    return replace(
        evidence,
        seen=success_seen(callback.amount, proof.received),
        provider_reference=proof.provider_reference,
        received=proof.received,
        evidence_word="succeeded",
    )


class Verifier:
    """Asks about payments that are due, as many as each operator's rate allows. One a process.

    Accounts are asked side by side: one that does not answer holds up no other."""

    def __init__(
        self,
        payments: PaymentStore,
        providers: Mapping[str, PaymentProvider],
        budget: StatusBudget,
        accounts: Accounts = UNWATCHED,
    ) -> None:
        self._payments = payments
        self._providers = providers
        self._budget = budget
        self._accounts = accounts
        self._under_way: dict[str, asyncio.Task[int]] = {}

    async def step(self) -> int:
        """Ask at every account that is not being asked yet; how many questions the first that are done took,
        0 when nothing is due anywhere. Raises what kept an answer from being recorded."""
        loop = asyncio.get_running_loop()
        for account in self._providers:
            if account not in self._under_way:
                self._under_way[account] = loop.create_task(self._ask_account(account))
        while self._under_way:
            await asyncio.wait(self._under_way.values(), return_when=asyncio.FIRST_COMPLETED)
            done = {account: task for account, task in self._under_way.items() if task.done()}
            self._under_way = {a: task for a, task in self._under_way.items() if a not in done}
            if asked := sum([task.result() for task in done.values()]):
                return asked
        return 0

    async def aclose(self) -> None:
        """Give up what is under way: it is asked again when its lease runs out."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _ask_account(self, account: str) -> int:
        provider = self._providers[account]
        claimed = await self._payments.claim_to_verify(account, rate_of(account, provider, self._accounts))
        await asyncio.gather(
            *(ask(payment, provider, self._payments, self._budget, self._accounts) for payment in claimed)
        )
        return len(claimed)


def rate_of(account: str, provider: PaymentProvider, accounts: Accounts) -> int:
    """Questions a second: a trickle while the account is closed."""
    return TRICKLE if account in accounts.rails.closed else provider.capabilities("").status_per_second


async def ask(
    payment: OpenPayment,
    provider: PaymentProvider,
    payments: PaymentStore,
    budget: StatusBudget,
    accounts: Accounts = UNWATCHED,
) -> StatusReport:
    """Ask about one claimed payment, within the operator's rate, and record what it says."""
    await budget.wait_turn(payment.provider, rate_of(payment.provider, provider, accounts))
    report = await measured(accounts, payment.provider, Asked.STATUS, provider.query(payment.collection))
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
    seen = of_report(payment, report, provider.capabilities(payment.collection.country), jitter)
    log = _log.bind(vote=str(payment.vote_id), payment=str(payment.collection.reference), provider=payment.provider)
    log.info("status_asked", report=type(report).__name__, step=seen.seen, checks=payment.checks)
    if seen.seen is Seen.SUCCEEDED_OTHERWISE:
        log.error("amount_differs", received=str(seen.received))
    if isinstance(report, Failed) and report.alarm:
        log.error("provider_refuses_us", code=report.code)
    await payments.observe(seen)
    return report
