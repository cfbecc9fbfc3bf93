"""What the gateway and a worker are made of."""

import gc
import os
import socket
from collections.abc import Awaitable, Callable
from functools import cache, cached_property, partial
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.alerts.send import Senders
from admin.exports.make import Maker
from admin.mail.send import Mailing
from admin.mail.words import write
from channels.messages.carrier import MessageSender
from channels.messages.dialogue_steps import DialogueSteps
from channels.messages.inbox import Inbox
from channels.messages.languages import Languages
from channels.messages.send import Sending
from channels.messages.unfinished import UnfinishedDialogues
from channels.sms.inbound import answer_texts
from channels.sms.texts import render
from channels.telegram.channel import TelegramChannel
from channels.telegram.settings import TelegramSettings
from channels.telegram.store import TelegramStore
from channels.telegram.texts import write as write_in_chat
from gateway.contests.directory import ContestDirectory
from gateway.http.pages import Pages
from gateway.http.webhooks import WebhookSender
from gateway.orders.routing import Kind
from gateway.orders.store import Orders
from gateway.runtime.accounts import build_carriers, counted_on, rails_of, read_given, text_routes
from gateway.runtime.connections import TEMPORARY, committing_each, utc_now
from gateway.runtime.container import REPORT_TIMEOUT_MS, Container, made, open_command
from gateway.runtime.owed_work import Chore, Drains, OwedWork, Step, keep_beating, keep_sweeping
from gateway.runtime.settings import Settings, SettingsError, adapter_settings
from gateway.runtime.voting_service import LiveVotingService
from gateway.storage.doorbell import Work
from gateway.storage.purging import DailyPurge
from gateway.storage.sessions import RedisSessions, SessionSeal
from gateway.storage.shared_pace import SharedPaces
from gateway.storage.shared_rate import SharedRate
from gateway.storage.spool import Spool
from gateway.storage.upkeep import Daily, make_partitions
from leaderboard.confirming import Confirming
from leaderboard.log.build import LogBuilder
from leaderboard.log.inclusion import Inclusions
from leaderboard.log.keys import LogKeys
from leaderboard.scores import Rankings, heal_scores
from leaderboard.witness.ask import Cosigning
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
from payments.rollups.store import Rollups
from payments.settlement.settle import Settlement, settle_payments

# For pages of staff that read whole tables.
PAGE_TIMEOUT_MS: Final = 60_000
# How long the public logs wait for what is being counted.
LOG_WAIT_SECONDS: Final = 3.0
# How long sums wait for what is being counted.
SUMS_WAIT_SECONDS: Final = 5.0


