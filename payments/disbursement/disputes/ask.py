"""Disputes, and refunds past us, are asked about: an event, a list or a statement names them and decides nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from gateway.orders.routing import provider_of
from payments.accounts.calls import UNWATCHED, Accounts, Budget, CallKind, measured, rate_of
from payments.disbursement.disputes.reversals import DueReversal, Reversals
from payments.disbursement.disputes.store import ObservedReversal
from payments.provider import NamedReversal, NotFound, PaymentProvider, ReversalTeller, Unavailable

BATCH: Final = 64
SWEEP_SECONDS: Final = 300.0
# An operator's lists may be behind its answers, and its clock behind ours.
OVERLAP: Final = timedelta(minutes=30)
# Before the first sweep: a payer may dispute a payment for about four months.
FIRST_LOOK: Final = timedelta(days=150)
_AGAIN_SECONDS: Final = 10.0
_AGAIN_SECONDS_MAX: Final = 3600.0
_log = structlog.get_logger(__name__)

Providers = Mapping[str, PaymentProvider]


async def ask_reversals(
    *, reversals: Reversals, providers: Providers, budget: Budget, accounts: Accounts = UNWATCHED
) -> int:
    """Ask about what is due, once; how many were asked about."""
    due = await reversals.claim(BATCH)
    await asyncio.gather(*(_ask(one, reversals, providers, budget, accounts) for one in due))
    return len(due)


async def _ask(
    due: DueReversal, reversals: Reversals, providers: Providers, budget: Budget, accounts: Accounts
) -> None:
    provider = providers.get(due.account)
    log = _log.bind(provider=due.account, operator_reference=due.number)
    if provider is None or not isinstance(provider, ReversalTeller):
        await reversals.answered(due, "not asked")
        return
    await budget.wait_turn(due.account, rate_of(due.account, provider, accounts))
    found = await measured(accounts, due.account, CallKind.STATUS, provider.reversal(due.number))
    log.info("reversal_asked", report=type(found).__name__, tries=due.tries)
    if isinstance(found, Unavailable):
        await reversals.ask_again(due, min(_AGAIN_SECONDS_MAX, _AGAIN_SECONDS * 2 ** min(due.tries - 1, 16)))
    elif isinstance(found, NotFound):
        log.error("reversal_unknown_to_its_operator")
        await reversals.not_there(due, min(provider.capabilities("").currencies))
    elif found.report is None:
        await reversals.answered(due, "no money")
    else:
        report = replace(found.report, at=due.now)
        code = provider_of(due.account)
        payments = await reversals.record([ObservedReversal(code, report, found.reference, found.number)])
        await reversals.answered(due, "known" if payments else "unknown payment")


async def sweep_reversals(*, reversals: Reversals, providers: Providers) -> None:
    """Read the lists of every operator that takes money back, from where the last sweep began."""
    for account, provider in providers.items():
        if isinstance(provider, ReversalTeller):
            await _sweep(account, provider, reversals)


async def _sweep(account: str, provider: ReversalTeller, reversals: Reversals) -> None:
    async with reversals.sweeping(account, SWEEP_SECONDS) as sweep:
        if sweep is None:
            return
        since = sweep.until - FIRST_LOOK if sweep.since is None else sweep.since - OVERLAP
        listed = await provider.reversals_since(since)
        if isinstance(listed, Unavailable):
            _log.warning("reversals_not_listed", provider=account, error=listed.error)
            return
        await reversals.name([NamedReversal(account, one.number, one.at) for one in listed])
        sweep.done = True
        _log.info("reversals_listed", provider=account, listed=len(listed))
