"""Give money back: our reference first, then the operator, who is asked until the answer is final."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final, cast

import structlog

from payments.accounts.calls import UNWATCHED, Accounts, Budget, in_turn
from payments.disbursement.outgoing_calls import OutgoingCalls, on_platform, pays_from_float
from payments.disbursement.refunds.answers import (
    BALANCE_TOO_LOW,
    NO_REFUNDS,
    given_up,
    of_report,
    of_send,
    past_us,
    put_off,
)
from payments.disbursement.refunds.port import OpenRefund, RefundObservation, RefundStore, SendingRefund
from payments.disbursement.refunds.rules import RefundSeen, RefundState
from payments.provider import (
    Balance,
    BalanceTeller,
    Capabilities,
    DisburseResult,
    Failed,
    PayerReason,
    PaymentProvider,
    Rejected,
    Wallet,
)

BATCH: Final = 64
_NOT_CONFIGURED_SECONDS: Final = 600
_log = structlog.get_logger(__name__)

Providers = Mapping[str, PaymentProvider]


async def refund_payments(
    *, refunds: RefundStore, providers: Providers, budget: Budget, accounts: Accounts = UNWATCHED
) -> int:
    """Send what is due and ask about what was sent, once; how many were looked at.

    What an operator gives nothing back for waits for a person. Where an account tells its balance, no
    more is sent than it holds.
    """
    claimed = await refunds.claim(BATCH)
    calls = OutgoingCalls(budget, accounts, BATCH)
    due: dict[tuple[str, str, str], list[OpenRefund]] = defaultdict(list)
    asked, waiting = [], []
    for refund in claimed:
        if refund.provider not in providers:
            waiting.append(_waits_for_its_account(refund))
        elif wait := calls.wait_to_ask(refund) if refund.state is RefundState.SENT else calls.wait_to_send(refund):
            waiting.append(_waits(refund, wait * (1 + 0.2 * _jitter())))
        elif refund.state is RefundState.SENT:
            asked.append(refund)
        else:
            due[refund.provider, refund.disbursement.country, refund.disbursement.amount.currency].append(refund)
    await asyncio.gather(
        *(refunds.observe(seen) for seen in waiting),
        *(_send_all(providers[key[0]], members, refunds, budget, calls) for key, members in due.items()),
        *(_ask(refund, providers[refund.provider], refunds, calls) for refund in asked),
    )
    return len(claimed)


def _waits_for_its_account(refund: OpenRefund) -> RefundObservation:
    """Its account was taken out of service: it keeps its place until that is back."""
    _bound(refund).error("provider_not_configured")
    return _waits(refund, _NOT_CONFIGURED_SECONDS)


def _waits(refund: OpenRefund, seconds: float) -> RefundObservation:
    return RefundObservation(refund.reference, None, next_try_at=refund.now + timedelta(seconds=seconds))


async def _send_all(
    provider: PaymentProvider,
    due: Sequence[OpenRefund],
    refunds: RefundStore,
    budget: Budget,
    calls: OutgoingCalls,
) -> None:
    """Refunds of one account, country and currency."""
    can = provider.capabilities(due[0].disbursement.country)
    if not can.can_refund:
        for refund in due:
            if await refunds.observe(given_up(refund, NO_REFUNDS, "the operator gives nothing back by itself")):
                _bound(refund).warning("refund_waits_for_a_person", reason=NO_REFUNDS)
        return
    affordable = await _affordable(provider, can, due, refunds, budget)
    going = await refunds.begin_sending(
        [SendingRefund(r.reference, r.provider, r.disbursement.base_url or provider.base_url) for r in affordable]
    )
    await asyncio.gather(
        *(_send(refund, provider, refunds, calls) for refund in affordable if refund.reference in going)
    )


async def _affordable(
    provider: PaymentProvider,
    can: Capabilities,
    due: Sequence[OpenRefund],
    refunds: RefundStore,
    budget: Budget,
) -> list[OpenRefund]:
    """Those that the account has money for, oldest debt first; the others wait and an alarm is logged."""
    if not can.has_balance:
        return list(due)
    wallet = Wallet.DISBURSEMENT if can.pays_from_float else Wallet.COLLECTION
    asked = due[0].disbursement
    teller = cast("BalanceTeller", provider)
    balance = partial(teller.balance, wallet, asked.amount.currency, asked.country)
    held = await in_turn(budget, due[0].provider, can.status_per_second, balance)
    if not isinstance(held, Balance):
        # Not knowing is no reason to keep anybody's money: the operator refuses what it cannot pay.
        return list(due)
    left, going = held.available.amount_minor, []
    for refund in sorted(due, key=lambda r: r.owed_since):
        if refund.disbursement.amount.amount_minor <= left:
            left -= refund.disbursement.amount.amount_minor
            going.append(refund)
            continue
        later = replace(put_off(refund, BALANCE_TOO_LOW, _jitter(), poor=True), seen=None)
        await refunds.observe(later)
        _bound(refund).error("balance_too_low", wallet=wallet.value, available=held.available.plain())
    return going


async def _send(refund: OpenRefund, provider: PaymentProvider, refunds: RefundStore, calls: OutgoingCalls) -> None:
    refund = on_platform(refund, provider)
    answer = await calls.send(refund, provider, _bound(refund))
    if not isinstance(answer, DisburseResult):
        seen = of_report(refund, answer, _jitter(), from_float=pays_from_float(refund, provider))
    elif isinstance(answer, Rejected) and answer.given_back:
        seen = await _given_back_past_us(refund, answer, refunds)
    else:
        if isinstance(answer, Rejected) and answer.reason is PayerReason.NO_FUNDS:
            _bound(refund).error("balance_too_low", code=answer.code)
        seen = of_send(refund, answer, _jitter())
    await _observe(refund, seen, refunds)


async def _given_back_past_us(refund: OpenRefund, answer: Rejected, refunds: RefundStore) -> RefundObservation:
    """Keep what the operator gave back. All of it stops this refund, and what is returned finds nothing to do."""
    _bound(refund).error("refunded_past_us", code=answer.code, parts=len(answer.given_back))
    waits, person = past_us(refund, answer, _jitter())
    await refunds.record_reversals(refund, answer.given_back)
    if waits is not None:
        await refunds.observe(waits)
        await refunds.record_reversals(refund, answer.given_back)
    return person


async def _ask(refund: OpenRefund, provider: PaymentProvider, refunds: RefundStore, calls: OutgoingCalls) -> None:
    if not provider.capabilities(refund.disbursement.country).can_refund:
        # It could when this was sent: its disbursement account was taken out of the settings.
        await refunds.observe(_waits_for_its_account(refund))
        return
    report = await calls.ask(refund, provider)
    _bound(refund).info("refund_asked", report=type(report).__name__, checks=refund.checks)
    if isinstance(report, Failed) and report.alarm:
        _bound(refund).error("provider_refuses_us", code=report.code)
    seen = of_report(refund, report, _jitter(), from_float=pays_from_float(refund, provider))
    await _observe(refund, seen, refunds)


async def _observe(refund: OpenRefund, seen: RefundObservation, refunds: RefundStore) -> None:
    moved = await refunds.observe(seen)
    if seen.seen is RefundSeen.GIVEN_UP and moved:
        _bound(refund).error("refund_waits_for_a_person", reason=seen.reason_code)
    if seen.seen is RefundSeen.SUCCEEDED:
        if moved:
            _bound(refund).info("refunded")
        else:
            # Done before, most likely; were it void, the payer would be paid twice.
            _bound(refund).warning("refund_success_changes_nothing")


def _jitter() -> float:
    return random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing


def _bound(refund: OpenRefund) -> structlog.typing.FilteringBoundLogger:
    log: structlog.typing.FilteringBoundLogger = _log.bind(
        vote=str(refund.vote_id),
        payment=str(refund.payment_reference),
        refund=str(refund.reference),
        provider=refund.provider,
    )
    return log
