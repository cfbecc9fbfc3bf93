"""Sends refunds and payouts, and asks about them until the answer is final.

Calls are measured and within rates. An account is watched apart from where it collects (`routing.out_of`). While its
circuit is open nothing is sent and questions go on at a trickle; what waits uses up none of its tries.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final, cast

import structlog

from gateway.orders.routing import out_of
from payments.accounts.calls import TRICKLE, UNWATCHED, Accounts, Budget, CallKind, in_turn, measured
from payments.disbursement.answers import (
    BALANCE_TOO_LOW,
    NO_REFUNDS,
    Observation,
    Outgoing,
    given_up,
    of_report,
    of_send,
    past_us,
    put_off,
    waits,
)
from payments.disbursement.rules import OutgoingState, Step
from payments.disbursement.store import OutgoingStore
from payments.provider import (
    Balance,
    BalanceTeller,
    Disburser,
    DisburseResult,
    Failed,
    NotFound,
    PayerReason,
    PaymentProvider,
    Rejected,
    StatusReport,
    Wallet,
)

BATCH: Final = 64
# Until what waits for an open circuit is looked at again. It may be open for two minutes.
CIRCUIT_OPEN_SECONDS: Final = 60.0
# Until what exceeds the account's pace is looked at again: it doubles every few seconds once the circuit closes.
CROWDED_SECONDS: Final = 5.0
# Questions of one round while the circuit is open; the others wait, and delay no other account.
QUESTIONS_A_ROUND: Final = 5 * TRICKLE
_NOT_CONFIGURED_SECONDS: Final = 600.0
_log = structlog.get_logger(__name__)

Providers = Mapping[str, PaymentProvider]


async def send_and_ask(
    store: OutgoingStore, *, providers: Providers, budget: Budget, accounts: Accounts = UNWATCHED
) -> int:
    """Send what is due and ask about what was sent, once; how many were looked at.

    What an operator does not refund waits for a person. Where an account tells its balance, no more refunds are sent
    than it holds.
    """
    return await _Round(store, providers, budget, accounts).run()


class _Round:
    def __init__(self, store: OutgoingStore, providers: Providers, budget: Budget, accounts: Accounts) -> None:
        self._store = store
        self._providers = providers
        self._budget = budget
        self._accounts = accounts
        self._sending: Counter[str] = Counter()
        self._asking: Counter[str] = Counter()

    async def run(self) -> int:
        claimed = await self._store.claim(BATCH)
        due: dict[tuple[str, str, str], list[Outgoing]] = defaultdict(list)
        calls = []
        for out in claimed:
            provider = self._providers.get(out.provider)
            sent = out.state is OutgoingState.SENT
            if provider is None or (not _able(out, provider) and (sent or not out.is_refund)):
                calls.append(self._without_account(out))
            elif not _able(out, provider):
                calls.append(self._observe(out, given_up(out, NO_REFUNDS, "the operator refunds nothing by itself")))
            elif wait := self._wait_to_ask(out) if sent else self._wait_to_send(out):
                calls.append(self._wait(out, wait * (1 + 0.2 * _jitter())))
            elif sent:
                calls.append(self._ask(out, provider))
            else:
                due[out.provider, out.disbursement.country, out.disbursement.amount.currency].append(out)
        sends = (self._send_all(self._providers[key[0]], members) for key, members in due.items())
        await asyncio.gather(*calls, *sends)
        return len(claimed)

    async def _without_account(self, out: Outgoing) -> None:
        """Its account was taken out of service: it keeps its place until that is back."""
        _bound(out).error("provider_not_configured")
        await self._wait(out, _NOT_CONFIGURED_SECONDS)

    async def _wait(self, out: Outgoing, seconds: float) -> None:
        await self._store.observe(waits(out, out.now + timedelta(seconds=seconds)))

    def _wait_to_send(self, out: Outgoing) -> float | None:
        """Seconds until this may be sent; None: now, and it is counted."""
        watched = out_of(out.provider)
        if watched in self._accounts.rails.circuit_open:
            return CIRCUIT_OPEN_SECONDS
        if self._sending[watched] >= self._accounts.at_once(watched, BATCH):
            return CROWDED_SECONDS
        if not self._accounts.may_ask(watched, again=out.send_tries > 0):
            return CROWDED_SECONDS
        self._sending[watched] += 1
        return None

    def _wait_to_ask(self, out: Outgoing) -> float | None:
        """Seconds until this may be asked about; None: now."""
        watched = out_of(out.provider)
        self._asking[watched] += 1
        if watched in self._accounts.rails.circuit_open and self._asking[watched] > QUESTIONS_A_ROUND:
            return CIRCUIT_OPEN_SECONDS
        return None

    async def _send_all(self, provider: PaymentProvider, due: Sequence[Outgoing]) -> None:
        """Those of one account, country and currency."""
        affordable = [_on_platform(out, provider) for out in await self._affordable(provider, due)]
        going = await self._store.begin_sending(affordable)
        await asyncio.gather(*(self._send(out, provider) for out in affordable if out.reference in going))

    async def _affordable(self, provider: PaymentProvider, due: Sequence[Outgoing]) -> Sequence[Outgoing]:
        """Refunds that the account has money for, oldest debt first; the others wait and an alarm is logged."""
        asked = due[0].disbursement
        can = provider.capabilities(asked.country)
        if not can.has_balance or not due[0].is_refund:
            return due
        wallet = Wallet.DISBURSEMENT if can.pays_from_float else Wallet.COLLECTION
        balance = partial(cast("BalanceTeller", provider).balance, wallet, asked.amount.currency, asked.country)
        held = await in_turn(self._budget, due[0].provider, can.status_per_second, balance)
        if not isinstance(held, Balance):
            # Not knowing is no reason to keep a payer's money: the operator refuses what it cannot pay.
            return due
        left, going = held.available.amount_minor, []
        for out in sorted(due, key=lambda one: one.owed_since):
            if out.disbursement.amount.amount_minor <= left:
                left -= out.disbursement.amount.amount_minor
                going.append(out)
                continue
            await self._store.observe(replace(put_off(out, BALANCE_TOO_LOW, _jitter(), poor=True), step=None))
            _bound(out).error("balance_too_low", wallet=wallet.value, available=held.available.plain())
        return going

    async def _send(self, out: Outgoing, provider: PaymentProvider) -> None:
        answer = await self._call(out, provider)
        if not isinstance(answer, DisburseResult):
            observed = of_report(out, answer, _jitter(), from_float=_pays_from_float(out, provider))
        elif isinstance(answer, Rejected) and answer.refunded:
            observed = await self._refunded_past_us(out, answer)
        else:
            if isinstance(answer, Rejected) and answer.reason is PayerReason.NO_FUNDS:
                _bound(out).error("balance_too_low", code=answer.code)
            observed = of_send(out, answer, _jitter())
        await self._observe(out, observed)

    async def _call(self, out: Outgoing, provider: PaymentProvider) -> DisburseResult | StatusReport:
        """Ask the operator to pay. A refusal that is only to be believed when the operator does not know the
        reference is asked about: then it is that answer, unless it does not."""
        call = cast("Disburser", provider).disburse(out.disbursement)
        result = await measured(self._accounts, out_of(out.provider), CallKind.DISBURSEMENT, call)
        log = _bound(out)
        log.info("disbursement_asked", result=type(result).__name__, tries=out.send_tries + 1)
        if getattr(result, "alarm", False):
            log.error("provider_refuses_us", result=repr(result))
        if isinstance(result, Rejected) and result.ask_first:
            report = await self._query(out, provider)
            if not isinstance(report, NotFound):
                return report
        return result

    async def _query(self, out: Outgoing, provider: PaymentProvider) -> StatusReport:
        """Ask for the status, when it is our turn."""
        watched, can = out_of(out.provider), provider.capabilities(out.disbursement.country)
        circuit_open = watched in self._accounts.rails.circuit_open

        async def query() -> StatusReport:
            question = cast("Disburser", provider).query_disbursement(out.disbursement)
            return await measured(self._accounts, watched, CallKind.STATUS, question)

        return await in_turn(self._budget, out.provider, TRICKLE if circuit_open else can.status_per_second, query)

    async def _refunded_past_us(self, out: Outgoing, answer: Rejected) -> Observation:
        """Keep what the operator refunded. All of it stops this refund, and the observation returned does nothing."""
        _bound(out).error("refunded_past_us", code=answer.code, parts=len(answer.refunded))
        later, person = past_us(out, answer, _jitter())
        await self._store.record_reversals(out, answer.refunded)
        if later is not None:
            await self._store.observe(later)
            await self._store.record_reversals(out, answer.refunded)
        return person

    async def _ask(self, out: Outgoing, provider: PaymentProvider) -> None:
        report = await self._query(_on_platform(out, provider), provider)
        _bound(out).info("disbursement_status", report=type(report).__name__, checks=out.checks)
        if isinstance(report, Failed) and report.alarm:
            _bound(out).error("provider_refuses_us", code=report.code)
        await self._observe(out, of_report(out, report, _jitter(), from_float=_pays_from_float(out, provider)))

    async def _observe(self, out: Outgoing, observed: Observation) -> None:
        moved = await self._store.observe(observed)
        log, purpose = _bound(out), out.disbursement.purpose.value
        if observed.step is Step.GIVEN_UP and moved:
            log.error(f"{purpose}_waits_for_a_person", reason=observed.reason_code)
        elif observed.step is Step.FAILED and moved and not out.is_refund:
            log.error("payout_failed", reason=observed.reason_code)
        elif observed.step is Step.SUCCEEDED and moved:
            log.info(f"{purpose}_done")
        elif observed.step is Step.SUCCEEDED:
            # Done before, most likely; were it void, the payer would be paid twice.
            log.warning(f"{purpose}_success_changes_nothing")


def _able(out: Outgoing, provider: PaymentProvider) -> bool:
    can = provider.capabilities(out.disbursement.country)
    return can.can_refund if out.is_refund else can.can_pay_out


def _on_platform(out: Outgoing, provider: PaymentProvider) -> Outgoing:
    """The same, asked of the platform that has it, or else of the one that is in use."""
    base_url = out.disbursement.base_url or provider.base_url
    return replace(out, disbursement=replace(out.disbursement, base_url=base_url))


def _pays_from_float(out: Outgoing, provider: PaymentProvider) -> bool:
    """Whether it leaves a wallet of its own."""
    return provider.capabilities(out.disbursement.country).pays_from_float


def _jitter() -> float:
    return random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing


def _bound(out: Outgoing) -> structlog.typing.FilteringBoundLogger:
    named = {out.disbursement.purpose.value: str(out.reference), "provider": out.provider}
    if out.is_refund:
        named |= {"payment": str(out.payment_reference), "vote": str(out.vote_id)}
    log: structlog.typing.FilteringBoundLogger = _log.bind(**named)
    return log