class ProcessContainer(Container):
    """What the gateway and a worker share: selling, calling operators, texts, owed work.

    It is put together at once: a wrong setting stops the start. SettingsError. The database need not answer yet.
    """

    role = ""
    does_work = False
    pool_size = 6
    pre_ping = False
    # Half of PostgreSQL's time for a vote was planning: payments have many indexes and partitions.
    keep_plans = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, name=process_name(self.role), pool_size=self.pool_size)
        self._call_operators()
        self._talk_with_voters()
        self.owed: Final = OwedWork(committing_each(self.apart()))
        self._purge: Final = self._closed_later(DailyPurge(settings.database_url, self.auto, settings.kept))
        self.drains: Final = Drains(self._steps(), self.doorbell, temporary=TEMPORARY)

    def _call_operators(self) -> None:
        """One watch, one pace and one rate for all calls."""
        settings, rails = self.settings, rails_of(self.accounts)
        paces = SharedPaces(self.quick_redis)
        self.watch = AccountWatch(AccountHealth(self.engine), self.providers, rails, slow=paces.slow)
        # Questions that operators may be asked.
        self._budget = SharedRate(self.quick_redis, "status", evenly=True, answered=True, paces=paces)
        prompting = frozenset(rail.account for rail in rails.every if Kind.PUSH in rail.kinds)
        self.payments = Payments(self.engine, self.vault, settings.base_url, prompting, settings.prompt_limits)
        self.collector = self._closed_later(
            Collector(
                self.payments,
                self.providers,
                prompts=SharedRate(self.quick_redis, "prompts", evenly=True, paces=paces),
                per_second={
                    key: rate for key, account in self.accounts.items() if (rate := account.settings.prompts_per_second)
                },
                questions=self._budget,
                accounts=self.watch,
            )
        )
        provisional = ProvisionalPayments(self.engine, self.vault, settings.base_url)
        later = AskedLater(provisional, self.payments, self.show)
        self.verifier = self._closed_later(Verifier(self.payments, self.providers, self._budget, self.watch, later))
        policies = counted_on(settings)
        rates = {account: self.status_rates[account] for account in policies}
        # None where no account is counted on, as everywhere unless it is set.
        self.counting = CountingOnCallbacks(provisional, policies, rates) if policies else None
        self.reversals = Reversals(self.engine, self.auto)
        attempts = Attempts(self.engine, self.vault)
        self.rescuer = Rescuer(attempts, self.payments, self.providers, self._budget, self.doorbell, self.watch)
        spool = Spool(settings.data_dir / "spool", "callbacks")
        self.callbacks = self._closed_later(Callbacks(self.auto, self.vault, spool, utc_now))
        self.admission = CallbackAdmission(
            self.providers, self.vault.reference_in, self.callbacks.is_open, limited=settings.rate_limits
        )

    def _talk_with_voters(self) -> None:
        self.sessions = RedisSessions(self.pipeline, SessionSeal(self.vault))
        self.inbox = Inbox(self.engine, self.vault)
        self.unfinished = self._closed_later(UnfinishedDialogues(self.engine, self.vault))
        self.languages = Languages(self.auto, self.vault, self.sessions)
        self.carriers = build_carriers(self.settings.env)
        for carrier in self.carriers.values():
            self._closed_later(carrier)
        self.telegram = self._telegram()
        address = self.telegram.address if self.telegram else str
        self.senders = Senders(WebhookSender(local=self.settings.local_webhooks), self.telegram, address)
        self.rankings = Rankings(ContestDirectory(self.engine), utc_now)
        self.voting_service = LiveVotingService(
            rankings=self.rankings,
            accounts=self.watch,
            orders=Orders(committing_each(self.apart()), self.vault, self.settings.prompt_limits, self.settings.fraud),
            views=OrderViews(self.engine, self.vault),
            inclusions=Inclusions(self.engine, self.vault),
            rescuer=self.rescuer,
            inbox=self.inbox,
            outbox=self.outbox,
            languages=self.languages,
            unfinished=self.unfinished,
            steps=self._closed_later(DialogueSteps(self.engine, utc_now)),
            doorbell=self.doorbell,
            clock=utc_now,
        )

    def _telegram(self) -> TelegramChannel | None:
        """None without `TELEGRAM_TOKEN`. SettingsError."""
        given = adapter_settings("telegram")
        if not given.get("token"):
            return None
        settings = read_given("telegram", given, TelegramSettings)
        store = TelegramStore(self.auto, self.vault)
        return self._closed_later(TelegramChannel(settings, store, self.sessions, self.quick_redis))

    def _steps(self) -> dict[Work, Step]:
        asking: dict[str, Any] = {"providers": self.providers, "budget": self._budget, "accounts": self.watch}
        where = (self.engine, self.vault, self.settings.base_url)
        senders: dict[str, MessageSender] = {**self.carriers}
        if self.telegram is not None:
            senders[self.telegram.code] = self.telegram
        routes = text_routes(self.settings, self.carriers, self.telegram)
        queue = CallbackQueue(self.engine, self.vault)
        judge = CallbackJudge(queue, self.payments, self.providers, self.reversals.name, self.counting)
        rankings = partial(self.rankings.refresh, self.scores)
        return {
            Work.COLLECT: self.collector.step,
            Work.CALLBACKS: judge.step,
            Work.VERIFY: self.verifier.step,
            Work.REVERSALS: partial(ask_reversals, reversals=self.reversals, **asking),
            Work.REFUND: partial(send_and_ask, Refunds(*where), **asking),
            Work.PAYOUTS: partial(send_and_ask, Payouts(*where), **asking),
            Work.SETTLE: partial(
                settle_payments, settlement=Settlement(self.apart(), self.settings.fraud), show=self.show
            ),
            Work.TEXTS_IN: partial(answer_texts, self.inbox, self.voting_service, rankings),
            Work.TEXTS_OUT: Sending(self.outbox, senders, routes, render, write_in_chat).send_due,
            Work.REMINDERS: self.unfinished.remind,
            Work.MAILS: Mailing(self.mails, self.settings.mail_server, write).send_due,
            Work.VIDEOS: self.videos.step,
            Work.EXPORTS: self.exporting.begin,
            Work.ALERTS: self.alerting.send_due,
            Work.STAFF_ACTS: self.acts.run_approved,
        }

    def chores(self) -> dict[str, Chore]:
        """What this process does from time to time, with the seconds between."""
        return {
            "scores": (5.0, partial(heal_scores, scores=self.scores, feed=self.feed)),
            "partitions": (3600.0, partial(make_partitions, self.auto)),
            "purge": (600.0, self._purge.start),
            "languages": (5.0, self.languages.copy),
        }

    @cached_property
    def reports(self) -> Container:
        """What reads for long, on connections of its own."""
        office = Container(
            self.settings, name=process_name("reports"), pool_size=2, statement_timeout_ms=PAGE_TIMEOUT_MS
        )
        office.vault, office.doorbell = self.vault, self.doorbell
        return self._closed_later(office)

    @property
    def audits(self) -> AsyncEngine:
        """Beside other work."""
        return self.reports.engine

    @cached_property
    def exporting(self) -> "Sweep":
        """Making exports, beside other work, which does not wait for them: a long one takes minutes."""
        own = self.reports
        maker = Maker(own.exports, own.listed, own.book, own.months, pages_of_staff)
        return self._closed_later(Sweep("exports", maker.make_due))

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
    pool_size = 10

    # Votes whose operator calls them paid and has not been asked yet.
    confirming = made(lambda own: Confirming(own.engine, own.redis, own.status_rates))

    @cached_property
    def back_office(self) -> Container:
        """What staff use, on connections of its own: its reports may take a minute, and voters do not wait for them."""
        name = process_name("back office")
        office = Container(self.settings, name=name, pool_size=4, statement_timeout_ms=PAGE_TIMEOUT_MS)
        for shared in ("accounts", "vault", "doorbell", "show", "pictures", "resizer", "senders"):
            setattr(office, shared, getattr(self, shared))
        return self._closed_later(office)


