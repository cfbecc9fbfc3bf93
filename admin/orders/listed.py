"""Orders of a contest, filtered, the newest first; and the filters that a person saved under a name."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import Field
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.answers import PageOnly, read_row
from admin.orders.filters import STATUSES, OrderFilter, OrderState, cursor_of, read_cursor
from admin.orders.store import FoundPayment
from gateway.contests.contest import Contest
from gateway.contests.directory import read_contest
from gateway.http.endpoint import ApiModel
from gateway.orders.store import payer_place
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault, masked_number, opened_number
from payments.requests import ActRefused, Scope, Why

FILTERS_MAX: Final = 50
_EXPORTED_ROWS: Final = 2_000
# Vote and payment were placed in one transaction: one line is one order. One of them is read in the order of an index,
# and for each of its rows the other one, so that a limit ends it.
_COLUMNS: Final = """
select p.reference, v.id as vote_id, v.placed_at, v.receipt, k.code as candidate_code, k.name as candidate_name,
  v.quantity as votes, v.amount_minor, v.currency, v.channel, p.provider, p.method, {status} as status, p.payer_cipher,
  {confirmed} as confirmed_at, {settled} as settled_at, {received} as received_minor, p.received_currency,
  {fee} as fee_minor, {theirs} as provider_reference"""
_BY_VOTES: Final = f"""{_COLUMNS}
from votes v cross join lateral (
    select * from payments p where p.vote_id = v.id and p.placed_at = v.placed_at{{of_payments}} limit 1) p
  join candidates k on k.id = v.candidate_id
where v.contest_id = :contest{{of_votes}}{{behind_vote}}
order by v.placed_at desc, v.id desc limit :limit
"""
_BY_PAYMENTS: Final = f"""{_COLUMNS}
from {{payments}} p cross join lateral (
    select * from votes v where v.id = p.vote_id and v.placed_at = p.placed_at{{of_votes}} limit 1) v
  join candidates k on k.id = v.candidate_id
where p.contest_id = :contest{{of_payments}}{{behind_payment}}
order by p.placed_at desc, p.vote_id desc limit :limit
"""
# Without the other one where nothing of it is asked for.
_COUNT_VOTES: Final = """select count(*) from (select from votes v{beside}
  where v.contest_id = :contest{of_votes} limit cast(:limit as bigint)) counted"""
_COUNT_PAYMENTS: Final = """select count(*) from (select from {payments} p{beside}
  where p.contest_id = :contest{of_payments} limit cast(:limit as bigint)) counted"""
_ITS_PAYMENT: Final = """ cross join lateral (
    select from payments p where p.vote_id = v.id and p.placed_at = v.placed_at{of_payments} limit 1) p"""
_ITS_VOTE: Final = """ cross join lateral (
    select from votes v where v.id = p.vote_id and v.placed_at = p.placed_at{of_votes} limit 1) v"""
# Few, and each half has an index of its own.
_OPEN: Final = """(select * from payments where contest_id = :contest and status in ('created','sent','pending')
    union all select * from payments where contest_id = :contest and status = 'confirmed')"""
_STATUS_THEN: Final = """coalesce((select e.to_status from payment_events e
    where e.reference = p.reference and e.at <= :as_of order by e.id desc limit 1), 'created')"""
_OF_VOTES: Final[Mapping[str, str]] = {
    "since": "v.placed_at >= :since",
    "until": "v.placed_at < :until",
    "as_of": "v.placed_at <= :as_of",
    "candidate": "v.candidate_id = :candidate",
    "channel": "v.channel = :channel",
    "amount_from": "v.amount_minor >= :amount_from",
    "amount_to": "v.amount_minor <= :amount_to",
}
# What is about both is asked of both: it ends the reading of either.
_OF_PAYMENTS: Final[Mapping[str, str]] = {
    "since": "p.placed_at >= :since",
    "until": "p.placed_at < :until",
    "as_of": "p.placed_at <= :as_of",
    "wallet": "p.method = :wallet",
}
_NARROW: Final = ("candidate", "channel", "amount_from", "amount_to")
_SAVED: Final = text("""
select id, name, query from order_filters where staff_id = :staff and contest_id = :contest order by lower(name), id
""")
_SAVE: Final = text("""
insert into order_filters (id, staff_id, contest_id, name, query) values (:id, :staff, :contest, :name, :query)
on conflict (staff_id, contest_id, name) do update set query = excluded.query returning id
""")
_FORGET: Final = text("""
delete from order_filters where id = :id and staff_id = :staff and contest_id = :contest returning name
""")


_NOW: Final[Mapping[str, str]] = {
    "status": "p.status",
    "confirmed": "p.confirmed_at",
    "settled": "p.settled_at",
    "received": "p.received_minor",
    "fee": "p.fee_minor",
    "theirs": "p.provider_reference",
}
# What is overwritten and has no date is not shown of the past.
_THEN: Final[Mapping[str, str]] = {
    "status": _STATUS_THEN,
    "confirmed": "case when p.confirmed_at <= :as_of then p.confirmed_at end",
    "settled": "case when p.settled_at <= :as_of then p.settled_at end",
    "received": "case when p.confirmed_at <= :as_of then p.received_minor end",
    "fee": "case when p.settled_at <= :as_of then p.fee_minor end",
    "theirs": "null::text",
}


class OrderLine(FoundPayment):
    """An order in a list of a contest; its number is masked."""

    method: str = Field(description="How it is paid: MTN_MOBILE_MONEY, ORANGE_MONEY and so on, or CARD.")
    confirmed_at: datetime | None = Field(description="When the operator confirmed the money.")
    settled_at: datetime | None = Field(description="When its votes counted.")
    received_minor: PageOnly[int | None]
    received_currency: PageOnly[str | None]
    fee_minor: PageOnly[int | None]
    provider_reference: PageOnly[str | None]


class OrderLines(ApiModel):
    """Orders of a contest, the newest first."""

    orders: list[OrderLine]
    cursor: str | None = Field(description="Ask with it for the orders before these; null where there are none.")


class SavedFilter(ApiModel):
    """A filter that a person saved. `query`: as the end of an address."""

    id: UUID
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list."""

    filter: OrderFilter
    cursor: str | None = None
    limit: int = 50


