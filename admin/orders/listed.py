"""Orders of a contest, filtered, the newest first; and the filters that a person saved under a name."""

from collections.abc import AsyncIterator, Mapping, Sequence
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
# So many orders are looked at for a part of a list: a filter that leaves few needs no index of its own, which each
# order would pay for.
LOOKED_AT: Final = 10_000
# The same where what an order had become by then is looked up for each.
LOOKED_UP: Final = 3_000
# Few enough that nobody else in the process waits long for them.
_EXPORTED_ROWS: Final = 250
# Vote and payment were placed in one transaction: one line is one order. One of them is read in the order of an index,
# and for each of its rows the other one, so that a limit ends it.
_COLUMNS: Final = """
select p.reference, v.id as vote_id, v.placed_at, v.receipt, k.code as candidate_code, k.name as candidate_name,
  v.quantity as votes, v.amount_minor, v.currency, v.channel, p.provider, p.method, {status} as status, p.payer_cipher,
  {confirmed} as confirmed_at, {settled} as settled_at, {received} as received_minor, p.received_currency,
  {fee} as fee_minor, {theirs} as provider_reference"""
_BY_VOTES: Final = f"""{_COLUMNS}
from ({{looked_at}} limit :look) v cross join lateral (
    select * from payments p where p.vote_id = v.id and p.placed_at = v.placed_at{{of_payments}} limit 1) p
  join candidates k on k.id = v.candidate_id
where true{{of_votes}}
order by v.placed_at desc, v.id desc limit :limit
"""
_LOOKED_AT: Final = """select {columns} from votes v where v.contest_id = :contest{of_looked}{behind_vote}
  order by v.placed_at desc, v.id desc"""
_BY_PAYMENTS: Final = f"""{_COLUMNS}
from {{payments}} p cross join lateral (
    select * from votes v where v.id = p.vote_id and v.placed_at = p.placed_at{{of_votes}} limit 1) v
  join candidates k on k.id = v.candidate_id
where p.contest_id = :contest{{of_payments}}{{behind_payment}}
order by p.placed_at desc, p.vote_id desc limit :limit
"""
_COUNT_VOTES: Final = """select count(*) from votes v{beside} where v.contest_id = :contest{of_votes}"""
_COUNT_PAYMENTS: Final = """select count(*) from {payments} p{beside} where p.contest_id = :contest{of_payments}"""
_COUNT_LOOKED: Final = """select count(*) from (
  select from votes v where v.contest_id = :contest{of_looked} order by v.placed_at desc, v.id desc limit :at_most
) counted"""
# Without the other one where nothing of it is asked for.
_ITS_PAYMENT: Final = """ cross join lateral (
    select from payments p where p.vote_id = v.id and p.placed_at = v.placed_at{of_payments} limit 1) p"""
_ITS_VOTE: Final = """ cross join lateral (
    select from votes v where v.id = p.vote_id and v.placed_at = p.placed_at{of_votes} limit 1) v"""
# Few, and each half has an index of its own.
_OPEN: Final = """(select * from payments where contest_id = :contest and status in ('created','sent','pending')
    union all select * from payments where contest_id = :contest and status = 'confirmed')"""
_STATUS_THEN: Final = """coalesce((select e.to_status from payment_events e
    where e.reference = p.reference and e.at <= :as_of order by e.id desc limit 1), 'created')"""
# What is given back stays so: a payment that was on its way there, or there, is in one of these states now.
_GIVEN_BACK: Final = tuple(f"p.status = '{state}'" for state in ("surplus", "mismatched", "refund_due", "refunded"))
# Where few orders can have had a state, what they are found by. One that was held has a time to decide until it is
# given back, but where it was held before there was such a time.
_FEW_THEN: Final[Mapping[OrderState, Sequence[str]]] = {
    OrderState.HELD: (
        "p.decide_by is not null",
        *(f"{clause} and p.decide_by is null" for clause in ("p.status = 'held'", *_GIVEN_BACK[2:])),
    ),
    OrderState.TO_REFUND: _GIVEN_BACK,
    OrderState.REFUNDED: _GIVEN_BACK[3:],
}
_LOOKED_AT_THEN: Final = """(select * from payments p where p.contest_id = :contest and {clause}{span}{behind}
    order by p.placed_at desc, p.vote_id desc limit :look)"""
