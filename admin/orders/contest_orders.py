"""The orders of a contest with their filters, by page and by API."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from pydantic import Field, ValidationError

from admin.access.guard import Form, Me, form, page, query_of, say, see_other, show
from admin.access.moment import read_instant
from admin.answers import read_id, staff_endpoint
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.orders.filters import OrderFilter, OrderListing, OrderState
from admin.orders.listed import LISTED, OrderLines, Part, SavedFilter
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.orders.rules import Channel
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money, parse_amount
from gateway.values.time_zones import local
from payments.requests import Right

API: Final = f"{CONTESTS_API}/{{slug}}/orders"
PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/orders"
NAME_LENGTH_MAX: Final = 60
MONTHS_SHOWN: Final = 3
_INSTANTS: Final = ("from", "to")
_AMOUNTS: Final = ("amountFrom", "amountTo")
_FIELDS: Final = (*_INSTANTS, "state", "wallet", "channel", "candidate", *_AMOUNTS)


class SavedFilters(ApiModel):
    """Filters that a person saved for a contest, by name."""

    filters: list[SavedFilter]


class NewFilter(OrderFilter):
    """A filter and the name that it is saved under."""

    name: Line = Field(min_length=1, max_length=NAME_LENGTH_MAX)


class FilterPath(ContestPath):
    """The saved filter that is meant."""

    filter_id: UUID


class Deleted(InputModel):
    """It is gone."""

    deleted: bool = True


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, query=OrderListing, returns={200: OrderLines}, problems=(404,))
async def listed(request: web.Request, me: Me, *, path: ContestPath, query: OrderListing) -> Reply:
    """List the orders of a contest, the newest first.

    Numbers come masked.
    """
    store = request.app[LISTED]
    contest = await store.contest(path.slug, me.scope)
    return Reply(200, await store.listed(contest, me.scope, Part(query, query.cursor, query.limit)))


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: SavedFilters}, problems=(404,))
async def filters(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """List the filters that you saved for a contest."""
    store = request.app[LISTED]
    contest = await store.contest(path.slug, me.scope)
    return Reply(200, SavedFilters(filters=await store.saved(contest, me.scope, me.member.id)))


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, body=NewFilter, returns={201: SavedFilter}, problems=(404, 409))
async def save(request: web.Request, me: Me, *, path: ContestPath, body: NewFilter) -> Reply:
    """Save a filter under a name.

    It is yours alone; one of that name is replaced. The moment as of which is not saved.
    """
    store = request.app[LISTED]
    contest = await store.contest(path.slug, me.scope)
    return Reply(201, await store.save(contest, me.scope, me.member.id, me.email, body.name, body))


@staff_endpoint(Right.READ_ORDERS, path=FilterPath, returns={200: Deleted}, problems=(404,))
async def forget(request: web.Request, me: Me, *, path: FilterPath) -> Reply:
    """Delete a saved filter of yours."""
    store = request.app[LISTED]
    contest = await store.contest(path.slug, me.scope)
    await store.forget(contest, me.scope, me.member.id, me.email, path.filter_id)
    return Reply(200, Deleted())


def read_filter(
    typed: Mapping[str, str], contest: Contest, zone: str, as_of: datetime | None = None
) -> tuple[OrderListing | None, frozenset[str]]:
    """What the fields of the page ask for, and the names of fields that cannot be read; None where there are any.
    Times are of this zone, amounts as people write them."""
    given: dict[str, Any] = {name: typed[name] for name in (*_FIELDS, "cursor") if typed.get(name, "").strip()}
    if as_of is not None:
        given |= {"asOf": as_of}
    faults = set()
    for name in _INSTANTS:
        try:
            given |= {name: read_instant(given[name], zone)} if name in given else {}
        except (ValueError, OverflowError):
            faults.add(name)
    for name in _AMOUNTS:
        if name in given:
            amount = parse_amount("".join(given[name].split()).replace(",", "."), contest.price.currency)
            given[name] = None if amount is None else amount.amount_minor
            faults |= {name} if amount is None else set()
    try:
        read = OrderListing.model_validate({name: value for name, value in given.items() if name not in faults})
    except ValidationError as error:
        # What is about two fields, such as their order, is about the second.
        found = {str(fault["loc"][0]) if fault["loc"] else "to" for fault in error.errors()}
        return None, frozenset(faults | found)
    if read.candidate is not None and contest.candidate(read.candidate) is None:
        faults.add("candidate")
    return (None if faults else read), frozenset(faults)


@page(Right.READ_ORDERS)
async def orders_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The orders that a filter leaves, the newest first. 404."""
    store, typed = request.app[LISTED], query_of(request)
    contest = await store.contest(request.match_info["slug"], me.scope)
    read, faults = read_filter(typed, contest, me.zone, me.as_of)
    if "cursor" in faults:
        return say(request, 400, "unreadable", me)
    found = OrderLines(orders=[], cursor=None)
    if read is not None:
        found = await store.listed(contest, me.scope, Part(read, read.cursor))
    query = "" if read is None else read.query()
    return show(
        request,
        me,
        "orders/contest_orders.html",
        status=422 if faults else 200,
        contest=contest,
        phase=contest.phase_at(request.app[VOTING_SERVICE].now()),
        lines=found.orders,
        older=None
        if found.cursor is None
        else "?" + urlencode([*(read.named() if read else {}).items(), ("cursor", found.cursor)]),
        searched_to=found.searched_to,
        first="cursor" not in typed,
        typed={name: "" if name in faults else typed.get(name, "") for name in _FIELDS}
        | _shown(read, me.zone, contest),
        faults=faults,
        query=query,
        months=last_months(contest, request.app[VOTING_SERVICE].now()),
        states=list(OrderState),
        wallets=list(PaymentMethod),
        channels=list(Channel),
        saved=await store.saved(contest, me.scope, me.member.id),
    )


