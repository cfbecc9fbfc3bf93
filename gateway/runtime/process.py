"""What the gateway and a worker are made of."""

import gc
import os
import socket
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.carrier import MessageSender
from channels.messages.inbox import Inbox
from channels.messages.languages import Languages
from channels.messages.outbox import Outbox
from channels.messages.send import Sending
from channels.messages.unfinished import UnfinishedDialogues
from channels.sms.carrier import SmsCarrier
from channels.sms.inbound import answer_texts
from channels.sms.texts import render
from channels.telegram.channel import TelegramChannel
from channels.telegram.settings import TelegramSettings
from channels.telegram.store import TelegramStore
from channels.telegram.texts import write as write_in_chat
from gateway.contests.directory import ContestDirectory
from gateway.orders.routing import Kind
from gateway.orders.store import Orders
from gateway.runtime.accounts import (
    build_carriers,
    counted_on,
    rails_of,
    read_given,
    text_routes,
)
from gateway.runtime.connections import TEMPORARY, utc_now
from gateway.runtime.container import REPORT_TIMEOUT_MS, Container, open_command
from gateway.runtime.owed_work import Chore, Drains, OwedWork, Step, keep_beating, keep_sweeping
from gateway.runtime.settings import Settings, adapter_settings
from gateway.runtime.voting_service import LiveVotingService
from gateway.storage.doorbell import Work
from gateway.storage.purging import DailyPurge
from gateway.storage.sessions import RedisSessions, SessionSeal
from gateway.storage.set_aside import passes
from gateway.storage.shared_pace import SharedPaces
from gateway.storage.shared_rate import SharedRate
from gateway.storage.spool import Spool
from gateway.storage.upkeep import Daily, make_partitions
from leaderboard.rankings import Rankings
from leaderboard.scores import heal_scores
from payments.accounts.health import AccountHealth
from payments.accounts.watch import AccountWatch
from payments.collection.admit_callbacks import CallbackAdmission
from payments.collection.callback_queue import CallbackQueue
from payments.collection.callbacks import Callbacks
from payments.collection.collect import Collector
from payments.collection.count_on_callback import AskedLater, CountingOnCallbacks
from payments.collection.judge_callbacks import CallbackJudge
from payments.collection.order_views import OrderViews
from payments.collection.provisional_store import ProvisionalPayments
from payments.collection.store import Payments
from payments.collection.verify import Verifier
from payments.disbursement.disputes.ask import ask_reversals, sweep_reversals
from payments.disbursement.disputes.reversals import Reversals
from payments.disbursement.disputes.store import act_on_lost
from payments.disbursement.payouts.store import Payouts
from payments.disbursement.refunds.store import Refunds
from payments.disbursement.send import send_and_ask
from payments.reconciliation import reconcile
from payments.reconciliation.balances import Balances
from payments.rescue.attempts import Attempts
from payments.rescue.rescue import Rescuer
from payments.settlement.settle import Settlement, settle_payments

# For pages of staff that read whole tables.
PAGE_TIMEOUT_MS: Final = 60_000


