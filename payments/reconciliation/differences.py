"""Differences between statements and book: listed, and grouped by what is decided alike."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.http.endpoint import ApiModel
from payments.ledger.differences import DifferenceKind
from payments.provider import Wallet
from payments.reconciliation.rules import Group, offered


class DifferenceLine(ApiModel):
    """A difference between a statement and the book."""

    id: int
    provider: str
    kind: str
    amount_minor: int = Field(
        serialization_alias="amount",
        title="Amount",
        description="By how much the operator holds more than the book says.",
    )
    currency: str
    wallet: str
    detail: str
    found_at: datetime
    status: str
    offered: list[str]
    reference: UUID | None
    line: dict[str, str] = Field(description="Cells of the statement's line, numbers masked.")
    request: UUID | None = Field(description="A request about it that waits or is being done.")
    resolution: str | None
    note: str | None
    resolved_by: str | None


class DifferenceGroup(ApiModel):
    """Open differences that are decided alike."""

    key: str = Field(description="The subject of a request about all of them.")
    provider: str
    kind: str
    wallet: str
    currency: str
    day: date
    count: int
    amount: int
    asked: int = Field(description="So many are in a request that waits.")


class ImportedStatement(ApiModel):
    """A statement that was imported. Its id is the subject of a request to take it back."""

    id: UUID
    provider: str
    name: str
    lines: int
    imported_by: str
    imported_at: datetime
    undone_at: datetime | None
    open: int = Field(description="Its open differences.")


# Differences of requests that may still be carried out. The rows themselves are not written until they are decided.
_ACTIVE: Final = """difference_requests a join staff_requests q on q.id = a.request_id and (q.status = 'approved'
    or q.status = 'waiting' and q.requested_at > now() - interval '24 hours')"""
ASKED: Final = f"(select unnest(a.differences) from {_ACTIVE})"
DAY: Final = "cast(coalesce(l.at, d.found_at) at time zone 'UTC' as date)"
_REQUESTS: Final = text(f"""
select id, request_id from (select unnest(a.differences) as id, a.request_id from {_ACTIVE}) r
where id = any(cast(:ids as bigint[]))
""")
_WHOLE: Final = "select d.*, l.raw from differences d left join statement_lines l on l.id = d.line_id"
IN_GROUP: Final = f"""(d.provider = cast(:provider as text) and d.kind = cast(:kind as text)
    and d.wallet = cast(:wallet as text) and d.currency = cast(:currency as text)
    and sign(d.amount_minor) = cast(:sign as integer) and {DAY} = cast(:day as date))"""
_OF_ACCOUNT: Final = "(cast(:account as text) is null or d.provider = :account) order by d.id limit :limit"
_LISTED: Final = text(f"{_WHOLE} where {_OF_ACCOUNT}")
_LISTED_OPEN: Final = text(f"{_WHOLE} where d.status = 'open' and {_OF_ACCOUNT}")
# Nothing about a difference is written before it is decided, and then when. One that an import's undoing opened again
# was open all the while.
_LISTED_THEN: Final = text(f"""
select d.id, d.provider, d.kind, d.amount_minor, d.currency, d.wallet, d.detail, d.found_at, d.payment_reference,
  d.refund_reference, d.payout_reference, l.raw, case when o.over then d.status else 'open' end as status,
  case when o.over then d.resolution end as resolution, case when o.over then d.note end as note,
  case when o.over then d.resolved_by end as resolved_by
from differences d left join statement_lines l on l.id = d.line_id
  cross join lateral (select coalesce(d.resolved_at <= :at, false) as over) o
where d.found_at <= :at and (not :open_only or not o.over) and {_OF_ACCOUNT}
""")
_LISTED_GROUP: Final = text(f"{_WHOLE} where d.status = 'open' and {IN_GROUP} order by d.id limit :limit")
_GROUPS: Final = text(f"""
select d.provider, d.kind, d.wallet, d.currency, {DAY} as day, cast(sign(d.amount_minor) as integer) as sign,
  count(*) as count, sum(d.amount_minor) as amount,
  count(*) filter (where d.id in {ASKED}) as asked