def last_months(contest: Contest, now: datetime) -> list[date]:
    """The first days of the last months in which a contest sold votes, by its clocks, the latest first."""
    first, last = local(contest.opens_at, contest.time_zone), local(min(now, contest.closes_at), contest.time_zone)
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    ends = (last.year * 12 + last.month - 1 - back for back in range(min(count, MONTHS_SHOWN)))
    return [date(month // 12, month % 12 + 1, 1) for month in ends]


def _shown(read: OrderFilter | None, zone: str, contest: Contest) -> dict[str, str]:
    """Instants and amounts as the fields of the page show them."""
    if read is None:
        return {}
    instants = {name: at for name, at in zip(_INSTANTS, (read.since, read.until), strict=True) if at is not None}
    amounts = {name: minor for name, minor in zip(_AMOUNTS, (read.amount_from, read.amount_to), strict=True)}
    return {
        **{name: f"{local(at, zone):%Y-%m-%dT%H:%M:%S}" for name, at in instants.items()},
        **{name: Money(minor, contest.price.currency).plain() for name, minor in amounts.items() if minor is not None},
    }


@form(Right.READ_ORDERS)
async def save_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Save the filter that the page shows under a name. 404."""
    if me.stopped:
        return say(request, 403, "refused_frozen", me)
    store, slug = request.app[LISTED], request.match_info["slug"]
    contest = await store.contest(slug, me.scope)
    name = " ".join(fields.get("name", "").split())[:NAME_LENGTH_MAX]
    read, faults = read_filter(fields, contest, me.zone)
    if read is None or faults or not name:
        return say(request, 422, "unreadable", me)
    saved = await store.save(contest, me.scope, me.member.id, me.email, name, read)
    return see_other(PAGE.format(slug=slug) + ("?" + saved.query if saved.query else ""))


@form(Right.READ_ORDERS)
async def forget_by_page(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Delete a saved filter. 404."""
    store, slug, filter_id = request.app[LISTED], request.match_info["slug"], read_id(request, "filter_id")
    contest = await store.contest(slug, me.scope)
    if filter_id is None:
        return say(request, 404, "unreadable", me)
    await store.forget(contest, me.scope, me.member.id, me.email, filter_id)
    return see_other(PAGE.format(slug=slug))


def setup(app: web.Application) -> None:
    """Serve them. The application needs LISTED, VOTING_SERVICE and mounted pages."""
    router = app.router
    router.add_get(API, listed)
    router.add_get(f"{API}/filters", filters)
    router.add_post(f"{API}/filters", save)
    router.add_delete(f"{API}/filters/{{filterId}}", forget)
    router.add_get(PAGE, orders_page)
    router.add_post(f"{PAGE}/filters", save_by_page)
    router.add_post(f"{PAGE}/filters/{{filter_id}}", forget_by_page)
    # Where a form leads whose sender had to sign in again.
    for address in (f"{PAGE}/filters", f"{PAGE}/filters/{{filter_id}}"):
        router.add_get(address, orders_page)
