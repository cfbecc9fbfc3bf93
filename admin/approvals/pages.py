"""Acts of staff: asking, the list of what was asked for, and being the second person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from admin.access.guard import Form, Me, ask_for_proof, form, page, say, see_other, show
from admin.access.pages import to_home
from admin.answers import read_id
from admin.approvals.asking import (
    decide,
    needs_proof,
    read_act,
    read_params,
    why_not,
    with_amount,
    with_zone,
)
from admin.approvals.staff_acts import APPROVALS
from admin.orders.store import ORDERS
from admin.services import PAYMENTS
from gateway.values.money import EXPONENTS, Money, parse_amount
from payments.requests import Act, RequestStatus, Right, StaffRequest

ACTS: Final = "/admin/acts"
REQUESTS: Final = "/admin/requests"
_UUID_LENGTH: Final = 36
# Amounts that a preview holds as `500 XOF`.
_WRITTEN: Final = ("payable", "fixed", "minimum")
_FIRST: Final = ("contest", "candidate", "votes", "payments", "amount", "from", "to")
OPEN_REQUESTS: Final = (RequestStatus.WAITING, RequestStatus.APPROVED)


@form(Right.READ_ORDERS)
async def act(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Ask for what a form says, and go to the request that it became."""
    wanted = read_act(fields.get("act", ""))
    asked = await ask_for_proof(request, me, fields) if needs_proof(wanted) else None
    if asked is not None:
        return asked
    params, subject = read_params(wanted, with_amount(with_zone(fields, me.zone))), fields.get("subject", "").strip()
    made = await request.app[APPROVALS].ask(wanted, subject, params, fields.get("reason", ""), me.email)
    return see_other(f"{REQUESTS}/{made}")


@page(Right.READ_ORDERS)
async def requests(request: web.Request, me: Me) -> web.StreamResponse:
    """What waits for a second person or is being done; with `?all=1` what is over too."""
    everything = request.query.get("all") == "1"
    statuses = () if everything else OPEN_REQUESTS
    held = await request.app[APPROVALS].requests.listed(me.scope, statuses=statuses, at=me.as_of)
    return show(request, me, "admin_requests.html", requests=held, everything=everything, in_short=in_short)


@page(Right.READ_ORDERS)
async def one(request: web.Request, me: Me) -> web.StreamResponse:
    """A request with its frozen preview, and the decision for those who may take it. 404."""
    request_id = read_id(request, "request_id")
    requests = request.app[APPROVALS].requests
    held = None if request_id is None else await requests.read(request_id, me.scope, me.as_of)
    if held is None:
        return say(request, 404, "no_request", me)
    against = why_not(me, held, datetime.now(UTC))
    void = held.act is Act.VOID_WINDOW and me.as_of is None
    progress = await request.app[PAYMENTS].voids.progress(held.id, me.scope) if void else ()
    order = await _order_behind(request, me, held)
    return show(
        request,
        me,
        "admin_request.html",
        asked=held,
        why_not=against,
        progress=progress,
        order=order,
        facts=facts(held.preview),
        tables=tables(held.preview),
        money_of=Money,
        instant=datetime.fromisoformat,
    )


@form(Right.DECIDE, proof=True)
async def decision(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Agree or turn down, as the second person."""
    request_id, typed = read_id(request, "request_id"), fields.get("decision")
    if request_id is None or typed not in ("approve", "reject"):
        return say(request, 400, "unreadable", me)
    await decide(request.app[APPROVALS], me, request_id, approve=typed == "approve")
    return see_other(f"{REQUESTS}/{request_id}")


def facts(preview: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The single facts of a preview, what it is about first, amounts as money; instants as such."""
    found: list[tuple[str, object]] = []
    for name, value in preview.items():
        if name == "amount_minor" and preview.get("currency") in EXPONENTS:
            found.append(("amount", Money(int(value), str(preview["currency"]))))
        elif name != "currency" and not isinstance(value, Mapping | list) and value not in (None, ""):
            plain, _, currency = str(value).partition(" ")
            found.append((name, (parse_amount(plain, currency) if name in _WRITTEN else None) or value))
    return sorted(found, key=lambda fact: _FIRST.index(fact[0]) if fact[0] in _FIRST else len(_FIRST))


def tables(preview: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Mapping[str, int]]]]:
    """The tables of a preview, such as by candidate."""
    return [(name, held) for name, held in preview.items() if isinstance(held, Mapping) and held]


def in_short(preview: Mapping[str, Any]) -> list[Money]:
    """The sums that a request is about."""
    if preview.get("currency") in EXPONENTS and "amount_minor" in preview:
        return [Money(int(preview["amount_minor"]), str(preview["currency"]))]
    held = preview.get("currencies")
    lines = held.items() if isinstance(held, Mapping) else ()
    return [Money(int(line["money_minor"]), currency) for currency, line in lines if currency in EXPONENTS]


async def _order_behind(request: web.Request, me: Me, held: StaffRequest) -> object:
    """The order that a request is about, as an id, where it is about one."""
    reads = request.app[ORDERS]
    payment = str(held.preview.get("payment", held.subject))
    for name in (held.subject, payment):
        found = await reads.find(name, (), me.scope) if len(name) == _UUID_LENGTH else []
        if found:
            return found[0].vote_id
    return None


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, ORDERS, PAYMENTS, VOTING_SERVICE and mounted pages."""
    app.router.add_get(ACTS, to_home)
    app.router.add_post(ACTS, act)
    app.router.add_get(REQUESTS, requests)
    app.router.add_get(f"{REQUESTS}/{{request_id}}", one)
    app.router.add_post(f"{REQUESTS}/{{request_id}}", decision)
