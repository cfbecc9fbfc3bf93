"""Find out what became of payments: judge callbacks, ask operators, within their rates."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from gateway.http.raw_exchange import RawRequest
from gateway.orders.routing import provider_of
from gateway.values.halving import in_halves, of_a_server
from payments.accounts.calls import UNWATCHED, Accounts, Budget, CallKind, in_turn, measured, rate_of
from payments.collection.count_on_callback import AskedLater, CountingOnCallbacks
from payments.collection.observations import LOOK_AGAIN_AT_FAILED, of_report
from payments.collection.port import DueCallback, JudgedCallback, Observation, OpenPayment, PaymentStore
from payments.lifecycle import Actor, Observed, success_observed
from payments.provider import Failed, Hint, NamedReversal, PaymentProvider, Readier, StatusReport

CALLBACK_BATCH: Final = 1_000
# Questions are claimed for so long ahead, and again when half of them were asked: whoever waits for a turn keeps the
# account busy while others are claimed.
AHEAD_SECONDS: Final = 1.0
# While answers are awaited, more is looked for so often, and at accounts that had none so often.
LOOK_SECONDS: Final = 0.1
IDLE_SECONDS: Final = 0.25
R = TypeVar("R")
_log = structlog.get_logger(__name__)


async def judge_callbacks(
    *,
    payments: PaymentStore,
    providers: Mapping[str, PaymentProvider],
    counting: CountingOnCallbacks | None = None,
    passes: Callable[[Exception], bool] = of_a_server,
) -> int:
    """Read stored callbacks. A proof becomes evidence, a hint makes its payment due, anything else
    is only kept. The same bytes again are a hint at most. Returns how many were judged. `counting`: where
    some account is counted on, see docs/decisions/0017-counting-on-a-callback.md. One that fails by itself is set
    aside; `passes`: whether an error is of a server that comes back, and is raised."""
    due = await payments.claim_callbacks(CALLBACK_BATCH)
    done = await in_halves(due, lambda part: _judge(part, payments, providers, counting), passes)
    if done.broken:
        await payments.set_callbacks_aside([(callback.id, error) for callback, error in done.broken])
    return len(due)


async def _judge(
    due: Sequence[DueCallback],
    payments: PaymentStore,
    providers: Mapping[str, PaymentProvider],
    counting: CountingOnCallbacks | None,
) -> None:
    judged, proofs, taken_back, claimed = [], [], [], []
    for callback in due:
        account, read = _read(callback, providers)
        hints = tuple(_believed(callback, hint) for hint in read)
        proofs += [seen for hint in hints if (seen := _proof(callback, hint))]
        taken_back += [NamedReversal(account, hint.reversal) for hint in hints if hint.reversal]
        judged.append(replace(_judged(callback, hints), duplicate_of=callback.duplicate_of))
        if counting is not None:
            claimed += [(callback, hint.claims) for hint in hints if hint.claims]
    if counting is not None and (counted := await counting.observed(claimed)):
        proofs += counted.values()
        judged = [replace(j, outcome="provisional", hinted=False) if j.id in counted else j for j in judged]
    # Evidence first: a callback is marked as judged only when what it proves is kept.
    await payments.record(proofs)
    if taken_back:
        await payments.name_reversals(taken_back)
    await payments.judge_callbacks(judged)


def _believed(callback: DueCallback, hint: Hint) -> Hint:
    """The same bytes again are no news. What was signed about one payment says nothing about another, at
    whose address it came."""
    elsewhere = None not in (hint.reference, callback.reference) and hint.reference != callback.reference
    if callback.duplicate_of is None and not elsewhere:
        return hint
    return replace(hint, proof=None, claims=None, reversal=None)


def _read(callback: DueCallback, providers: Mapping[str, PaymentProvider]) -> tuple[str, tuple[Hint, ...]]:
    """What a callback says, to the account that it concerns; where its URL names no payment, to whichever
    account of that provider it means something. The account's key, empty where it means nothing, and the hints."""
    accounts = {key: provider for key, provider in providers.items() if provider_of(key) == callback.provider}
    if callback.account in accounts:
        accounts = {callback.account: accounts[callback.account]}
    readings = ((key, account.parse_callback(_raw(callback), callback.secrets)) for key, account in accounts.items())
    return next(((key, hints) for key, hints in readings if hints), ("", ()))


def _raw(callback: DueCallback) -> RawRequest:
    at = callback.received_at.timestamp() if callback.received_at else None
    return RawRequest(callback.method, "", callback.headers, callback.body, at=at)


