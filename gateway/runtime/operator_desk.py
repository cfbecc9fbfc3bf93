"""Everybody who calls operators, put together once for a process: one watch, one pace, one rate for all of them."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from gateway.orders.routing import Kind
from gateway.runtime.adapters import Account, counted_on, rails_of
from gateway.runtime.drains import Step
from gateway.runtime.links import TEMPORARY, Links
from gateway.runtime.settings import Settings
from gateway.storage.set_aside import passes
from gateway.storage.shared_pace import SharedPaces
from gateway.storage.shared_rate import SharedRate
from gateway.storage.work import Work
from payments.accounts.health import AccountHealth
from payments.accounts.watch import AccountWatch
from payments.collection.collect import Collector
from payments.collection.count_on_callback import AskedLater, CountingOnCallbacks
from payments.collection.provisional_store import ProvisionalPayments
from payments.collection.store import Payments
from payments.collection.verify import Verifier, judge_callbacks
from payments.disbursement.disputes.ask import ask_reversals, sweep_reversals
from payments.disbursement.disputes.reversals import PostgresReversals
from payments.disbursement.payouts.pay_out import pay_out
from payments.disbursement.payouts.store import PostgresPayouts
from payments.disbursement.refunds.refund import refund_payments
from payments.disbursement.refunds.store import PostgresRefunds
from payments.provider import PaymentProvider
from payments.rescue.attempts import Attempts
from payments.rescue.rescue import Rescuer
from payments.settlement.settle import Show


@dataclass(frozen=True)
class OperatorDesk:
    """Accounts at operators, and who calls them. `counting`: None where no account is counted on callbacks."""

    accounts: Mapping[str, Account]
    providers: Mapping[str, PaymentProvider]
    payments: Payments
    watch: AccountWatch
    budget: SharedRate
    collector: Collector
    verifier: Verifier
    counting: CountingOnCallbacks | None
    reversals: PostgresReversals

    def steps(self, settings: Settings, links: Links) -> dict[Work, Step]:
        """What is done about payments, refunds and payouts."""
        where = (links.engine, links.vault, settings.base_url)
        refunds, payouts = PostgresRefunds(*where), PostgresPayouts(*where)
        providers, budget, watch = self.providers, self.budget, self.watch
        return {
            Work.COLLECT: self.collector.step,
            Work.CALLBACKS: partial(
                judge_callbacks, payments=self.payments, providers=providers, counting=self.counting, passes=passes
            ),
            Work.VERIFY: self.verifier.step,
            Work.REVERSALS: partial(
                ask_reversals, reversals=self.reversals, providers=providers, budget=budget, accounts=watch
            ),
            Work.REFUND: partial(refund_payments, refunds=refunds, providers=providers, budget=budget, accounts=watch),
            Work.PAYOUTS: partial(pay_out, payouts=payouts, providers=providers, budget=budget, accounts=watch),
        }

    async def sweep_reversals(self) -> None:
        """Read what operators list of money that they took back."""
        await sweep_reversals(reversals=self.reversals, providers=self.providers)

    def rescuer(self, links: Links) -> Rescuer:
        """Who looks for the money of one voter."""
        attempts = Attempts(links.engine, links.vault)
        return Rescuer(attempts, self.payments, self.providers, self.budget, links.doorbell, self.watch)

    def close_with(self, closing: AsyncExitStack) -> None:
        """Have it closed when this is: who calls before what they call through."""
        for provider in self.providers.values():
            closing.push_async_callback(provider.aclose)
        closing.push_async_callback(self.verifier.aclose)
        closing.push_async_callback(self.collector.aclose)


def open_desk(settings: Settings, links: Links, accounts: Mapping[str, Account], show: Show) -> OperatorDesk:
    """A desk for these accounts. `show`: shows what was counted."""
    providers = {key: account.provider for key, account in accounts.items()}
    rails, paces = rails_of(accounts), SharedPaces(links.rates)
    prompting = frozenset(rail.account for rail in rails.every if Kind.PUSH in rail.kinds)
    payments = Payments(links.engine, links.vault, settings.base_url, prompting, settings.prompt_limits)
    health = AccountHealth(links.engine)
    watch = AccountWatch(health, providers, rails, temporary=TEMPORARY, slow=paces.slow)
    budget = SharedRate(links.rates, "status", evenly=True, answered=True, paces=paces)
    provisional = ProvisionalPayments(links.engine, links.vault, settings.base_url)
    return OperatorDesk(
        accounts=accounts,
        providers=providers,
        payments=payments,
        watch=watch,
        budget=budget,
        collector=Collector(
            payments,
            providers,
            prompts=SharedRate(links.rates, "prompts", evenly=True, paces=paces),
            per_second={key: rate for key, account in accounts.items() if (rate := account.said.prompts_per_second)},
            questions=budget,
            accounts=watch,
        ),
        verifier=Verifier(payments, providers, budget, watch, AskedLater(provisional, payments, show)),
        counting=_counting(settings, provisional, providers),
        reversals=PostgresReversals(links.engine, links.auto),
    )


def _counting(
    settings: Settings, store: ProvisionalPayments, providers: Mapping[str, PaymentProvider]
) -> CountingOnCallbacks | None:
    """Who counts on callbacks; None where no account is counted on, as everywhere unless it is set."""
    policies = counted_on(settings)
    rates = {account: providers[account].capabilities("").status_per_second for account in policies}
    return CountingOnCallbacks(store, policies, rates) if policies else None