class ProcessContainer(Container):
    """What the gateway and a worker share: selling, calling operators, texts, owed work.

    Work is put together at once: a wrong setting stops the start. The database need not answer yet.
    """

    role = ""
    does_work = False
    pool_size = 8
    pre_ping = False

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, name=process_name(self.role), pool_size=self.pool_size)
        self.drains: Final = Drains(self._steps(), self.doorbell, temporary=TEMPORARY)

    # Calls to operators: one watch, one pace and one rate for all of them.

    @cached_property
    def watch(self) -> AccountWatch:
        """Which accounts answer."""
        rails, health = rails_of(self.accounts), AccountHealth(self.engine)
        return AccountWatch(health, self.providers, rails, temporary=TEMPORARY, slow=self._paces.slow)

    @cached_property
    def _paces(self) -> SharedPaces:
        return SharedPaces(self.quick_redis)

    @cached_property
    def _budget(self) -> SharedRate:
        """Questions that operators may be asked."""
        return SharedRate(self.quick_redis, "status", evenly=True, answered=True, paces=self._paces)

    @cached_property
    def payments(self) -> Payments:
        """Payments to collect and to verify."""
        prompting = frozenset(rail.account for rail in self.watch.rails.every if Kind.PUSH in rail.kinds)
        return Payments(self.engine, self.vault, self.settings.base_url, prompting, self.settings.prompt_limits)

    @cached_property
    def collector(self) -> Collector:
        """Asks operators to collect."""
        per_second = {
            key: rate for key, account in self.accounts.items() if (rate := account.settings.prompts_per_second)
        }
        collector = Collector(
            self.payments,
            self.providers,
            prompts=SharedRate(self.quick_redis, "prompts", evenly=True, paces=self._paces),
            per_second={key: rate for key, rate in per_second.items() if rate},
            questions=self._budget,
            accounts=self.watch,
        )
        self.close_later(collector.aclose)
        return collector

    @cached_property
    def _provisional(self) -> ProvisionalPayments:
        return ProvisionalPayments(self.engine, self.vault, self.settings.base_url)

    @cached_property
    def verifier(self) -> Verifier:
        """Asks operators what became of payments."""
        later = AskedLater(self._provisional, self.payments, self.show)
        verifier = Verifier(self.payments, self.providers, self._budget, self.watch, later)
        self.close_later(verifier.aclose)
        return verifier

    @cached_property
    def counting(self) -> CountingOnCallbacks | None:
        """Counts on callbacks; None where no account is counted on, as everywhere unless it is set. SettingsError."""
        policies = counted_on(self.settings)
        rates = {account: self.providers[account].capabilities("").status_per_second for account in policies}
        return CountingOnCallbacks(self._provisional, policies, rates) if policies else None

    @cached_property
    def reversals(self) -> Reversals:
        """Money that operators took back."""
        return Reversals(self.engine, self.auto)

    @cached_property
    def rescuer(self) -> Rescuer:
        """Looks for the money of one voter."""
        attempts = Attempts(self.engine, self.vault)
        return Rescuer(attempts, self.payments, self.providers, self._budget, self.doorbell, self.watch)

    # Talking with voters.

    @cached_property
    def sessions(self) -> RedisSessions:
        """The state of dialogues."""
        return RedisSessions(self.pipeline, SessionSeal(self.vault))

    @cached_property
    def inbox(self) -> Inbox:
        """Texts of voters."""
        return Inbox(self.engine, self.vault)

    @cached_property
    def outbox(self) -> Outbox:
        """Texts that are owed to voters."""
        return Outbox(self.engine, self.vault, self.settings.base_url)

    @cached_property
    def unfinished(self) -> UnfinishedDialogues:
        """Dialogues that chose a candidate and bought nothing."""
        unfinished = UnfinishedDialogues(self.engine, self.vault)
        self.close_later(unfinished.aclose)
        return unfinished

    @cached_property
    def languages(self) -> Languages:
        """Languages that voters chose."""
        return Languages(self.auto, self.vault, self.sessions)

    @cached_property
    def carriers(self) -> Mapping[str, SmsCarrier]:
        """Every SMS carrier that is set up, by code. SettingsError."""
        carriers = build_carriers(self.settings.env)
        for carrier in carriers.values():
            self.close_later(carrier.aclose)
        return carriers

    @cached_property
    def telegram(self) -> TelegramChannel | None:
        """The Telegram channel; None without `TELEGRAM_TOKEN`. SettingsError."""
        given = adapter_settings("telegram")
        if not given.get("token"):
            return None
        settings = read_given("telegram", given, TelegramSettings)
        store = TelegramStore(self.auto, self.vault)
        channel = TelegramChannel(settings, store, self.sessions, self.quick_redis)
        self.close_later(channel.aclose)
        return channel

    @cached_property
    def callbacks(self) -> Callbacks:
        """Operators' callbacks."""
        spool = Spool(self.settings.data_dir / "spool", "callbacks")
        callbacks = Callbacks(self.auto, self.vault, spool, utc_now)
        self.close_later(callbacks.aclose)
        return callbacks

    @cached_property
    def admission(self) -> CallbackAdmission:
        """Which callbacks are stored."""
        return CallbackAdmission(
            self.providers, self.vault.reference_in, self.callbacks.is_open, limited=self.settings.rate_limits
        )

    @cached_property
    def rankings(self) -> Rankings:
        """Contests and their rankings."""
        return Rankings(ContestDirectory(self.engine))

    @cached_property
    def voting_service(self) -> LiveVotingService:
        """What channels use."""
        return LiveVotingService(
            rankings=self.rankings,
            accounts=self.watch,
            orders=Orders(self.auto, self.vault, self.settings.prompt_limits),
            views=OrderViews(self.engine, self.vault),
            rescuer=self.rescuer,
            inbox=self.inbox,
            outbox=self.outbox,
            languages=self.languages,
            unfinished=self.unfinished,
            doorbell=self.doorbell,
            clock=utc_now,
        )

    # Owed work.

    def _steps(self) -> dict[Work, Step]:
        providers, budget, watch = self.providers, self._budget, self.watch
        where = (self.engine, self.vault, self.settings.base_url)
        senders: dict[str, MessageSender] = {**self.carriers}
        if self.telegram is not None:
            senders[self.telegram.code] = self.telegram
        routes = text_routes(self.settings, self.carriers, self.telegram)
        sending = Sending(self.outbox, senders, routes, render, write_in_chat)
        queue = CallbackQueue(self.engine, self.vault)
        judge = CallbackJudge(queue, self.payments, providers, self.reversals.name, self.counting, passes)
        rankings = partial(self.rankings.refresh, self.scores)
        answering = partial(answer_texts, self.inbox, self.voting_service, rankings)
        settlement, refunds, payouts = Settlement(self.engine), Refunds(*where), Payouts(*where)
        return {
            Work.COLLECT: self.collector.step,
            Work.CALLBACKS: judge.step,
            Work.VERIFY: self.verifier.step,
            Work.REVERSALS: partial(
                ask_reversals, reversals=self.reversals, providers=providers, budget=budget, accounts=watch
            ),
            Work.REFUND: partial(send_and_ask, refunds, providers=providers, budget=budget, accounts=watch),
            Work.PAYOUTS: partial(send_and_ask, payouts, providers=providers, budget=budget, accounts=watch),
            Work.SETTLE: partial(settle_payments, settlement=settlement, show=self.show),
            Work.TEXTS_IN: answering,
            Work.TEXTS_OUT: sending.send_due,
            Work.REMINDERS: self.unfinished.remind,
            Work.STAFF_ACTS: self.acts.run_approved,
        }

    @cached_property
    def owed(self) -> OwedWork:
        """What is owed."""
        return OwedWork(self.auto)

    @cached_property
    def _purge(self) -> DailyPurge:
        purge = DailyPurge(self.settings.database_url, self.auto, self.settings.kept)
        self.close_later(purge.aclose)
        return purge

    def chores(self) -> dict[str, Chore]:
        """What this process does from time to time, with the seconds between."""
        return {
            "scores": (5.0, partial(heal_scores, scores=self.scores, feed=self.feed)),
            "partitions": (3600.0, partial(make_partitions, self.auto)),
            "purge": (600.0, self._purge.start),
            "languages": (5.0, self.languages.copy),
        }

    async def keep_sweeping(self) -> None:
        """Find owed work and do the chores, until cancelled."""
        await keep_sweeping(
            owed=self.owed,
            drains=self.drains,
            doorbell=self.doorbell,
            does_work=self.does_work,
            chores=self.chores(),
            temporary=TEMPORARY,
        )

    async def begin(self) -> None:
        """Wait for the database, and check that it was written with our keys. Raises SettingsError."""
        await self.rankings.directory.refresh_until_there()
        await self.refuse_other_database()