# An index has these, so that all that is looked at fits.
_OF_LOOKED: Final[Mapping[str, str]] = {
    "since": "v.placed_at >= :since",
    "until": "v.placed_at < :until",
    "as_of": "v.placed_at <= :as_of",
    "candidate": "v.candidate_id = :candidate",
}
_OF_VOTES: Final[Mapping[str, str]] = {
    "channel": "v.channel = :channel",
    "amount_from": "v.amount_minor >= :amount_from",
    "amount_to": "v.amount_minor <= :amount_to",
}
# The same of payments, where these are read first.
_SPAN: Final = {name: _OF_LOOKED[name].replace("v.", "p.") for name in ("since", "until", "as_of")}
_OF_PAYMENTS: Final[Mapping[str, str]] = {
    "wallet": "p.method = :wallet",
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
    """Orders of a contest, the newest first. A filter that leaves few gives parts of fewer orders than were asked for,
    also of none, as long as there is a cursor."""

    orders: list[OrderLine]
    cursor: str | None = Field(description="Ask with it for the orders before these; null where there are none.")
    searched_to: PageOnly[datetime | None] = None


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
        asked = _asked(contest, part)
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(asked.rows, asked.values)).all()
            end = None
            if asked.end is not None and len(rows) <= part.limit:
                end = (await connection.execute(asked.end, asked.values)).one_or_none()
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
        if len(rows) > part.limit:
            return OrderLines(orders=lines, cursor=cursor_of(lines[-1].placed_at, lines[-1].vote_id))
        if end is not None:
            return OrderLines(orders=lines, cursor=cursor_of(end.placed_at, end.id), searched_to=end.placed_at)
        return OrderLines(orders=lines, cursor=None)

    async def count(self, contest: Contest, scope: Scope, wanted: OrderFilter) -> int:
        """How many orders a filter leaves; looks at all of them. Raises what `listed` raises."""
        statement, values = _asked_how_many(contest, wanted)
        async with scoped(self._engine, scope) as connection:
            return int((await connection.execute(statement, values)).scalar_one())

    async def count_looked_at(self, contest: Contest, scope: Scope, wanted: OrderFilter, at_most: int) -> int:
        """How many orders are looked at for those that a filter leaves; `at_most` where there are more. Raises what
        `listed` raises."""
        asked = _read(contest, wanted)
        statement = text(_COUNT_LOOKED.format(of_looked=asked.of_looked))
        async with scoped(self._engine, scope) as connection:
            found = await connection.execute(statement, {**asked.values, "at_most": at_most})
            return int(found.scalar_one())

    async def each(
        self, contest: Contest, scope: Scope, wanted: OrderFilter, *, whole: bool = False
    ) -> AsyncIterator[list[OrderLine]]:
        """All orders, some hundreds at a time. No transaction stays open while somebody reads slowly: an order whose
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
    """A filter as the clauses of a statement and what they compare with. `of_looked`: those that an index has; `span`:
    those of time, of payments."""

    values: dict[str, Any]
    of_looked: str
    of_votes: str
    of_payments: str
    span: str
    payments: str

    @property
    def whole(self) -> bool:
        """Whether all that is looked at is left."""
        return not self.of_votes and not self.of_payments


@dataclass(frozen=True, slots=True)
class _Statement:
    """`end`: finds the last order that `rows` looks at, where there may be more behind it."""

    rows: TextClause
    end: TextClause | None
    values: Mapping[str, Any]


def _read(contest: Contest, wanted: OrderFilter) -> _Asked:
    """Raises ActRefused."""
    known = (*_OF_LOOKED, *_OF_VOTES, *_OF_PAYMENTS)
    named = {name: value for name in known if (value := getattr(wanted, name)) is not None}
    values: dict[str, Any] = {"contest": contest.id, **named}
    if wanted.candidate is not None:
        person = contest.candidate(wanted.candidate)
        if person is None:
            raise ActRefused(Why.UNKNOWN, f"there is no candidate {wanted.candidate!r} in {contest.slug}")
        values["candidate"] = person.id
    of_looked, of_votes, of_payments, span = (
        "".join(f" and {clause}" for name, clause in clauses.items() if name in named)
        for clauses in (_OF_LOOKED, _OF_VOTES, _OF_PAYMENTS, _SPAN)
    )
    if wanted.state is not None:
        # As constants: partial indexes are found by what a statement says, not by what it is given.
        words = ", ".join(f"'{status.value}'" for status in STATUSES[wanted.state])
        of_payments += f" and {'p.status' if wanted.as_of is None else _STATUS_THEN} in ({words})"
        if wanted.state is OrderState.OPEN and wanted.as_of is not None:
            # Compared first: most were counted by then, and their steps need not be read.
            of_payments = f" and (p.settled_at is null or p.settled_at > :as_of){of_payments}"
    payments = _OPEN if wanted.state is OrderState.OPEN else "payments"
    return _Asked(values, of_looked, of_votes, of_payments, span, payments)


def _asked(contest: Contest, part: Part) -> _Statement:
    """The statement for exactly what is asked for, so that its index is found. Raises ActRefused."""
    wanted, columns = part.filter, _NOW if part.filter.as_of is None else _THEN
    asked = _read(contest, wanted)
    values = asked.values | {"limit": part.limit + 1}
    behind_vote = behind_payment = ""
    if part.cursor is not None:
        values["behind_at"], values["behind_id"] = read_cursor(part.cursor)
        behind_vote = " and (v.placed_at, v.id) < (:behind_at, :behind_id)"
        behind_payment = " and (p.placed_at, p.vote_id) < (:behind_at, :behind_id)"
    if wanted.as_of is not None and wanted.state is not None and wanted.state in _FEW_THEN:
        parts = " union all ".join(
            _LOOKED_AT_THEN.format(clause=clause, span=asked.span, behind=behind_payment)
            for clause in _FEW_THEN[wanted.state]
        )
        looked_at = f"select * from ({parts}) p order by p.placed_at desc, p.vote_id desc limit :look"
        statement = _BY_PAYMENTS.format(
            **columns,
            payments=f"({looked_at})",
            of_votes=asked.of_looked + asked.of_votes,
            of_payments=asked.of_payments,
            behind_payment="",
        )
        end = f"select placed_at, vote_id as id from ({looked_at}) p offset cast(:look as bigint) - 1 limit 1"
        return _Statement(text(statement), text(end), {**values, "look": LOOKED_AT})
    if _by_payments(wanted):
        statement = _BY_PAYMENTS.format(
            **columns,
            payments=asked.payments,
            of_votes=asked.of_looked + asked.of_votes,
            of_payments=asked.of_payments + asked.span,
            behind_payment=behind_payment,
        )
        return _Statement(text(statement), None, values)
    looked = {"of_looked": asked.of_looked, "behind_vote": behind_vote}
    statement = _BY_VOTES.format(
        **columns,
        looked_at=_LOOKED_AT.format(columns="*", **looked),
        of_votes=asked.of_votes,
        of_payments=asked.of_payments,
    )
    if asked.whole:
        return _Statement(text(statement), None, {**values, "look": part.limit + 1})
    end = _LOOKED_AT.format(columns="v.placed_at, v.id", **looked) + " offset cast(:look as bigint) - 1 limit 1"
    look = LOOKED_AT if wanted.as_of is None or wanted.state is None else LOOKED_UP
    return _Statement(text(statement), text(end), {**values, "look": look})


def _asked_how_many(contest: Contest, wanted: OrderFilter) -> tuple[TextClause, dict[str, Any]]:
    """The statement for their number. Raises ActRefused."""
    asked = _read(contest, wanted)
    of = {"of_votes": asked.of_looked + asked.of_votes, "of_payments": asked.of_payments + asked.span}
    if _by_payments(wanted):
        counted, beside = _COUNT_PAYMENTS, _ITS_VOTE if of["of_votes"] else ""
    else:
        counted, beside = _COUNT_VOTES, _ITS_PAYMENT if wanted.state or wanted.wallet else ""
    statement = counted.format(beside=beside.format(**of), payments=asked.payments, **of)
    return text(statement), asked.values


def _by_payments(wanted: OrderFilter) -> bool:
    """Whether fewer rows are read in the order of payments."""
    return wanted.as_of is None and wanted.state not in (None, OrderState.COUNTED)
