"""The gateway process: every HTTP surface on one aiohttp application."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

import structlog
import uvloop
from aiohttp import web
from aiohttp_remotes import setup as setup_remotes
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

import admin.routes
import channels.sms.routes
import channels.ussd.routes
import channels.web.api
import channels.web.crawlers
import channels.web.nominations
import channels.web.pages
import channels.web.receipts
import channels.web.rules
import leaderboard.log.kit.routes
import leaderboard.log.routes
import leaderboard.overlay.routes
import leaderboard.result.routes
import leaderboard.routes
import payments.routes
from admin.access.guard import Access
from admin.access.sent_forms import SentForms
from admin.access.tokens import Tokens
from admin.audit.store import Audits
from admin.candidates.store import Candidates
from admin.contests.juries import Juries
from admin.contests.store import StaffContests
from admin.exports.result import Results
from admin.figures.store import Figures
from admin.fraud.neighbours import NeighboursStore
from admin.orders.store import StaffOrders
from admin.services import Payments
from channels.session_store import SESSIONS
from channels.voting_service import VOTING_SERVICE
from gateway.contests.directory import ContestDirectory
from gateway.contests.versions import RulesVersions
from gateway.http import health, media, middleware, openapi
from gateway.http.callers import DEVICES, PUBLIC_URL, Devices, ForwardedByProxies
from gateway.http.health import Concern
from gateway.http.limits import RateLimits, StreamCap, raise_file_limit
from gateway.http.logs import set_up_logs
from gateway.http.pages import Pages
from gateway.orders.routing import provider_of
from gateway.runtime.accounts import discover_aggregators, shared_secrets
from gateway.runtime.connections import utc_now
from gateway.runtime.container import Container
from gateway.runtime.figures import FigureStore, callback_figures
from gateway.runtime.process import GatewayContainer, freeze_garbage
from gateway.runtime.settings import Settings, SettingsError, load_settings
from gateway.storage.upkeep import MONTHS_AHEAD_MIN, read_months_ahead
from leaderboard.feed import Boards
from leaderboard.log.kit.pack import Kits
from leaderboard.log.store import PublicLogs
from leaderboard.overlay.live import OnAir
from leaderboard.overlay.store import Overlays
from leaderboard.result.store import CertifiedResults
from leaderboard.routes import PUBLISHED
from leaderboard.scores import ContestScores, ScoreListener
from payments.collection.admit_callbacks import store_callback
from payments.disbursement.payouts.statement import payout_statement

# How long readers and requests may take to finish after a signal to stop.
SHUTDOWN_SECONDS: Final = 20.0
_log = structlog.get_logger(__name__)


def create_app(container: GatewayContainer) -> web.Application:
    """Every route of the gateway."""
    settings, service = container.settings, container.voting_service
    app = web.Application(middlewares=[middleware.around_request], client_max_size=64 * 1024)
    app[VOTING_SERVICE] = app[PUBLISHED] = service
    app[SESSIONS] = container.sessions
    app[PUBLIC_URL] = settings.base_url
    pages = Pages()
    pages.mount(app)
    boards = Boards()
    aggregators = discover_aggregators(settings)
    channels.ussd.routes.setup(
        app, aggregators, shared_secrets(aggregators), prompt_delay_seconds=settings.prompt_delay_seconds
    )
    channels.sms.routes.setup(app, container.carriers, shared_secrets(container.carriers))
    providers = frozenset(provider_of(account) for account in container.providers)
    store = partial(store_callback, container.admission, container.callbacks, container.doorbell)
    payments.routes.setup(app, providers, store)
    if container.telegram is not None:
        container.telegram.setup(app)
    _mount_public_web(app, container, pages, boards)
    _mount_back_office(app, container.back_office, container.rankings.directory, pages)
    _mount_health(app, container)
    openapi.setup(app)
    app.cleanup_ctx.append(partial(_keep_alive, container, boards))
    return app


def _mount_public_web(app: web.Application, container: GatewayContainer, pages: Pages, boards: Boards) -> None:
    """What browsers and programs of voters call, with the limits that they share."""
    settings = container.settings
    app[DEVICES] = Devices(container.vault.subkey("device cookie"))
    limits = RateLimits(
        settings.redis_url,
        enabled=settings.rate_limits,
        exempt_loopback=settings.demo_limits,
        shared=settings.crowds,
        devices=app[DEVICES],
    )
    cap = StreamCap(settings.streams_per_address if settings.rate_limits else None, settings.crowds)
    # First, because aiohttp tries addresses of the same beginning in the order they were added.
    leaderboard.routes.setup(app, boards, cap, container.telegram.address if container.telegram else str)
    leaderboard.log.routes.setup(
        app, PublicLogs(container.engine), {one.key.name: one.url for one in settings.witnesses}
    )
    leaderboard.log.kit.routes.setup(app, Kits(container.engine))
    leaderboard.result.routes.setup(app, CertifiedResults(container.engine))
    links = container.vault.subkey("overlay links")
    leaderboard.overlay.routes.setup(app, OnAir(Overlays(container.engine), container.voting_service, links))
    channels.web.api.setup(app, limits, cap=cap)
    cloudinary = container.videos.cloudinary
    channels.web.pages.setup(app, pages, None if cloudinary is None else cloudinary.delivery, container.brands)
    channels.web.receipts.setup(app, settings.witnesses)
    media.setup(app, container.pictures)
    pages.add_pictures(container.pictures.address(""))
    nominations = container.nominations(container.rankings.directory.refresh)
    channels.web.nominations.setup(app, nominations, container.photos)
    channels.web.rules.setup(app, RulesVersions(container.engine))
    channels.web.crawlers.setup(app)


def _mount_back_office(app: web.Application, container: Container, directory: ContestDirectory, pages: Pages) -> None:
    settings = container.settings
    access = Access(
        sign_in=container.sign_in,
        tokens=Tokens(container.vault.subkey("staff tokens"), utc_now, secure=settings.base_url.startswith("https://")),
        forms=SentForms(container.engine),
        loopback_counts=settings.env != "demo",
    )
    services = Payments(
        tickets=container.tickets,
        voids=container.voids,
        book=container.book,
        reconciler=container.reconciler,
        differences=container.differences,
        payouts=container.payouts,
        payout_statement=partial(payout_statement, container.engine),
        beneficiaries=container.beneficiaries,
        providers=container.providers,
    )
    orders = StaffOrders(container.engine, container.vault)
    contests = StaffContests(container.engine, directory.all, directory.refresh)
    nominations = container.nominations(directory.refresh)
    admin.routes.setup(
        app,
        pages,
        access=access,
        acts=container.acts,
        orders=orders,
        payments=services,
        contests=contests,
        juries=Juries(container.engine),
        photos=container.photos,
        brands=container.brands,
        candidates=Candidates(container.engine, directory.refresh, nominations),
        people=container.people,
        kept_organisers=container.organisers,
        resets=container.resets,
        factor_resets=container.factor_resets,
        videos=container.videos,
        audits=Audits(container.engine, container.vault),
        figures=Figures(container.engine),
        listed=container.listed,
        exports=container.exports,
        months=container.months,
        results=Results(container.engine),
        certifying=container.certifying,
        fraud=container.fraud,
        neighbours=NeighboursStore(container.engine, container.vault),
        alerts=container.alerts,
        alerting=container.alerting,
    )


def _mount_health(app: web.Application, container: GatewayContainer) -> None:
    checks = {
        "postgresql": partial(check_database, container.engine),
        "redis": partial(container.pipeline.command, "PING"),
        "partitions": partial(check_partitions, container.engine),
    }
    store = FigureStore(container.engine, container.owed, container.status_rates)

    health.setup(
        app,
        checks,
        store.figures,
        metrics_token=container.settings.metrics_token.get_secret_value() or None,
        local=partial(callback_figures, container.callbacks, container.admission),
    )


async def check_database(engine: AsyncEngine) -> None:
    """Raise unless PostgreSQL answers."""
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))


async def check_partitions(engine: AsyncEngine) -> None:
    """Raise where an order of today would find no partition; Concern where one of the coming months would not."""
    months = await read_months_ahead(engine)
    missing = [table for table, ahead in months.items() if ahead < 0]
    if missing:
        raise LookupError(f"no partition for today: {', '.join(missing)}")
    if few := [table for table, ahead in months.items() if ahead < MONTHS_AHEAD_MIN]:
        raise Concern(f"too few months ahead: {', '.join(few)}")


def _listener(container: GatewayContainer, boards: Boards) -> ScoreListener:
    """Puts new totals on this process's boards."""

    async def show(scores: ContestScores, counted: Sequence[tuple[str, int]]) -> None:
        ranking = await container.rankings.take_beside(scores)
        if ranking is not None:
            boards.update(ranking, counted)

    return ScoreListener(container.feed, container.scores, show, boards.delay)