class WorkerContainer(ProcessContainer):
    """A worker: does all owed work, and the chores that call operators."""

    role = "worker"
    does_work = True

    def __init__(self, settings: Settings) -> None:
        if not settings.log_keys:
            raise SettingsError("SPOTLIGHT_LOG_KEY: a worker signs the public logs with it; use 32 random characters")
        super().__init__(settings)

    @cached_property
    def daily(self) -> "DailyReconciliation":
        """The daily reconciliation."""
        return self._closed_later(DailyReconciliation(self.settings, self.engine))

    @cached_property
    def rollups(self) -> "Sweep":
        """Keeping the rollups, while nothing is counted; in a rush every few seconds."""
        rollups = Rollups(self.engine)

        async def catch_up() -> int:
            await self.drains.rest(Work.CALLBACKS, Work.SETTLE, seconds=SUMS_WAIT_SECONDS)
            return await rollups.catch_up()

        return self._closed_later(Sweep("rollups", catch_up))

    @cached_property
    def log_sweep(self) -> "Sweep":
        """Building the public logs, while nothing is counted; in a rush every few seconds."""
        settings = self.settings
        builder = LogBuilder(self.engine, self.vault, LogKeys.of(settings.base_url, settings.log_keys))

        async def build() -> int:
            await self.drains.rest(Work.CALLBACKS, Work.SETTLE, seconds=LOG_WAIT_SECONDS)
            return await builder.build()

        return self._closed_later(Sweep("log", build))

    @cached_property
    def witness_sweep(self) -> "Sweep":
        """Asking the witnesses, none of whom holds up another step."""
        cosigning = self._closed_later(Cosigning(self.engine, self.settings.witnesses))
        return self._closed_later(Sweep("witnesses", cosigning.ask))

    @cached_property
    def alert_sweep(self) -> "Sweep":
        """Summing up what alerts are about."""
        return self._closed_later(Sweep("alerts", self.alerting.sum_up))

    @cached_property
    def photo_sweep(self) -> "Sweep":
        """The search for files of photos that no row names."""
        return self._closed_later(Sweep("photo_sweep", self.photos.sweep))

    @cached_property
    def video_sweep(self) -> "Sweep":
        """The search for videos that no row names."""
        return self._closed_later(Sweep("video_sweep", self.videos.sweep))

    @cached_property
    def export_sweep(self) -> "Sweep":
        """The search for files of exports that nobody may open any more."""
        return self._closed_later(Sweep("export_sweep", self.reports.exports.clear))

    def chores(self) -> dict[str, Chore]:
        """Those of every process, and those of workers."""
        reversals = partial(sweep_reversals, reversals=self.reversals, providers=self.providers)
        return {
            **super().chores(),
            "reconciliation": (900.0, self.daily.start),
            "lost factors": (60.0, self.factor_resets.carry_out),
            "disputes": (60.0, partial(act_on_lost, self.engine)),
            "reversals": (60.0, reversals),
            "rollups": (1.0, self.rollups.start),
            "log": (1.0, self.log_sweep.start),
            **({"witnesses": (1.0, self.witness_sweep.start)} if self.settings.witnesses else {}),
            "alerts": (2.0, self.alert_sweep.start),
            "photos": (3600.0, self.photo_sweep.start),
            "videos": (86_400.0, self.video_sweep.start),
            "exports": (600.0, self.export_sweep.start),
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


class Sweep(Daily):
    """Again and again beside the sweeper, which does not wait for it, such as for a store far away."""

    def __init__(self, name: str, work: Callable[[], Awaitable[int]]) -> None:
        self.name = name
        self._work = work

    async def is_due(self) -> bool:
        """At every round."""
        return True

    async def run(self) -> None:
        """Do it once."""
        await self._work()

    async def begin(self) -> int:
        """The same as a step of owed work, which is over at once."""
        await self.start()
        return 0


@cache
def pages_of_staff() -> Pages:
    """The words of the back office."""
    pages = Pages()
    pages.add("admin")
    return pages


def process_name(role: str) -> str:
    """The name of a process in PostgreSQL and in its log."""
    return f"spotlight {role} {os.getpid()}"


def freeze_garbage() -> None:
    """Let the garbage collector begin, and keep it from ever looking at what was built by now: next to none of it is
    garbage, and to find that out takes a quarter of a second."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    gc.enable()
