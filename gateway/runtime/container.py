"""The only place that chooses: settings become adapters, adapters become use cases."""

import gc
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from redis import asyncio as redis_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.approvals.staff_acts import StaffActs
from channels.messages.carrier import MessageSender
from channels.messages.inbox import Inbox
from channels.messages.languages import Languages
from channels.messages.outbox import Outbox
from channels.messages.send import Sending
from channels.messages.unfinished import UnfinishedDialogues
from channels.sms.answering import answer_texts
from channels.sms.carrier import SmsCarrier
from channels.sms.texts import render
from channels.telegram.channel import TelegramChannel
from channels.telegram.owed import write as write_in_chat
from channels.telegram.send_budget import RedisWatchedOrders, SharedSendBudget
from channels.telegram.settings import TelegramSettings
from channels.telegram.store import PostgresTelegram
from channels.telegram.stores import Stores
from gateway.contests.directory import ContestDirectory
from gateway.http.health import Concern, Figure
from gateway.orders.store import Orders
from gateway.runtime.adapters import Account, build_accounts, build_carriers, read_given, text_routes
from gateway.runtime.drains import Drains, Step
from gateway.runtime.figure_lines import exposed
from gateway.runtime.figures import PostgresFigures
from gateway.runtime.links import TEMPORARY, Links, make_links, refuse_other_database, utc_now
from gateway.runtime.money_desk import DailyReconciliation, MoneyDesk, money_desk
from gateway.runtime.operator_desk import OperatorDesk, open_desk
from gateway.runtime.owed import PostgresOwed
from gateway.runtime.settings import Settings, adapter_settings
from gateway.runtime.staff_desk import bind_staff_acts, show_scores, staff_rights
from gateway.runtime.sweep import keep_beating, keep_sweeping
from gateway.runtime.voting_service import BoundVotingService
from gateway.storage.partitions import MONTHS_AHEAD_MIN, make_partitions, read_months_ahead
from gateway.storage.purging import DailyPurge
from gateway.storage.redis_link import RedisSessions, RedisTrips, RqDoorbell
from gateway.storage.session_seal import SessionSeal
from gateway.storage.spool import Spool
from gateway.storage.vault import Vault
from gateway.storage.work import Work
from leaderboard.scores import ScoreFeed, Scores, heal_scores
from payments.accounts.watch import AccountWatch
from payments.collection.admit_callbacks import CallbackAdmission
from payments.collection.callbacks import Callbacks
from payments.collection.order_views import OrderViews
from payments.collection.store import Payments
from payments.disbursement.disputes.store import act_on_lost
from payments.provider import PaymentProvider
from payments.settlement.settle import Settlement, Show, settle_payments

_log = structlog.get_logger(__name__)


