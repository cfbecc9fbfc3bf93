"""The only place that chooses: settings become adapters, adapters become use cases."""

import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

import channels.sms.carriers
from admin.figures import exposed
from channels import gsm
from channels.sms.carrier import SmsCarrier
from channels.sms.texts import render
from channels.telegram.channel import Stores, TelegramChannel
from channels.telegram.settings import TelegramSettings
from gateway.adapters import Account, build_accounts, build_adapters, rails_of, read_given, text_routes
from gateway.answering import answer_texts
from gateway.domain.prompting import DEMO_LIMITS, NO_LIMITS, PromptLimits
from gateway.domain.routing import Kind
from gateway.house import BoundHouse
from gateway.http.health import Figure
from gateway.money_desk import DailyReconciliation, MoneyDesk, money_desk
from gateway.ports.house import HouseUnavailable
from gateway.ports.payment_provider import PaymentProvider
from gateway.ports.work import Work
from gateway.settings import Settings, adapter_settings
from gateway.staff_desk import bind_staff_acts, show_scores
from gateway.storage.account_health import PostgresAccountHealth
from gateway.storage.attempts import PostgresAttempts
from gateway.storage.callbacks import PostgresCallbacks
from gateway.storage.contests import ContestDirectory
from gateway.storage.engine import make_engine
from gateway.storage.figures import PostgresFigures
from gateway.storage.messages import PostgresMessages
from gateway.storage.orders import PostgresOrders
from gateway.storage.owed import PostgresOwed
from gateway.storage.payments import PostgresPayments
from gateway.storage.payouts import PostgresPayouts
from gateway.storage.purging import purge
from gateway.storage.redis_link import RedisSessions, RedisTrips, RqDoorbell, connect, connect_for_trips
from gateway.storage.refunds import PostgresRefunds
from gateway.storage.scores import PostgresScores, RedisScoreFeed
from gateway.storage.send_budget import RedisWatchedOrders, SharedSendBudget
from gateway.storage.settlement import PostgresSettlement
from gateway.storage.shared_rate import SharedRate
from gateway.storage.spool import Spool
from gateway.storage.talks import PostgresTalks
from gateway.storage.telegram import PostgresTelegram
from gateway.storage.unfinished import PostgresUnfinished
from gateway.storage.vault import Vault
from gateway.storage.views import PostgresViews
from gateway.usecases.account_watch import AccountWatch
from gateway.usecases.collect_payments import Collector
from gateway.usecases.drains import Drains, Step
from gateway.usecases.nudge_voters import nudge_voters
from gateway.usecases.pay_out import pay_out
from gateway.usecases.publish_scores import heal_scores
from gateway.usecases.refund_payments import refund_payments
from gateway.usecases.rescue_payment import Rescuer
from gateway.usecases.send_messages import send_messages
from gateway.usecases.settle_payments import settle_payments
from gateway.usecases.staff_acts import StaffActs
from gateway.usecases.sweep import keep_sweeping
from gateway.usecases.verify_payments import Verifier, judge_callbacks

PARTITION_MONTHS_AHEAD: Final = 3
_log = structlog.get_logger(__name__)

# Errors of servers that come back by themselves.
TEMPORARY: Final = (SQLAlchemyError, RedisError, OSError, HouseUnavailable)


def utc_now() -> datetime:
    """The clock of this process. Whatever decides about money is judged by PostgreSQL's."""
    return datetime.now(UTC)


