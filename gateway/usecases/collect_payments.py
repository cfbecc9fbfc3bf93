"""Ask operators to collect what was ordered. The reference is committed before each call."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import structlog

from gateway.domain.payment import Actor, Seen
from gateway.ports.payment_provider import NotFound, PayerReason, PaymentProvider, Rejected
from gateway.ports.stores import PAYMENT_CODE, Observation, OpenPayment, PaymentStore
from gateway.usecases.observations import of_create, of_report

BATCH: Final = 128
_log = structlog.get_logger(__name__)


async def collect_payments(*, payments: PaymentStore, providers: Mapping[str, PaymentProvider]) -> int:
    """Ask for everything that is due, once; how many were asked or closed."""
    closed = await _close_unsent(payments)
    claimed = await payments.claim_to_collect(BATCH)
    await asyncio.gather(*(_collect(payment, payments, providers) for payment in claimed))
    return len(claimed) + closed


async def _collect(payment: OpenPayment, payments: PaymentStore, providers: Mapping[str, PaymentProvider]) -> None:
    log = _log.bind(vote=str(payment.vote_id), payment=str(payment.collection.reference), provider=payment.provider)
    provider = providers.get(payment.provider)
    if provider is None:
        # The provider was taken out of service after the order: nobody was asked.
        await payments.observe(_not_sent(payment))
        log.error("provider_not_configured")
        return
    can = provider.capabilities(payment.collection.country)
    collection = replace(payment.collection, base_url=payment.collection.base_url or provider.base_url)
    payment = replace(payment, collection=collection)
    result = await provider.create(collection, collection.secrets.get(PAYMENT_CODE))
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
    log.info("collection_asked", result=type(result).__name__, tries=payment.send_tries)
    if isinstance(result, Rejected) and result.ask_first:
        report = await provider.query(collection)
        if not isinstance(report, NotFound):
            await payments.observe(of_report(payment, report, can, jitter))
            return
    if getattr(result, "alarm", False):
        log.error("provider_refuses_us", result=repr(result))
    await payments.observe(of_create(payment, result, can, jitter))


def _not_sent(payment: OpenPayment) -> Observation:
    return Observation(
        payment.collection.reference,
        Seen.REFUSED,
        Actor.COLLECTOR,
        reason=PayerReason.SERVICE_DOWN.value,
        reason_code="not_configured",
        message="payment_failed",
    )


async def _close_unsent(payments: PaymentStore) -> int:
    overdue = await payments.overdue_unsent(BATCH)
    return await payments.record(
        [
            Observation(
                reference,
                Seen.NEVER_SENT,
                Actor.COLLECTOR,
                detail="no operator could be asked in time",
                reason=PayerReason.SERVICE_DOWN.value,
                reason_code="never_sent",
                message="payment_failed",
            )
            for reference in overdue
        ]
    )
