"""The gateway process: every HTTP surface on one aiohttp application."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

import structlog
import uvloop
from aiohttp import web
from aiohttp_remotes import setup as setup_remotes

import channels.sms.routes
import channels.ussd.routes
import channels.web.api
import channels.web.pages
import leaderboard.routes
import payments.routes
from channels.session_store import SESSIONS
from channels.voting_service import VOTING_SERVICE
from gateway.http import health, middleware, openapi
from gateway.http.callers import DEVICES, PUBLIC_URL, Devices, ForwardedByProxies
from gateway.http.limits import RateLimits, StreamCap, raise_file_limit
from gateway.http.logs import set_up_logs
from gateway.http.pages import Pages
from gateway.orders.routing import provider_of
from gateway.runtime import back_office
from gateway.runtime.adapters import discover_aggregators, shared_secrets
from gateway.runtime.settings import Settings, SettingsError, load_settings
from gateway.runtime.wiring import Rooms, callback_figures, keep_what_is_built, open_rooms, process_name, read_figures
from leaderboard.feed import Boards
from leaderboard.routes import PUBLISHED
from leaderboard.scores import ContestScores, ScoreListener

# How long readers and requests may take to finish once we are told to stop.
SHUTDOWN_SECONDS: Final = 20.0
_log = structlog.get_logger(__name__)


def show_on(boards: Boards, rooms: Rooms) -> ScoreListener:
    """Listen for totals and put them on this process's boards."""

    def show(scores: ContestScores, counted: Sequence[tuple[str, int]]) -> None:
        ranking = rooms.service.take_scores(scores)
        if ranking is not None:
            boards.update(ranking, counted)

    return ScoreListener(rooms.feed, rooms.scores, show)


def create_app(rooms: Rooms) -> web.Application:
    """Every route of the gateway, bound to open rooms."""
    app = web.Application(middlewares=middleware.stack(), client_max_size=64 * 1024)
    app[VOTING_SERVICE] = app[PUBLISHED] = rooms.service
    app[SESSIONS] = rooms.sessions
    app[PUBLIC_URL] = rooms.settings.base_url
    pages = Pages()
    pages.mount(app)
    boards = Boards()
    aggregators = discover_aggregators(rooms.settings)
    channels.ussd.routes.setup(
        app,
        aggregators,
        shared_secrets(aggregators),
        prompt_delay_seconds=rooms.settings.prompt_delay_seconds,
    )
    channels.sms.routes.setup(app, rooms.carriers, shared_secrets(rooms.carriers))
    payments.routes.setup(
        app, frozenset(provider_of(account) for account in rooms.providers), rooms.service.store_callback
    )
    if rooms.telegram is not None:
        rooms.telegram.setup(app)
    _mount_web(app, rooms, pages, boards)
    back_office.mount(app, rooms, pages)
    checks = {"postgresql": rooms.check_database, "redis": rooms.check_redis, "partitions": rooms.check_partitions}
    health.setup(
        app,
        checks,
        read_figures(rooms),
        metrics_token=rooms.settings.metrics_token.get_secret_value() or None,
        local=lambda: callback_figures(rooms.service),
    )
    openapi.setup(app)

    app.cleanup_ctx.append(partial(_keep_alive, rooms, boards))
    return app


def _mount_web(app: web.Application, rooms: Rooms, pages: Pages, boards: Boards) -> None:
    """What browsers and programs of voters call, with the limits that they share."""
    settings = rooms.settings
    app[DEVICES] = Devices(rooms.vault.subkey("device cookie"))
    limits = RateLimits(
        settings.redis_url,
        enabled=settings.rate_limits,
        exempt_loopback=settings.demo_limits,
        shared=settings.crowds,
        devices=app[DEVICES],
    )
    cap = StreamCap(settings.streams_per_address if settings.rate_limits else None, settings.crowds)
    # First, because aiohttp tries addresses of the same beginning in the order they were added.
    leaderboard.routes.setup(app, boards, cap, rooms.telegram.address if rooms.telegram else str)
    channels.web.api.setup(app, limits, cap=cap)
    channels.web.pages.setup(app, pages, limits, lambda country: rooms.service.rails.open_methods(country))


async def _keep_alive(rooms: Rooms, boards: Boards, _: web.Application) -> AsyncIterator[None]:
    """Run the lasting tasks of a gateway for as long as it serves."""
    await rooms.begin()
    listener = show_on(boards, rooms)
    await listener.prime()
    tasks = [
        asyncio.create_task(work, name=name)
        for name, work in (
            ("contests", rooms.service.directory.keep_fresh()),
            ("accounts", rooms.watch.keep_watching()),
            ("spool", rooms.service.callbacks.keep_draining()),
            ("scores", listener.run()),
            ("sweeper", rooms.keep_sweeping(does_work=False)),
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
    """A gateway that lost one of its lasting tasks would answer with old news: end it, loudly."""
    _log.error("task_lost", task=task.get_name(), error=repr(task.exception()) if not task.cancelled() else "")
    raise web.GracefulExit


async def _serve(settings: Settings) -> None:
    async with open_rooms(settings, name=process_name("gateway"), pool_size=12) as rooms:
        app = create_app(rooms)
        if proxies := settings.proxies:
            await setup_remotes(app, ForwardedByProxies(proxies))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        stopping = asyncio.Event()
        drain_seconds = 0.0 if settings.env == "demo" else health.DRAIN_SECONDS
        health.stop_on_signals(runner.app, stopping, drain_seconds=drain_seconds)
        try:
            keep_what_is_built()
            await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
            _log.info("gateway_started", url=settings.base_url)
            if rooms.telegram is not None:
                rooms.telegram.open(rooms.service, settings.base_url)
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