from differences d left join statement_lines l on l.id = d.line_id
where d.status = 'open' and (cast(:account as text) is null or d.provider = :account)
group by 1, 2, 3, 4, 5, 6 order by 5, 1, 2, 3, 4, 6 limit 500
""")
_FILES: Final = text("""
select f.id, f.provider, f.name, f.lines, f.imported_by, f.imported_at, f.undone_at,
  (select count(*) from differences d join statement_lines l on l.id = d.line_id
    where l.file_id = f.id and d.status = 'open') as open
from statement_files f order by f.imported_at desc limit 50
""")
_FILES_THEN: Final = text("""
select f.id, f.provider, f.name, f.lines, f.imported_by, f.imported_at,
  case when f.undone_at <= :at then f.undone_at end as undone_at,
  (select count(*) from differences d join statement_lines l on l.id = d.line_id
    where l.file_id = f.id and d.found_at <= :at and (d.resolved_at is null or d.resolved_at > :at)) as open
from statement_files f where f.imported_at <= :at order by f.imported_at desc limit 50
""")


class Differences:
    """Reads differences; what is decided about them is in `payments.reconciliation.difference_acts`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def differences(
        self, *, open_only: bool = True, account: str | None = None, group: Group | None = None, limit: int = 500
    ) -> Sequence[DifferenceLine]:
        """The oldest differences."""
        asked = {"account": account, "limit": limit, **group_values(group)}
        listed = _LISTED_OPEN if open_only else _LISTED
        wanted = listed if group is None else _LISTED_GROUP
        async with self._engine.connect() as connection:
            rows = (await connection.execute(wanted, asked)).all()
            found = await connection.execute(_REQUESTS, {"ids": [row.id for row in rows]})
            requests = {row.id: row.request_id for row in found}
            return [_difference(row, requests.get(row.id)) for row in rows]

    async def differences_then(
        self, at: datetime, *, open_only: bool = True, account: str | None = None, limit: int = 500
    ) -> Sequence[DifferenceLine]:
        """The oldest differences that were found by a moment, as they stood then. Requests about them are left out."""
        asked = {"at": at, "open_only": open_only, "account": account, "limit": limit}
        async with self._engine.connect() as connection:
            return [_difference(row, None, ()) for row in await connection.execute(_LISTED_THEN, asked)]

    async def groups(self, account: str | None = None) -> Sequence[DifferenceGroup]:
        """Open differences by what is decided alike, the oldest day first."""
        async with self._engine.connect() as connection:
            return [_group(row) for row in await connection.execute(_GROUPS, {"account": account})]

    async def files(self, at: datetime | None = None) -> Sequence[ImportedStatement]:
        """The latest imports; `at` a moment: by then."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_FILES if at is None else _FILES_THEN, {} if at is None else {"at": at})
            return [ImportedStatement(**row._mapping) for row in rows]


def group_values(group: Group | None) -> dict[str, Any]:
    """What `IN_GROUP` asks for; all None for no group."""
    names = ("provider", "kind", "wallet", "currency", "day", "sign")
    return {name: None if group is None else getattr(group, name) for name in names}


def _difference(row: Row[Any], request: UUID | None, repairs: Sequence[str] | None = None) -> DifferenceLine:
    """`repairs`: what may be decided, None: by its kind."""
    from_float = row.wallet == Wallet.DISBURSEMENT
    if repairs is None:
        repairs = offered(DifferenceKind(row.kind), row.amount_minor, from_float=from_float)
    more = {
        "offered": repairs,
        "reference": row.payment_reference or row.refund_reference or row.payout_reference,
        "line": row.raw or {},
        "request": request,
    }
    return DifferenceLine(**row._mapping, **more)


def _group(row: Row[Any]) -> DifferenceGroup:
    group = Group(row.provider, DifferenceKind(row.kind), row.wallet, row.currency, row.day, row.sign)
    return DifferenceGroup(**row._mapping, key=group.key)