class ListedOrders:
    """Orders of contests within a scope. What belongs to another organiser raises ActRefused like what is not there."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def contest(self, slug: str, scope: Scope) -> Contest:
        """The contest. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            found = await read_contest(connection, slug, scope)
        if found is None:
            raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
        return found

    async def listed(self, contest: Contest, scope: Scope, part: Part, *, whole: bool = False) -> OrderLines:
        """A part of the orders. `whole`: with whole numbers. Raises ActRefused where the filter names an unknown
        candidate."""
        statement, values = _asked(contest, part)
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(statement, values)).all()
        number = opened_number if whole else masked_number
        lines = [
            read_row(
                OrderLine,
                row,
                contest=contest.slug,
                payer=number(self._vault, row.payer_cipher, payer_place(row.reference)),
            )
            for row in rows[: part.limit]
        ]
        last = lines[-1] if len(rows) > part.limit else None
        return OrderLines(orders=lines, cursor=None if last is None else cursor_of(last.placed_at, last.vote_id))

    async def count(self, contest: Contest, scope: Scope, wanted: OrderFilter, at_most: int | None = None) -> int:
        """How many orders a filter leaves. `at_most`: no more are counted. Raises what `listed` raises."""
        statement, values = _asked_how_many(contest, wanted, at_most)
        async with scoped(self._engine, scope) as connection:
            return int((await connection.execute(statement, values)).scalar_one())

    async def each(
        self, contest: Contest, scope: Scope, wanted: OrderFilter, *, whole: bool = False
    ) -> AsyncIterator[list[OrderLine]]:
        """All orders, some thousands at a time. No transaction stays open while somebody reads slowly: an order whose
        state changes meanwhile has the state that it has when its part is read. Raises what `listed` raises."""
        part: Part | None = Part(wanted, limit=_EXPORTED_ROWS)
        while part is not None:
            found = await self.listed(contest, scope, part, whole=whole)
            yield found.orders
            part = None if found.cursor is None else replace(part, cursor=found.cursor)

    async def saved(self, contest: Contest, scope: Scope, staff: UUID) -> list[SavedFilter]:
        """The filters that a person saved for a contest, by name."""
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_SAVED, {"staff": staff, "contest": contest.id})
            return [read_row(SavedFilter, row) for row in rows]

    async def save(
        self, contest: Contest, scope: Scope, staff: UUID, person: str, name: str, wanted: OrderFilter
    ) -> SavedFilter:
        """Save a filter under a name; one of that name is replaced. Raises ActRefused where there are too many."""
        query = wanted.query()
        of = {"staff": staff, "contest": contest.id}
        async with scoped(self._engine, scope) as connection:
            held = [row.name for row in await connection.execute(_SAVED, of)]
            if name not in held and len(held) >= FILTERS_MAX:
                raise ActRefused(Why.IMPOSSIBLE, f"there may be {FILTERS_MAX} saved filters")
            made = (await connection.execute(_SAVE, {"id": uuid4(), "name": name, "query": query, **of})).scalar_one()
            await note(connection, actor=person, act="filter.saved", subject=contest.slug, detail={"name": name})
        return SavedFilter(id=made, name=name, query=query)

    async def forget(self, contest: Contest, scope: Scope, staff: UUID, person: str, filter_id: UUID) -> None:
        """Delete a saved filter. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            asked = {"id": filter_id, "staff": staff, "contest": contest.id}
            name = (await connection.execute(_FORGET, asked)).scalar_one_or_none()
            if name is None:
                raise ActRefused(Why.UNKNOWN, f"there is no filter {filter_id}")
            await note(connection, actor=person, act="filter.deleted", subject=contest.slug, detail={"name": name})


LISTED: web.AppKey[ListedOrders] = web.AppKey("listed_orders", ListedOrders)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A filter as the clauses of a statement and what they compare with."""

    values: dict[str, Any]
    of_votes: str
    of_payments: str
    payments: str