def _confirming(container: GatewayContainer, boards: Boards) -> Callable[[Mapping[UUID, int]], None]:
    """Puts votes that are being confirmed on this process's boards and before staff."""
    rankings = container.rankings

    def show(votes: Mapping[UUID, int]) -> None:
        contests = ((rankings.directory.by_id(contest_id), many) for contest_id, many in votes.items())
        rankings.confirming = {contest.slug: many for contest, many in contests if contest}
        boards.confirm(rankings.confirming)

    return show


async def _keep_alive(container: GatewayContainer, boards: Boards, _: web.Application) -> AsyncIterator[None]:
    """Run the lasting tasks of a gateway for as long as it serves."""
    await container.begin()
    listener = _listener(container, boards)
    await listener.prime()
    tasks = [
        asyncio.create_task(work, name=name)
        for name, work in (
            ("contests", container.rankings.directory.keep_fresh()),
            ("accounts", container.watch.keep_watching()),
            ("spool", container.callbacks.keep_draining()),
            ("scores", listener.run()),
            ("confirming", container.confirming.keep_showing(_confirming(container, boards))),
            ("sweeper", container.keep_sweeping()),
        )
    ]
    for task in tasks:
        task.add_done_callback(_die_with)
    yield
    for task in tasks:
        task.remove_done_callback(_die_with)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _die_with(task: "asyncio.Task[None]") -> None:
    """End a gateway that lost one of its lasting tasks: it would answer with old news."""
    _log.error("task_lost", task=task.get_name(), error=repr(task.exception()) if not task.cancelled() else "")
    raise web.GracefulExit


async def _serve(settings: Settings) -> None:
    async with GatewayContainer(settings) as container:
        app = create_app(container)
        if proxies := settings.proxies:
            await setup_remotes(app, ForwardedByProxies(proxies))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        stopping = asyncio.Event()
        drain_seconds = 0.0 if settings.env == "demo" else health.DRAIN_SECONDS
        health.stop_on_signals(runner.app, stopping, drain_seconds=drain_seconds)
        try:
            freeze_garbage()
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            _log.info("gateway_started", url=settings.base_url)
            if container.telegram is not None:
                container.telegram.open(container.voting_service, settings.base_url)
            await stopping.wait()
        finally:
            await runner.cleanup()
            _log.info("gateway_stopped")


def main() -> None:
    """`spotlight serve`."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    set_up_logs(settings.log_level)
    raise_file_limit()
    try:
        uvloop.run(_serve(settings))
    except SettingsError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: cannot listen on {settings.host}:{settings.port} ({error.strerror}); set PORT")
