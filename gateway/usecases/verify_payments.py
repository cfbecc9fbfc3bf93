"""Find out what became of payments: judge callbacks, ask operators, within their rates."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

import structlog

from gateway.domain.payment import Actor, Seen, success_seen
from gateway.domain.routing import provider_of
from gateway.ports.accounts import Accounts, Asked
from gateway.ports.payment_provider import Failed, Hint, PaymentProvider, Reversed, StatusReport
from gateway.ports.raw_exchange import RawRequest
from gateway.ports.stores import DueCallback, JudgedCallback, Observation, OpenPayment, PaymentStore, SeenReversal
from gateway.usecases.account_watch import UNWATCHED, measured
from gateway.usecases.observations import LOOK_AGAIN_AT_FAILED, of_report
from gateway.usecases.provisional import AskedLater, CountingOnCallbacks

CALLBACK_BATCH: Final = 1_000
# Questions a second that an account is asked while it is closed.
TRICKLE: Final = 1
_log = structlog.get_logger(__name__)


class StatusBudget(Protocol):
    """How fast an operator's account may be asked."""

    async def wait_turn(self, provider: str, per_second: int) -> None:
        """Return when one more question may be asked."""
        ...


async def judge_callbacks(
    *, payments: PaymentStore, providers: Mapping[str, PaymentProvider], counting: CountingOnCallbacks | None = None
) -> int:
    """Read stored callbacks. A proof becomes evidence, a hint makes its payment due, anything else
    is only kept. The same bytes again are a hint at most. Returns how many were judged. `counting`: where
    some account is counted on, see docs/decisions/0017-counting-on-a-callback.md."""
    due = await payments.claim_callbacks(CALLBACK_BATCH)
    judged, proofs, taken_back, claimed = [], [], [], []
    for callback in due:
        hints = tuple(_believed(callback, hint) for hint in _read(callback, providers))
        proofs += [seen for hint in hints if (seen := _proof(callback, hint))]
        taken_back += [back for hint in hints if (back := _reversal(callback, hint))]
        judged.append(replace(_judged(callback, hints), duplicate_of=callback.duplicate_of))
        if counting is not None:
            claimed += [(callback, hint.claims) for hint in hints if hint.claims]
    if counting is not None and (counted := await counting.observed(claimed)):
        proofs += counted.values()
        judged = [replace(j, outcome="provisional", hinted=False) if j.id in counted else j for j in judged]
    # Evidence first: a callback is marked as judged only when what it proves is kept.
    await payments.record(proofs)
    if taken_back:
        found = await payments.record_reversals(taken_back)
        about = {back.callback: found.get(back.callback) for back in taken_back}
        judged = [_of_reversal(one, about[one.id]) if one.id in about else one for one in judged]
    await payments.judge_callbacks(judged)
    return len(due)


def _believed(callback: DueCallback, hint: Hint) -> Hint:
    """The same bytes again are no news. What was signed about one payment says nothing about another, at
    whose address it came."""
    elsewhere = None not in (hint.reference, callback.reference) and hint.reference != callback.reference
    if callback.duplicate_of is None and not elsewhere:
        return hint
    return replace(hint, proof=None, claims=None)


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
    at = callback.received_at.timestamp() if callback.received_at else None
    return RawRequest(callback.method, "", callback.headers, callback.body, at=at)


def _judged(callback: DueCallback, hints: tuple[Hint, ...]) -> JudgedCallback:
    if not hints:
        return JudgedCallback(callback.id, "nothing")
    hint = hints[0]
    reference = callback.reference or hint.reference
    if reference is None and hint.order_code is None:
        return JudgedCallback(callback.id, "unknown reference")
    if hint.proof is not None and callback.amount is not None:
        return JudgedCallback(callback.id, "proof", reference)
    # What is proved of a payment that the URL does not name, or of a refund, is asked for once more: one question
    # finds it.
    return JudgedCallback(callback.id, "hint", reference, hint.order_code, hinted=True)


def _proof(callback: DueCallback, hint: Hint) -> Observation | None:
    """What a signed callback proves about its payment."""
    if callback.reference is None or callback.amount is None or hint.proof is None:
        return None
    if isinstance(hint.proof, Reversed):
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


def _reversal(callback: DueCallback, hint: Hint) -> SeenReversal | None:
    """What a signed callback proves about money that the operator took back."""
    if not isinstance(hint.proof, Reversed):
        return None
    reference = hint.reference or callback.reference
    return SeenReversal(callback.id, callback.provider, hint.proof, reference, hint.provider_reference)


def _of_reversal(judged: JudgedCallback, payment: UUID | None) -> JudgedCallback:
    """A payment that we do not know as paid yet is asked about first."""
    if payment is None:
        return replace(judged, outcome="unknown reference", reference=None, order_code=None, hinted=False)
    return replace(judged, outcome="proof", reference=payment, hinted=True)


class Verifier:
    """Asks about payments that are due, as many as each operator's rate allows. One a process.

    Accounts are asked side by side: one that does not answer holds up no other. `later`: what is counted
    already and asked about when nothing else is."""

    def __init__(
        self,
        payments: PaymentStore,
        providers: Mapping[str, PaymentProvider],
        budget: StatusBudget,
        accounts: Accounts = UNWATCHED,
        later: AskedLater | None = None,
    ) -> None:
        self._payments = payments
        self._providers = providers
        self._budget = budget
        self._accounts = accounts
        self._later = later
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
        rate = rate_of(account, provider, self._accounts)
        claimed = await self._payments.claim_to_verify(account, rate)
        counted = await self._later.claim(account, rate, len(claimed)) if self._later else []
        await asyncio.gather(
            *(ask(payment, provider, self._payments, self._budget, self._accounts) for payment in claimed),
            *(self._ask_later(payment, provider, self._later) for payment in counted if self._later),
        )
        return len(claimed) + len(counted)

    async def _ask_later(self, payment: OpenPayment, provider: PaymentProvider, later: AskedLater) -> None:
        report = await _questioned(payment, provider, self._budget, self._accounts)
        await later.learn(payment, report, random.uniform(-1, 1))  # noqa: S311 - spreads load, guards nothing


def rate_of(account: str, provider: PaymentProvider, accounts: Accounts) -> int:
    """Questions a second: a trickle while the account is closed."""
    return TRICKLE if account in accounts.rails.closed else provider.capabilities("").status_per_second


async def _questioned(
    payment: OpenPayment, provider: PaymentProvider, budget: StatusBudget, accounts: Accounts
) -> StatusReport:
    await budget.wait_turn(payment.provider, rate_of(payment.provider, provider, accounts))
    return await measured(accounts, payment.provider, Asked.STATUS, provider.query(payment.collection))


async def ask(
    payment: OpenPayment,
    provider: PaymentProvider,
    payments: PaymentStore,
    budget: StatusBudget,
    accounts: Accounts = UNWATCHED,
) -> StatusReport:
    """Ask about one claimed payment, within the operator's rate, and record what it says."""
    report = await _questioned(payment, provider, budget, accounts)
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
