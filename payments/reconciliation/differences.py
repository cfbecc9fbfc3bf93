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

    async def groups(self, account: str | None = None) -> Sequence[DifferenceGroup]:
        """Open differences by what is decided alike, the oldest day first."""
        async with self._engine.connect() as connection:
            return [_group(row) for row in await connection.execute(_GROUPS, {"account": account})]

    async def files(self) -> Sequence[ImportedStatement]:
        """The latest imports."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_FILES)
            return [ImportedStatement(**row._mapping) for row in rows]


def group_values(group: Group | None) -> dict[str, Any]:
    """What `IN_GROUP` asks for; all None for no group."""
    names = ("provider", "kind", "wallet", "currency", "day", "sign")
    return {name: None if group is None else getattr(group, name) for name in names}


def _difference(row: Row[Any], request: UUID | None) -> DifferenceLine:
    from_float = row.wallet == Wallet.DISBURSEMENT
    more = {
        "offered": offered(DifferenceKind(row.kind), row.amount_minor, from_float=from_float),
        "reference": row.payment_reference or row.refund_reference or row.payout_reference,
        "line": row.raw or {},
        "request": request,
    }
    return DifferenceLine(**row._mapping, **more)


def _group(row: Row[Any]) -> DifferenceGroup:
    group = Group(row.provider, DifferenceKind(row.kind), row.wallet, row.currency, row.day, row.sign)
    return DifferenceGroup(**row._mapping, key=group.key)
