"""Sending money out and asking about it: measured, within rates, and not through an account that fails.

Where money leaves an account it is watched apart from where it collects (`routing.out_of`). While that is closed
nothing is sent and questions go on at a trickle; whoever waits has burnt no try.
"""

from collections import Counter
from dataclasses import replace
from typing import Final, TypeVar, cast

import structlog

from gateway.orders.routing import out_of
from payments.accounts.calls import TRICKLE, Accounts, Budget, CallKind, in_turn, measured
from payments.disbursement.outgoing import Outgoing
from payments.provider import Disburser, DisburseResult, NotFound, PaymentProvider, Rejected, StatusReport

# Until what waits for a closed account is looked at again. It may be closed for two minutes.
CLOSED_SECONDS: Final = 60.0
# Until what found no room looks again: an account that opened doubles its room every few seconds.
CROWDED_SECONDS: Final = 5.0
# Questions of one round at a closed account; the others wait, and keep nobody else waiting.
QUESTIONS_A_ROUND: Final = 5 * TRICKLE
T = TypeVar("T", bound=Outgoing)


class OutgoingCalls:
    """Calls of one round. `sends`: how many an account may make in it at most."""

    def __init__(self, budget: Budget, accounts: Accounts, sends: int) -> None:
        self._budget = budget
        self._accounts = accounts
        self._sends = sends
        self._sending: Counter[str] = Counter()
        self._asking: Counter[str] = Counter()

    def wait_to_send(self, out: Outgoing) -> float | None:
        """Seconds until this may be sent; None: now, and it has its place."""
        watched = out_of(out.provider)
        if watched in self._accounts.rails.circuit_open:
            return CLOSED_SECONDS
        if self._sending[watched] >= self._accounts.at_once(watched, self._sends):
            return CROWDED_SECONDS
        if not self._accounts.may_ask(watched, again=out.send_tries > 0):
            return CROWDED_SECONDS
        self._sending[watched] += 1
        return None

    def wait_to_ask(self, out: Outgoing) -> float | None:
        """Seconds until this may be asked about; None: now."""
        watched = out_of(out.provider)
        self._asking[watched] += 1
        if watched in self._accounts.rails.circuit_open and self._asking[watched] > QUESTIONS_A_ROUND:
            return CLOSED_SECONDS
        return None

    async def send(
        self, out: Outgoing, provider: PaymentProvider, log: structlog.typing.FilteringBoundLogger
    ) -> DisburseResult | StatusReport:
        """Ask the operator to pay. A refusal that is only to be believed when the operator does not know the
        reference is asked about: then it is that answer, unless it does not."""
        call = cast("Disburser", provider).disburse(on_platform(out, provider).disbursement)
        result = await measured(self._accounts, out_of(out.provider), CallKind.DISBURSEMENT, call)
        log.info("disbursement_asked", result=type(result).__name__, tries=out.send_tries + 1)
        if getattr(result, "alarm", False):
            log.error("provider_refuses_us", result=repr(result))
        if isinstance(result, Rejected) and result.ask_first:
            report = await self.ask(out, provider)
            if not isinstance(report, NotFound):
                return report
        return result

    async def ask(self, out: Outgoing, provider: PaymentProvider) -> StatusReport:
        """Ask what became of it, when it is our turn."""
        watched, can = out_of(out.provider), provider.capabilities(out.disbursement.country)
        closed = watched in self._accounts.rails.circuit_open

        async def query() -> StatusReport:
            question = cast("Disburser", provider).query_disbursement(on_platform(out, provider).disbursement)
            return await measured(self._accounts, watched, CallKind.STATUS, question)

        return await in_turn(self._budget, out.provider, TRICKLE if closed else can.status_per_second, query)


def on_platform(out: T, provider: PaymentProvider) -> T:
    """The same, asked of the platform that has it, or else of the one that is in use."""
    base_url = out.disbursement.base_url or provider.base_url
    return replace(out, disbursement=replace(out.disbursement, base_url=base_url))


def pays_from_float(out: Outgoing, provider: PaymentProvider) -> bool:
    """Whether it leaves a wallet of its own."""
    return provider.capabilities(out.disbursement.country).pays_from_float