@dataclass
class Rooms:
    """Everything that one process holds open."""

    settings: Settings
    engine: AsyncEngine
    auto: AsyncEngine
    vault: Vault
    redis: "redis_asyncio.Redis"
    trips: RedisTrips
    sessions: RedisSessions
    accounts: Mapping[str, Account]
    providers: Mapping[str, PaymentProvider]
    carriers: Mapping[str, SmsCarrier]
    service: BoundVotingService
    payments: Payments
    scores: Scores
    feed: ScoreFeed
    drains: Drains
    doorbell: RqDoorbell
    owed: PostgresOwed
    staff_acts: StaffActs
    desk: MoneyDesk
    daily: DailyReconciliation
    sweep_reversals: Callable[[], Awaitable[None]]
    purging: DailyPurge
    watch: AccountWatch
    telegram: TelegramChannel | None = None

    async def check_database(self) -> None:
        """Raise unless PostgreSQL answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def check_partitions(self) -> None:
        """Raise where an order of today would find no partition; Concern where one of the coming months would not."""
        months = await read_months_ahead(self.engine)
        missing = [table for table, ahead in months.items() if ahead < 0]
        if missing:
            raise LookupError(f"no partition for today: {', '.join(missing)}")
        if few := [table for table, ahead in months.items() if ahead < MONTHS_AHEAD_MIN]:
            raise Concern(f"too few months ahead: {', '.join(few)}")

    async def begin(self) -> None:
        """Wait for the database, and check that its schema and keys are ours. Raises SettingsError."""
        await self.service.directory.refresh_until_there()
        await refuse_other_database(self.engine, self.vault)

    async def check_redis(self) -> None:
        """Raise unless Redis answers."""
        await self.trips.command("PING")

    async def keep_sweeping(self, *, does_work: bool) -> None:
        """The safety net of this process, until cancelled."""
        chores: dict[str, tuple[float, Callable[[], Awaitable[object]]]] = {
            "scores": (5.0, partial(heal_scores, scores=self.scores, feed=self.feed)),
            "partitions": (3600.0, partial(make_partitions, self.auto)),
            "purge": (600.0, self.purging.start),
            "languages": (5.0, self.service.languages.copy),
        }
        if does_work:
            chores["reconciliation"] = (900.0, self.daily.start)
            chores["disputes"] = (60.0, partial(act_on_lost, self.engine))
            chores["reversals"] = (60.0, self.sweep_reversals)
        await keep_sweeping(
            owed=self.owed,
            drains=self.drains,
            doorbell=self.doorbell,
            does_work=does_work,
            chores=chores,
            temporary=TEMPORARY,
        )

    async def keep_beating(self) -> None:
        """Say that this worker works, until cancelled."""
        worker = f"{socket.gethostname()} {process_name('worker')}"
        await keep_beating(self.owed, self.drains, worker, temporary=TEMPORARY)


def build_telegram(
    auto: AsyncEngine, vault: Vault, redis: "redis_asyncio.Redis", sessions: RedisSessions
) -> TelegramChannel | None:
    """The Telegram channel; None without `TELEGRAM_TOKEN`."""
    given = adapter_settings("telegram")
    if not given.get("token"):
        return None
    settings = read_given("telegram", given, TelegramSettings)
    kept = PostgresTelegram(auto, vault)
    budget, watched = SharedSendBudget(redis, settings.bot_id), RedisWatchedOrders(redis, settings.bot_id)
    return TelegramChannel(settings, Stores(kept, kept, budget, watched, sessions, redis))


@asynccontextmanager
async def open_rooms(settings: Settings, *, name: str, pool_size: int = 8) -> AsyncIterator[Rooms]:
    """Connect, bind, and close everything again. The database need not answer yet."""
    links = make_links(settings, name=name, pool_size=pool_size)
    unfinished = UnfinishedDialogues(links.engine, links.vault)
    scores, feed = Scores(links.engine), ScoreFeed(links.patient)
    operators = open_desk(settings, links, build_accounts(settings.env), partial(show_scores, scores=scores, feed=feed))
    rooms = _furnished(settings, links, operators, unfinished, scores, feed)
    async with AsyncExitStack() as closing:
        # What comes last is closed first.
        links.close_with(closing)
        for held in (rooms.daily, rooms.purging, unfinished, rooms.service.callbacks):
            closing.push_async_callback(held.aclose)
        for channel in (*rooms.carriers.values(), *((rooms.telegram,) if rooms.telegram else ())):
            closing.push_async_callback(channel.aclose)
        operators.close_with(closing)
        yield rooms


def _furnished(
    settings: Settings,
    links: Links,
    operators: OperatorDesk,
    unfinished: UnfinishedDialogues,
    scores: Scores,
    feed: ScoreFeed,
) -> Rooms:
    inbox, outbox = Inbox(links.engine, links.vault), Outbox(links.engine, links.vault, settings.base_url)
    carriers = build_carriers(settings.env)
    sessions = RedisSessions(links.trips, SessionSeal(links.vault))
    telegram = build_telegram(links.auto, links.vault, links.telegram, sessions)
    languages = Languages(links.auto, links.vault, sessions)
    service = _service(settings, links, operators, inbox, outbox, unfinished, languages)
    delay = timedelta(hours=settings.beneficiary_delay_hours)
    desk = money_desk(links.engine, links.vault, operators.accounts, delay, staff_rights(settings))
    show = partial(show_scores, scores=scores, feed=feed)
    staff_acts = _staff_acts(links, desk, show)
    steps: dict[Work, Step] = {
        **operators.steps(settings, links),
        **_steps_of_texts(settings, outbox, unfinished, service, scores, carriers, telegram),
        Work.SETTLE: partial(settle_payments, settlement=Settlement(links.engine), show=show),
        Work.STAFF_ACTS: staff_acts.run_approved,
    }
    return Rooms(
        settings=settings,
        engine=links.engine,
        auto=links.auto,
        vault=links.vault,
        redis=links.redis,
        trips=links.trips,
        sessions=sessions,
        accounts=operators.accounts,
        providers=operators.providers,
        carriers=carriers,
        service=service,
        payments=operators.payments,
        scores=scores,
        feed=feed,
        drains=Drains(steps, links.doorbell, temporary=TEMPORARY),
        doorbell=links.doorbell,
        owed=PostgresOwed(links.auto),
        desk=desk,
        daily=DailyReconciliation(settings, links.engine),
        sweep_reversals=operators.sweep_reversals,
        purging=DailyPurge(settings.database_url, links.auto, settings.kept),
        staff_acts=staff_acts,
        watch=operators.watch,
        telegram=telegram,
    )


def _staff_acts(links: Links, desk: MoneyDesk, show: Show) -> StaffActs:
    return bind_staff_acts(
        links.engine,
        desk.rights,
        links.doorbell,
        show,
        temporary=TEMPORARY,
        more=desk.executors(links.doorbell),
        more_previews=desk.previews(),
    )


def _steps_of_texts(
    settings: Settings,
    outbox: Outbox,
    unfinished: UnfinishedDialogues,
    service: BoundVotingService,
    scores: Scores,
    carriers: Mapping[str, SmsCarrier],
    telegram: TelegramChannel | None,
) -> dict[Work, Step]:
    senders: dict[str, MessageSender] = {**carriers, **({telegram.code: telegram} if telegram else {})}
    sending = Sending(outbox, senders, text_routes(settings, carriers, telegram), render, write_in_chat)
    return {
        Work.TEXTS_IN: partial(answer_texts, service.inbox, service, partial(service.look_at, scores)),
        Work.TEXTS_OUT: sending.send_due,
        Work.REMINDERS: unfinished.remind,
    }


def _service(
    settings: Settings,
    links: Links,
    operators: OperatorDesk,
    inbox: Inbox,
    outbox: Outbox,
    unfinished: UnfinishedDialogues,
    languages: Languages,
) -> BoundVotingService:
    spool = Spool(settings.data_dir / "spool", "callbacks")
    callbacks = Callbacks(links.auto, links.vault, spool, utc_now)
    admission = CallbackAdmission(
        operators.providers, links.vault.reference_in, callbacks.is_open, limited=settings.rate_limits
    )
    service = BoundVotingService(
        directory=ContestDirectory(links.engine),
        orders=Orders(links.auto, links.vault, settings.prompt_limits),
        views=OrderViews(links.engine, links.vault),
        callbacks=callbacks,
        admission=admission,
        inbox=inbox,
        outbox=outbox,
        doorbell=links.doorbell,
        rails=operators.watch.rails,
        clock=utc_now,
        rescuer=operators.rescuer(links),
        unfinished=unfinished,
        languages=languages,
    )
    operators.watch.on_change(service.take_rails)
    return service


def read_figures(rooms: Rooms) -> Callable[[], Awaitable[list[Figure]]]:
    """Reads what `/metrics` shows of the business."""
    rates = {account: p.capabilities("").status_per_second for account, p in rooms.providers.items()}
    store = PostgresFigures(rooms.engine, rooms.owed, rates)

    async def read() -> list[Figure]:
        return exposed(await store.figures())

    return read


def callback_figures(service: BoundVotingService) -> list[Figure]:
    """What lies in the spool of this machine, and what was not stored: known also while PostgreSQL is away."""
    waiting, refused = service.callbacks.waiting, service.admission.refused
    old, signed = "spotlight_callbacks_stale", "Callbacks that were signed too long ago, or in a time to come."
    name, explained = "spotlight_callbacks_refused", "Callbacks beyond the rate of those that prove nothing."
    return [
        *(Figure(name, explained, many, {"provider": code}, "counter") for code, many in refused.items()),
        *(Figure(old, signed, many, {"provider": code}, "counter") for code, many in service.admission.stale.items()),
        Figure("spotlight_callbacks_spooled", "Callbacks on this disk, not in PostgreSQL yet.", waiting.records),
        Figure("spotlight_callbacks_spooled_age_seconds", "Age of the oldest spooled segment.", waiting.seconds),
        Figure("spotlight_callback_segments_refused", "Spooled files that want a person.", waiting.refused),
    ]


def keep_what_is_built() -> None:
    """What was built by now stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def process_name(role: str) -> str:
    """How a process calls itself in PostgreSQL and in its log."""
    return f"spotlight {role} {os.getpid()}"
