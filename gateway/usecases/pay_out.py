"""Pay organisers: send what a second person agreed to, ask until it is final."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, cast

import structlog

from gateway.domain.payout import PayoutSeen, PayoutState
from gateway.ports.payment_provider import Disburser, NotFound, PaymentProvider, Rejected, StatusReport
from gateway.ports.payouts import OpenPayout, PayoutObservation, PayoutStore
from gateway.usecases.payout_answers import of_report, of_send
from gateway.usecases.verify_payments import StatusBudget

BATCH: Final = 32
_NOT_CONFIGURED_SECONDS: Final = 600
_log = structlog.get_logger(__name__)


async def pay_out(*, payouts: PayoutStore, providers: Mapping[str, PaymentProvider], budget: StatusBudget) -> int:
    """Send what is due and ask about what was sent, once; how many were looked at."""
    claimed = await payouts.claim(BATCH)
    await asyncio.gather(*(_attend(payout, payouts, providers, budget) for payout in claimed))
    return len(claimed)


async def _attend(
    payout: OpenPayout, payouts: PayoutStore, providers: Mapping[str, PaymentProvider], budget: StatusBudget
) -> None:
    log = _log.bind(payout=str(payout.reference), provider=payout.provider)
    provider = providers.get(payout.provider)
    if provider is None or not provider.capabilities(payout.disbursement.country).can_pay_out:
        # Its account was taken out of service: it keeps its place until that is back.
        log.error("provider_not_configured")
        then = payout.now + timedelta(seconds=_NOT_CONFIGURED_SECONDS)
        await payouts.record(PayoutObservation(payout.reference, None, next_try_at=then))
        return
    base_url = payout.disbursement.base_url or provider.base_url
    payout = replace(payout, disbursement=replace(payout.disbursement, base_url=base_url))
    if payout.state is PayoutState.SENT:
        seen = _read(payout, provider, await _question(payout, provider, budget))
    elif await payouts.begin_sending(payout.reference, base_url):
        seen = await _send(payout, provider, budget, log)
    else:
        return
    await _record(payout, seen, payouts, log)


async def _send(
    payout: OpenPayout,
    provider: PaymentProvider,
    budget: StatusBudget,
    log: structlog.typing.FilteringBoundLogger,
) -> PayoutObservation:
    result = await cast("Disburser", provider).disburse(payout.disbursement)
    log.info("payout_sent", result=type(result).__name__, tries=payout.send_tries + 1)
    if getattr(result, "alarm", False):
        log.error("provider_refuses_us", result=repr(result))
    if isinstance(result, Rejected) and result.ask_first:
        report = await _question(payout, provider, budget)
        if not isinstance(report, NotFound):
            return _read(payout, provider, report)
    return of_send(payout, result, _jitter())


async def _question(payout: OpenPayout, provider: PaymentProvider, budget: StatusBudget) -> StatusReport:
    await budget.wait_turn(payout.provider, provider.capabilities(payout.disbursement.country).status_per_second)
    return await cast("Disburser", provider).query_disbursement(payout.disbursement)


def _read(payout: OpenPayout, provider: PaymentProvider, report: StatusReport) -> PayoutObservation:
    from_float = provider.capabilities(payout.disbursement.country).pays_from_float
    return of_report(payout, report, _jitter(), from_float=from_float)


async def _record(
    payout: OpenPayout,
    seen: PayoutObservation,
    payouts: PayoutStore,
    log: structlog.typing.FilteringBoundLogger,
) -> None:
    moved = await payouts.record(seen)
    if seen.seen is PayoutSeen.GIVEN_UP and moved:
        log.error("payout_waits_for_a_person", reason=seen.reason_code)
    elif seen.seen is PayoutSeen.FAILED and moved:
        log.error("payout_failed", reason=seen.reason_code)
    elif seen.seen is PayoutSeen.SUCCEEDED:
        log.info("payout_done" if moved else "payout_success_changes_nothing")


def _jitter() -> float:
    return random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