def _read(contest: Contest, wanted: OrderFilter) -> _Asked:
    """Raises ActRefused."""
    named = {name: value for name in (*_OF_VOTES, *_OF_PAYMENTS) if (value := getattr(wanted, name)) is not None}
    values: dict[str, Any] = {"contest": contest.id, **named}
    if wanted.candidate is not None:
        person = contest.candidate(wanted.candidate)
        if person is None:
            raise ActRefused(Why.UNKNOWN, f"there is no candidate {wanted.candidate!r} in {contest.slug}")
        values["candidate"] = person.id
    of_votes = [clause for name, clause in _OF_VOTES.items() if name in named]
    of_payments = [clause for name, clause in _OF_PAYMENTS.items() if name in named]
    if wanted.state is not None:
        # As constants: partial indexes are found by what a statement says, not by what it is given.
        words = ", ".join(f"'{status.value}'" for status in STATUSES[wanted.state])
        of_payments.append(f"p.status in ({words})")
    return _Asked(
        values,
        of_votes="".join(f" and {clause}" for clause in of_votes),
        of_payments="".join(f" and {clause}" for clause in of_payments),
        payments=_OPEN if wanted.state is OrderState.OPEN else "payments",
    )


def _asked(contest: Contest, part: Part) -> tuple[TextClause, dict[str, Any]]:
    """The statement for exactly what is asked for, so that its index is found. Raises ActRefused."""
    wanted, columns = part.filter, _NOW if part.filter.as_of is None else _THEN
    asked = _read(contest, wanted)
    values = asked.values | {"limit": part.limit + 1}
    behind = {"behind_vote": "", "behind_payment": ""}
    if part.cursor is not None:
        values["behind_at"], values["behind_id"] = read_cursor(part.cursor)
        behind = {
            "behind_vote": " and (v.placed_at, v.id) < (:behind_at, :behind_id)",
            "behind_payment": " and (p.placed_at, p.vote_id) < (:behind_at, :behind_id)",
        }
    statement = (_BY_PAYMENTS if _by_payments(wanted) else _BY_VOTES).format(
        **columns, **behind, of_votes=asked.of_votes, of_payments=asked.of_payments, payments=asked.payments
    )
    return text(statement), values


def _asked_how_many(contest: Contest, wanted: OrderFilter, at_most: int | None) -> tuple[TextClause, dict[str, Any]]:
    """The same for their number."""
    asked = _read(contest, wanted)
    if _by_payments(wanted):
        counted, beside = _COUNT_PAYMENTS, _ITS_VOTE if _names(wanted, *_NARROW) else ""
    else:
        counted, beside = _COUNT_VOTES, _ITS_PAYMENT if _names(wanted, "state", "wallet") else ""
    of = {"of_votes": asked.of_votes, "of_payments": asked.of_payments}
    statement = counted.format(beside=beside.format(**of), payments=asked.payments, **of)
    return text(statement), asked.values | {"limit": at_most}


def _names(wanted: OrderFilter, *names: str) -> bool:
    """Whether a filter asks for any of these."""
    return any(getattr(wanted, name) is not None for name in names)


def _by_payments(wanted: OrderFilter) -> bool:
    """Whether fewer rows are read in the order of payments."""
    if wanted.state not in (None, OrderState.COUNTED):
        return True
    return wanted.wallet is not None and not _names(wanted, *_NARROW)
