"""The back office put together, on connections of its own: its reports may take a minute, and voters
do not wait for them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Final

from aiohttp import web

from admin import routes
from admin.access.guard import Access
from admin.access.tokens import Tokens
from admin.orders.store import StaffOrders
from admin.services import Payments
from gateway.http.pages import Pages
from gateway.runtime.links import TEMPORARY, make_vault, utc_now
from gateway.runtime.money_desk import money_desk
from gateway.runtime.staff_desk import bind_sign_in, bind_staff_acts, show_scores, staff_rights
from gateway.runtime.wiring import Rooms, process_name
from gateway.storage.engine import make_engine
from payments.disbursement.payouts.statements import payout_statement
from payments.disbursement.refunds.voids import Voids
from payments.rescue.tickets import Tickets

_REPORT_MS: Final = 60_000
_CONNECTIONS: Final = 4


def mount(app: web.Application, rooms: Rooms, pages: Pages) -> None:
    """Serve the back office as long as the application runs. It needs VOTING_SERVICE and mounted `pages`."""
    settings, demo = rooms.settings, rooms.settings.env == "demo"
    vault = make_vault(settings)
    engine = make_engine(
        settings.database_url,
        pool_size=_CONNECTIONS,
        statement_timeout_ms=_REPORT_MS,
        name=process_name("back office"),
    )
    rights, delay = staff_rights(settings), timedelta(hours=settings.beneficiary_delay_hours)
    money = money_desk(engine, vault, rooms.accounts, delay, rights)
    acts = bind_staff_acts(
        engine,
        rights,
        rooms.doorbell,
        partial(show_scores, scores=rooms.scores, feed=rooms.feed),
        temporary=TEMPORARY,
        more=money.executors(rooms.doorbell),
        more_previews=money.previews(),
    )
    access = Access(
        sign_in=bind_sign_in(engine, vault, settings),
        tokens=Tokens(vault.subkey("staff tokens"), utc_now),
        secure=settings.base_url.startswith("https://"),
        loopback_counts=not demo,
    )
    payments = Payments(
        tickets=Tickets(engine, vault, rights.permit),
        voids=Voids(engine),
        book=money.book,
        reconciler=money.reconciler,
        payouts=money.payouts,
        payout_statement=partial(payout_statement, engine),
        beneficiaries=money.beneficiaries,
        providers=rooms.providers,
    )
    orders = StaffOrders(engine, vault)
    routes.setup(app, pages, access=access, acts=acts, orders=orders, payments=payments)

    async def keep_open(_: web.Application) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app.cleanup_ctx.append(keep_open)