@dataclass
class Rooms:
    """Everything that one process holds open."""

    settings: Settings
    engine: AsyncEngine
    auto: AsyncEngine
    redis: "redis_asyncio.Redis"
    trips: RedisTrips
    accounts: Mapping[str, Account]
    providers: Mapping[str, PaymentProvider]
    carriers: Mapping[str, SmsCarrier]
    house: BoundHouse
    payments: PostgresPayments
    scores: PostgresScores
    feed: RedisScoreFeed
    drains: Drains
    doorbell: RqDoorbell
    owed: PostgresOwed
    staff_acts: StaffActs
    desk: MoneyDesk
    daily: DailyReconciliation
    watch: AccountWatch
    telegram: TelegramChannel | None = None

    @property
    def sessions(self) -> RedisSessions:
        """Dialogues under way."""
        return RedisSessions(self.trips)

    async def check_database(self) -> None:
        """Raise unless PostgreSQL answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def check_redis(self) -> None:
        """Raise unless Redis answers."""
        await self.trips.command("PING")

    async def keep_sweeping(self, *, does_work: bool) -> None:
        """The safety net of this process, until cancelled."""
        chores: dict[str, tuple[float, Callable[[], Awaitable[object]]]] = {
            "scores": (5.0, partial(heal_scores, scores=self.scores, feed=self.feed)),
            "partitions": (3600.0, self._make_partitions),
            "purge": (120.0, partial(purge, self.auto)),
        }
        if does_work:
            chores["reconciliation"] = (900.0, self.daily.start)
        await keep_sweeping(
            owed=self.owed,
            drains=self.drains,
            doorbell=self.doorbell,
            does_work=does_work,
            chores=chores,
            temporary=TEMPORARY,
        )

    async def _make_partitions(self) -> None:
        async with self.auto.connect() as connection:
            await connection.execute(text("select make_partitions(:months)"), {"months": PARTITION_MONTHS_AHEAD})


def build_telegram(
    auto: AsyncEngine, vault: Vault, redis: "redis_asyncio.Redis", trips: RedisTrips
) -> TelegramChannel | None:
    """The Telegram channel; None without `TELEGRAM_TOKEN`."""
    given = adapter_settings("telegram")
    if not given.get("token"):
        return None
    settings = read_given("telegram", given, TelegramSettings)
    kept = PostgresTelegram(auto, vault)
    budget, watched = SharedSendBudget(redis, settings.bot_id), RedisWatchedOrders(redis, settings.bot_id)
    return TelegramChannel(settings, Stores(kept, kept, budget, watched, RedisSessions(trips), redis))


@asynccontextmanager
async def open_rooms(
    settings: Settings, *, name: str, pool_size: int = 8, batches: bool = False
) -> AsyncIterator[Rooms]:
    """Connect, bind, and close everything again. The database need not answer yet.

    `batches`: for a process that mostly runs statements over long lists."""
    accounts = build_accounts()
    providers = {key: account.provider for key, account in accounts.items()}
    rails = rails_of(accounts)
    carriers: dict[str, SmsCarrier] = build_adapters(channels.sms.carriers)
    prompting = frozenset(rail.account for rail in rails.every if Kind.PUSH in rail.kinds)
    vault = Vault(settings.secret_key.get_secret_value())
    engine = make_engine(settings.database_url, pool_size=pool_size, batches=batches, name=name)
    auto = engine.execution_options(isolation_level="AUTOCOMMIT")
    redis = connect_for_trips(settings.redis_url)
    patient_redis = connect(settings.redis_url)
    trips = RedisTrips(redis)
    doorbell = RqDoorbell(settings.redis_url, settings.queue)
    telegram_redis = connect(settings.redis_url, timeout_seconds=1)
    telegram = build_telegram(auto, vault, telegram_redis, trips)
    chats = telegram.sender if telegram else None
    scores, feed = PostgresScores(engine), RedisScoreFeed(patient_redis)
    messages = PostgresMessages(engine, vault, settings.base_url)
    paying = PostgresPayments(engine, vault, settings.base_url, prompting)
    unfinished = PostgresUnfinished(engine, vault)
    rates_redis = connect(settings.redis_url, timeout_seconds=1)
    budget = SharedRate(rates_redis, "status")
    watch = AccountWatch(PostgresAccountHealth(engine), providers, rails, temporary=TEMPORARY)
    collector = build_collector(paying, accounts, watch, SharedRate(rates_redis, "prompts", evenly=True))
    verifier = Verifier(paying, providers, budget, watch)
    limits = NO_LIMITS if not settings.rate_limits else DEMO_LIMITS if settings.env == "demo" else PromptLimits()
    spool = Spool(settings.data_dir / "spool", "callbacks")
    house = _house(engine, vault, messages, unfinished, doorbell, providers, watch, paying, budget, limits, spool)
    show = partial(show_scores, scores=scores, feed=feed)
    desk = money_desk(engine, vault, accounts, timedelta(hours=settings.beneficiary_delay_hours))
    staff_acts = bind_staff_acts(
        engine,
        doorbell,
        show,
        temporary=TEMPORARY,
        more=desk.executors(doorbell),
        more_freezers=desk.freezers(),
    )
    steps: dict[Work, Step] = {
        Work.COLLECT: collector.step,
        Work.CALLBACKS: partial(judge_callbacks, payments=paying, providers=providers),
        Work.VERIFY: verifier.step,
        Work.SETTLE: partial(settle_payments, settlement=PostgresSettlement(engine), show=show),
        Work.TEXTS_IN: partial(answer_texts, messages, house),
        Work.TEXTS_OUT: partial(
            send_messages,
            messages=messages,
            carriers=carriers,
            routes=text_routes(settings, carriers, chats),
            chats=chats,
            write=render,
            parts=gsm.parts,
        ),
        Work.NUDGES: partial(nudge_voters, unfinished=unfinished),
        Work.REFUND: partial(
            refund_payments,
            refunds=PostgresRefunds(engine, vault, settings.base_url),
            providers=providers,
            budget=budget,
        ),
        Work.STAFF_ACTS: staff_acts.run_approved,
        Work.PAYOUTS: partial(
            pay_out,
            payouts=PostgresPayouts(engine, vault, settings.base_url),
            providers=providers,
            budget=budget,
        ),
    }
    rooms = Rooms(
        settings=settings,
        engine=engine,
        auto=auto,
        redis=redis,
        trips=trips,
        accounts=accounts,
        providers=providers,
        carriers=carriers,
        house=house,
        payments=paying,
        scores=scores,
        feed=feed,
        drains=Drains(steps, doorbell, temporary=TEMPORARY),
        doorbell=doorbell,
        owed=PostgresOwed(auto),
        desk=desk,
        daily=DailyReconciliation(settings, engine),
        staff_acts=staff_acts,
        watch=watch,
        telegram=telegram,
    )
    async with AsyncExitStack() as closing:
        closing.push_async_callback(engine.dispose)
        closing.push_async_callback(rooms.daily.aclose)
        closing.push_async_callback(unfinished.aclose)
        closing.push_async_callback(house.callbacks.aclose)
        closing.push_async_callback(redis.aclose)
        closing.push_async_callback(patient_redis.aclose)
        closing.push_async_callback(telegram_redis.aclose)
        closing.push_async_callback(rates_redis.aclose)
        for held in (*providers.values(), *carriers.values(), *((telegram,) if telegram else ())):
            closing.push_async_callback(held.aclose)
        closing.push_async_callback(verifier.aclose)
        closing.push_async_callback(collector.aclose)
        yield rooms


def build_collector(
    paying: PostgresPayments, accounts: Mapping[str, Account], watch: AccountWatch, prompts: SharedRate
) -> Collector:
    """The collector, with the rates that accounts are said to have."""
    return Collector(
        paying,
        {key: account.provider for key, account in accounts.items()},
        prompts=prompts,
        per_second={key: rate for key, account in accounts.items() if (rate := account.said.prompts_per_second)},
        accounts=watch,
    )


def _house(
    engine: AsyncEngine,
    vault: Vault,
    messages: PostgresMessages,
    unfinished: PostgresUnfinished,
    doorbell: RqDoorbell,
    providers: Mapping[str, PaymentProvider],
    watch: AccountWatch,
    paying: PostgresPayments,
    budget: SharedRate,
    limits: PromptLimits,
    spool: Spool,
) -> BoundHouse:
    auto = engine.execution_options(isolation_level="AUTOCOMMIT")
    house = BoundHouse(
        directory=ContestDirectory(engine),
        orders=PostgresOrders(auto, vault, limits),
        views=PostgresViews(engine, vault),
        callbacks=PostgresCallbacks(auto, vault, spool, utc_now),
        messages=messages,
        talks=PostgresTalks(auto),
        doorbell=doorbell,
        rails=watch.rails,
        clock=utc_now,
        rescuer=Rescuer(PostgresAttempts(engine, vault), paying, providers, budget, doorbell, watch),
        unfinished=unfinished,
    )
    watch.tell(house.take_rails)
    return house


def read_figures(rooms: Rooms) -> Callable[[], Awaitable[list[Figure]]]:
    """Reads what `/metrics` shows of the business."""
    rates = {account: p.capabilities("").status_per_second for account, p in rooms.providers.items()}
    store = PostgresFigures(rooms.engine, rooms.owed, rates)

    async def read() -> list[Figure]:
        return exposed(await store.figures())

    return read


def spool_figures(house: BoundHouse) -> list[Figure]:
    """What lies in the spool of this machine: known also while PostgreSQL is away."""
    waiting = house.callbacks.waiting
    return [
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
