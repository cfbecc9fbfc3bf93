"""Find out what became of payments: judge callbacks, ask operators, within their rates."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Protocol

import structlog

from gateway.domain.payment import Actor, Seen, success_seen
from gateway.domain.routing import provider_of
from gateway.ports.payment_provider import Failed, Hint, PaymentProvider, StatusReport
from gateway.ports.raw_exchange import RawRequest
from gateway.ports.stores import DueCallback, JudgedCallback, Observation, OpenPayment, PaymentStore
from gateway.usecases.observations import of_report

CALLBACK_BATCH: Final = 500
_log = structlog.get_logger(__name__)


class StatusBudget(Protocol):
    """How fast an operator's account may be asked."""

    async def wait_turn(self, provider: str, per_second: int) -> None:
        """Return when one more question may be asked."""
        ...


async def judge_callbacks(*, payments: PaymentStore, providers: Mapping[str, PaymentProvider]) -> int:
    """Read stored callbacks. A proof becomes evidence, a hint makes its payment due, anything else
    is only kept. Returns how many were judged."""
    due = await payments.claim_callbacks(CALLBACK_BATCH)
    judged, proofs = [], []
    for callback in due:
        hints = _read(callback, providers)
        proofs += [seen for hint in hints if (seen := _proof(callback, hint))]
        judged.append(_judged(callback, hints))
    # Evidence first: a callback is marked as judged only when what it proves is kept.
    await payments.record(proofs)
    await payments.judge_callbacks(judged)
    return len(due)


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
    if callback.reference is None and hint.order_code is None:
        return JudgedCallback(callback.id, "unknown reference")
    if hint.proof is not None:
        return JudgedCallback(callback.id, "proof", callback.reference)
    return JudgedCallback(callback.id, "hint", callback.reference, hint.order_code, hinted=True)


def _proof(callback: DueCallback, hint: Hint) -> Observation | None:
    """What a signed callback proves about its payment."""
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


async def verify_payments(
    *, payments: PaymentStore, providers: Mapping[str, PaymentProvider], budget: StatusBudget
) -> int:
    """Ask about payments that are due, as many as each operator's rate allows now."""
    asked = await asyncio.gather(
        *(_verify_provider(code, provider, payments, budget) for code, provider in providers.items())
    )
    return sum(asked)


async def _verify_provider(code: str, provider: PaymentProvider, payments: PaymentStore, budget: StatusBudget) -> int:
    claimed = await payments.claim_to_verify(code, provider.capabilities("").status_per_second)
    await asyncio.gather(*(ask(payment, provider, payments, budget) for payment in claimed))
    return len(claimed)


async def ask(
    payment: OpenPayment, provider: PaymentProvider, payments: PaymentStore, budget: StatusBudget
) -> StatusReport:
    """Ask about one claimed payment, within the operator's rate, and record what it says."""
    await budget.wait_turn(payment.provider, provider.capabilities(payment.collection.country).status_per_second)
    report = await provider.query(payment.collection)
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
