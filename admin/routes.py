"""The back office on an application: `/admin`, its pages, `/api/auth` and `/api/admin`."""

from aiohttp import web

from admin import api, ledger_pages, order_pages, payout_pages, reconcile_pages, refund_pages, ticket_api, ticket_pages
from admin.access import auth_api, sign_in_pages
from admin.approvals import request_pages
from admin.desk import DESK, Desk
from gateway.http.pages import Pages


def setup(app: web.Application, pages: Pages, desk: Desk) -> None:
    """Serve the back office. The application needs VOTING_SERVICE and mounted `pages`."""
    app[DESK] = desk
    pages.add_phrases("admin.phrases")
    pages.add_static("admin")
    pages.add_templates("admin")
    for room in (
        auth_api,
        sign_in_pages,
        order_pages,
        request_pages,
        refund_pages,
        reconcile_pages,
        payout_pages,
        ledger_pages,
        ticket_pages,
        api,
        ticket_api,
    ):
        room.setup(app)