def _judged(callback: DueCallback, hints: tuple[Hint, ...]) -> JudgedCallback:
    if not hints:
        return JudgedCallback(callback.id, "nothing")
    hint = hints[0]
    reference = callback.reference or hint.reference
    if reference is None and hint.order_code is None and hint.reversal is None:
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
    proof = hint.proof
    evidence = Observation(
        callback.reference,
        Observed.FAILED,
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
        observed=success_observed(callback.amount, proof.received),
        provider_reference=proof.provider_reference,
        received=proof.received,
        evidence_word="succeeded",
    )


class Verifier:
    """Asks about payments that are due, as fast as each operator's rate allows. One a process.

    Accounts are asked side by side: one that does not answer holds up no other. `later`: what is counted
    already and asked about when nothing else is."""

    def __init__(
        self,
        payments: PaymentStore,
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
        self._look_again: dict[str, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: list[asyncio.Task[None]] = []
        self._none_left = asyncio.Event()

    async def step(self) -> int:
        """Ask about what is due; how many questions ended since the last step, 0 when nothing is due anywhere and
        none is under way. Raises what kept an answer from being recorded."""
        if not self._under_way:
            self._look_again.clear()
        while not (done := self._count_ended()):
            await self._claim()
            if self._under_way:
                await self._wait_for_news()
            elif not self._ended:
                return 0
        return done

    async def aclose(self) -> None:
        """Give up what is under way: it is asked again when its lease runs out."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _claim(self) -> None:
        now = asyncio.get_running_loop().time()
        due = [account for account in self._providers if now >= self._look_again.get(account, now)]
        await asyncio.gather(*(self._claim_at(account, now) for account in due))

    async def _claim_at(self, account: str, now: float) -> None:
        provider = self._providers[account]
        ahead = math.ceil(rate_of(account, provider, self._accounts) * AHEAD_SECONDS)
        waiting = self._budget.waiting[account]
        if waiting > ahead // 2:
            return
        claimed = await self._payments.claim_to_verify(account, ahead - waiting)
        for payment in claimed:
            self._start(account, self._ask(payment, provider))
        counted = await self._later.claim(account, ahead, waiting + len(claimed)) if self._later else []
        for payment in counted:
            self._start(account, self._ask_later(payment, provider))
        if not claimed and not counted:
            self._look_again[account] = now + IDLE_SECONDS

    def _start(self, account: str, question: Coroutine[None, None, None]) -> None:
        self._budget.waiting[account] += 1
        task = asyncio.get_running_loop().create_task(question)
        self._under_way.add(task)
        task.add_done_callback(self._note_ended)

    def _note_ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._ended.append(task)
        if not self._under_way:
            self._none_left.set()

    def _count_ended(self) -> int:
        ended, self._ended = self._ended, []
        errors = [error for task in ended if not task.cancelled() and (error := task.exception()) is not None]
        if errors:
            raise errors[0]
        return len(ended)

    async def _wait_for_news(self) -> None:
        self._none_left.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._none_left.wait()
        except TimeoutError:
            # Time to look for more, whatever is awaited.
            return

    async def _ask(self, payment: OpenPayment, provider: PaymentProvider) -> None:
        await ask(payment, provider, self._payments, self._budget, self._accounts)

    async def _ask_later(self, payment: OpenPayment, provider: PaymentProvider) -> None:
        report = await questioned(payment, provider, self._budget, self._accounts)
        if self._later:
            await self._later.learn(payment, report, random.uniform(-1, 1))  # noqa: S311 - spreads load, guards nothing


class _InLine:
    """A budget that knows how many of ours wait for it, by account."""

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
    """What an operator says of a payment, asked within its rate."""
    account = payment.provider

    async def query() -> StatusReport:
        return await measured(accounts, account, CallKind.STATUS, provider.query(payment.collection))

    if isinstance(provider, Readier):
        # Turns of whoever waits for a token would all be used at once when it is there.
        await provider.ready(payment.collection)
    return await in_turn(budget, account, rate_of(account, provider, accounts), query)


async def ask(
    payment: OpenPayment,
    provider: PaymentProvider,
    payments: PaymentStore,
    budget: Budget,
    accounts: Accounts = UNWATCHED,
) -> StatusReport:
    """Ask about one claimed payment, within the operator's rate, and record what it says."""
    report = await questioned(payment, provider, budget, accounts)
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
    seen = of_report(payment, report, provider.capabilities(payment.collection.country), jitter)
    log = _log.bind(vote=str(payment.vote_id), payment=str(payment.collection.reference), provider=payment.provider)
    log.info("status_asked", report=type(report).__name__, step=seen.observed, checks=payment.checks)
    if seen.observed is Observed.SUCCEEDED_OTHERWISE:
        log.error("amount_differs", received=str(seen.received))
    if isinstance(report, Failed) and report.alarm:
        log.error("provider_refuses_us", code=report.code)
    await payments.observe(seen)
    return report
