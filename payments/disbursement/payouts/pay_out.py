"""Pay organisers: send what a second person agreed to, ask until it is final."""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from payments.accounts.calls import UNWATCHED, Accounts, Budget
from payments.disbursement.outgoing_calls import OutgoingCalls, on_platform, pays_from_float
from payments.disbursement.payouts.answers import of_report, of_send
from payments.disbursement.payouts.port import OpenPayout, PayoutObservation, PayoutStore
from payments.disbursement.payouts.rules import PayoutSeen, PayoutState
from payments.provider import DisburseResult, PaymentProvider, StatusReport

BATCH: Final = 32
_NOT_CONFIGURED_SECONDS: Final = 600
_log = structlog.get_logger(__name__)


async def pay_out(
    *,
    payouts: PayoutStore,
    providers: Mapping[str, PaymentProvider],
    budget: Budget,
    accounts: Accounts = UNWATCHED,
) -> int:
    """Send what is due and ask about what was sent, once; how many were looked at."""
    claimed = await payouts.claim(BATCH)
    calls = OutgoingCalls(budget, accounts, BATCH)
    await asyncio.gather(*(_attend(payout, payouts, providers.get(payout.provider), calls) for payout in claimed))
    return len(claimed)


async def _attend(
    payout: OpenPayout, payouts: PayoutStore, provider: PaymentProvider | None, calls: OutgoingCalls
) -> None:
    log = _log.bind(payout=str(payout.reference), provider=payout.provider)
    if provider is None or not provider.capabilities(payout.disbursement.country).can_pay_out:
        # Its account was taken out of service: it keeps its place until that is back.
        log.error("provider_not_configured")
        await payouts.record(_waits(payout, _NOT_CONFIGURED_SECONDS))
        return
    payout, sent = on_platform(payout, provider), payout.state is PayoutState.SENT
    if wait := calls.wait_to_ask(payout) if sent else calls.wait_to_send(payout):
        await payouts.record(_waits(payout, wait * (1 + 0.2 * _jitter())))
        return
    if sent:
        answer: DisburseResult | StatusReport = await calls.ask(payout, provider)
    elif await payouts.begin_sending(payout.reference, payout.disbursement.base_url or provider.base_url):
        answer = await calls.send(payout, provider, log)
    else:
        return
    await _record(payout, _seen(payout, provider, answer), payouts, log)


def _waits(payout: OpenPayout, seconds: float) -> PayoutObservation:
    return PayoutObservation(payout.reference, None, next_try_at=payout.now + timedelta(seconds=seconds))


def _seen(payout: OpenPayout, provider: PaymentProvider, answer: DisburseResult | StatusReport) -> PayoutObservation:
    if isinstance(answer, DisburseResult):
        return of_send(payout, answer, _jitter())
    return of_report(payout, answer, _jitter(), from_float=pays_from_float(payout, provider))


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