class GatewayContainer(ProcessContainer):
    """The gateway: rings for owed work, and does it only while no worker works."""

    role = "gateway"
    pool_size = 12

    @cached_property
    def back_office(self) -> Container:
        """What staff use, on connections of its own: its reports may take a minute, and voters do not wait for them."""
        office = Container(
            self.settings, name=process_name("back office"), pool_size=4, statement_timeout_ms=PAGE_TIMEOUT_MS
        )
        office.accounts, office.vault, office.doorbell, office.show = (
            self.accounts,
            self.vault,
            self.doorbell,
            self.show,
        )
        self.close_later(office.aclose)
        return office


class WorkerContainer(ProcessContainer):
    """A worker: does all owed work, and the chores that call operators."""

    role = "worker"
    does_work = True

    @cached_property
    def daily(self) -> "DailyReconciliation":
        """The daily reconciliation."""
        daily = DailyReconciliation(self.settings, self.engine)
        self.close_later(daily.aclose)
        return daily

    def chores(self) -> dict[str, Chore]:
        """Those of every process, and those of workers."""
        reversals = partial(sweep_reversals, reversals=self.reversals, providers=self.providers)
        return {
            **super().chores(),
            "reconciliation": (900.0, self.daily.start),
            "disputes": (60.0, partial(act_on_lost, self.engine)),
            "reversals": (60.0, reversals),
        }

    async def keep_beating(self) -> None:
        """Record that this worker works, until cancelled."""
        await keep_beating(self.owed, self.drains, f"{socket.gethostname()} {self._name}", temporary=TEMPORARY)


class DailyReconciliation(Daily):
    """Once a day, what is open on statements and every balance."""

    name = "daily_reconciliation"

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._balances = Balances(engine)

    async def is_due(self) -> bool:
        """Whether no process compared lately."""
        return not await self._balances.checked_lately(reconcile.DAILY_HOURS)

    async def run(self) -> None:
        """Compare."""
        async with open_command(self._settings, statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
            await container.reconciler.daily()


def process_name(role: str) -> str:
    """The name of a process in PostgreSQL and in its log."""
    return f"spotlight {role} {os.getpid()}"


def freeze_garbage() -> None:
    """Keep the garbage collector from looking at what was built by now again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
