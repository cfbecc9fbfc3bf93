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

from admin.answers import read_row
from admin.orders.filters import STATUSES, OrderFilter, cursor_of, read_cursor
from admin.orders.store import FoundPayment
from gateway.contests.contest import Contest
from gateway.contests.directory import read_contest
from gateway.http.endpoint import ApiModel
from gateway.orders.store import payer_place
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault, masked_number
from payments.requests import ActRefused, Scope, Why

FILTERS_MAX: Final = 50
_EXPORTED_ROWS: Final = 2_000
# Vote and payment were placed in one transaction: one line is one order.
_LISTED: Final = """
select p.reference, v.id as vote_id, v.placed_at, v.receipt, k.code as candidate_code, k.name as candidate_name,
  v.quantity as votes, v.amount_minor, v.currency, v.channel, p.provider, p.method, {status} as status, p.payer_cipher,
  {confirmed} as confirmed_at, {settled} as settled_at
from votes v join candidates k on k.id = v.candidate_id
  join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
where v.contest_id = :contest and p.contest_id = :contest{clauses}
order by v.placed_at desc, v.id desc limit :limit
"""
_STATUS_THEN: Final = """coalesce((select e.to_status from payment_events e
    where e.reference = p.reference and e.at <= :at order by e.id desc limit 1), 'created')"""
_CLAUSES: Final[Mapping[str, str]] = {
    "since": "v.placed_at >= :since",
    "until": "v.placed_at < :until",
    "candidate": "v.candidate_id = :candidate",
    "channel": "v.channel = :channel",
    "wallet": "p.method = :wallet",
    "amount_from": "v.amount_minor >= :amount_from",
    "amount_to": "v.amount_minor <= :amount_to",
}
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


_NOW: Final = {"status": "p.status", "confirmed": "p.confirmed_at", "settled": "p.settled_at"}
_THEN: Final = {
    "status": _STATUS_THEN,
    "confirmed": "case when p.confirmed_at <= :at then p.confirmed_at end",
    "settled": "case when p.settled_at <= :at then p.settled_at end",
}


class OrderLine(FoundPayment):
    """An order in a list of a contest; its number is masked."""

    method: str = Field(description="How it is paid: MTN_MOBILE_MONEY, ORANGE_MONEY and so on, or CARD.")
    confirmed_at: datetime | None = Field(description="When the operator confirmed the money.")
    settled_at: datetime | None = Field(description="When its votes counted.")


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

    async def listed(self, contest: Contest, scope: Scope, part: Part) -> OrderLines:
        """A part of the orders. Raises ActRefused where the filter names an unknown candidate."""
        statement, values = _asked(contest, part)
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(statement, values)).all()
        lines = [
            read_row(
                OrderLine,
                row,
                contest=contest.slug,
                payer=masked_number(self._vault, row.payer_cipher, payer_place(row.reference)),
            )
            for row in rows[: part.limit]
        ]
        last = lines[-1] if len(rows) > part.limit else None
        return OrderLines(orders=lines, cursor=None if last is None else cursor_of(last.placed_at, last.vote_id))

    async def each(self, contest: Contest, scope: Scope, wanted: OrderFilter) -> AsyncIterator[list[OrderLine]]:
        """All orders, some thousands at a time. No transaction stays open while somebody reads slowly: an order whose
        state changes meanwhile has the state that it has when its part is read. Raises what `listed` raises."""
        part: Part | None = Part(wanted, limit=_EXPORTED_ROWS)
        while part is not None:
            found = await self.listed(contest, scope, part)
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


def _asked(contest: Contest, part: Part) -> tuple[TextClause, dict[str, Any]]:
    """The statement for exactly what is asked for, so that its index is found. Raises ActRefused."""
    wanted, values = part.filter, {"contest": contest.id, "limit": part.limit + 1}
    clauses = []
    for name, clause in _CLAUSES.items():
        value = getattr(wanted, name)
        if value is not None:
            clauses.append(clause)
            values[name] = value
    if wanted.candidate is not None:
        person = contest.candidate(wanted.candidate)
        if person is None:
            raise ActRefused(Why.UNKNOWN, f"there is no candidate {wanted.candidate!r} in {contest.slug}")
        values["candidate"] = person.id
    columns = _NOW if wanted.as_of is None else _THEN
    if wanted.as_of is not None:
        clauses.append("v.placed_at <= :at")
        values["at"] = wanted.as_of
    if wanted.state is not None:
        # As constants: partial indexes are found by what a statement says, not by what it is given.
        words = ", ".join(f"'{word}'" for word in STATUSES[wanted.state])
        clauses.append(f"{columns['status']} in ({words})")
    if part.cursor is not None:
        clauses.append("(v.placed_at, v.id) < (:behind, :behind_vote)")
        values["behind"], values["behind_vote"] = read_cursor(part.cursor)
    return text(_LISTED.format(**columns, clauses="".join(f" and {clause}" for clause in clauses))), values
