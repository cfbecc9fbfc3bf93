"""Undoing the import of a statement as a whole, while nothing was decided on it.

Nothing is deleted: the file is marked, its lines stay as they were read under a key of their own and match nothing any
more, its fees are booked back, its differences end. Comparing again then uses the other files.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.audit_log import note
from gateway.values.money import Money
from payments.ledger.audit import RESTATED
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import Account, moved
from payments.reconciliation.differences import ASKED
from payments.reconciliation.store import one_pass
from payments.request_store import carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, StaffRequest, Why, subject_id

UNDONE: Final = "undone"
_FILE: Final = text("select * from statement_files where id = :file for update")
_COUNTS: Final = text("""
select count(*) as lines, count(l.matched_reference) filter (where l.matched_at is not null) as matched,
  (select count(*) from differences d join statement_lines o on o.id = d.line_id
    where o.file_id = :file and d.status = 'open') as open
from statement_lines l where l.file_id = :file
""")
_FEES: Final = text("""
select p.account, p.contest_id, p.currency, sum(l.fee_booked_minor) as minor
from statement_lines l join postings p on p.tx = l.fee_tx and p.amount_minor < 0
where l.file_id = :file and l.fee_booked_minor > 0 group by 1, 2, 3 order by 1, 2, 3
""")
_AGAINST: Final = text(f"""
select
  (select count(*) from differences d left join statement_lines l on l.id = d.line_id
    where d.provider = :provider and (l.file_id = :file or d.kind = 'missing_there' and d.found_at >= :at)
      and d.status = 'resolved' and d.resolved_by <> 'spotlight') as decided,
  (select count(*) from differences d left join statement_lines l on l.id = d.line_id
    where d.provider = :provider and (l.file_id = :file or d.kind = 'missing_there' and d.found_at >= :at)
      and d.status = 'open' and d.id in {ASKED}) as asked,
  (select count(*) from statement_lines l where l.file_id = :file and l.matched_at is not null and l.fee_minor > 0
    and l.fee_booked_minor is null) as unknown_fees,
  (select string_agg(f.name, ', ' order by f.imported_at desc) from statement_files f
    where f.provider = :provider and f.undone_at is null and f.imported_at > :at and f.lines > (
      select count(*) from statement_lines l where l.file_id = f.id
        and not starts_with(l.line_key, '{RESTATED}'))) as leaning
""")
_OF_OURS: Final = "coalesce(d.dispute_reference, d.payment_reference, d.refund_reference, d.payout_reference)"
_OF_FILE: Final = """select matched_reference from statement_lines
    where file_id = :file and matched_reference is not null"""
_END: Final = text("""
update differences d set status = 'undone', resolution = 'undone', note = :note, resolved_by = 'spotlight',
  resolved_at = now() from statement_lines l
where l.id = d.line_id and l.file_id = :file and d.status in ('open', 'resolved')
""")
# A line of another file that was a second one beside a line of this file is judged anew.
_DOUBLES: Final = text(f"""
with second as (
  update differences d set status = 'undone', resolution = 'undone', note = :note, resolved_by = 'spotlight',
    resolved_at = now() from statement_lines l
  where l.id = d.line_id and d.kind = 'double' and d.status = 'open' and l.file_id <> :file
    and l.matched_reference in ({_OF_FILE}) and d.id not in {ASKED}
  returning d.line_id)
update statement_lines l set matched_reference = null, matched_by = null, matched_at = null
from second s where l.id = s.line_id
""")
_OPEN_AGAIN: Final = text(f"""
update differences d set status = 'open', resolution = null, resolved_by = null, resolved_at = null
where d.provider = :provider and d.kind = 'missing_there' and d.status = 'resolved' and d.resolution = 'came_in'
  and {_OF_OURS} in ({_OF_FILE})
  and not exists (select 1 from statement_lines o where o.file_id <> :file and o.matched_at is not null
    and o.matched_reference = {_OF_OURS})
""")
_RELEASE: Final = text(f"""
update statement_lines set line_key = '{UNDONE}:' || id || ':' || line_key, matched_reference = null,
  matched_by = '{UNDONE}', matched_at = now() where file_id = :file
""")
_MARK: Final = text("update statement_files set undone_at = now(), undone_by = :request where id = :file")
# What no other file covers is no longer missing on one.
_UNCOVERED: Final = text(f"""
update differences d set status = 'undone', resolution = 'undone', note = :note, resolved_by = 'spotlight',
  resolved_at = now()
where d.provider = :provider and d.kind = 'missing_there' and d.status = 'open' and d.amount_minor <> 0
  and d.id not in {ASKED} and not exists (
    select 1 from statement_files f left join disputes t on t.reference = d.dispute_reference
      left join payments p on p.reference = d.payment_reference
      left join refunds r on r.reference = d.refund_reference left join payouts o on o.reference = d.payout_reference
    where f.provider = d.provider and f.undone_at is null
      and coalesce(t.opened_at, p.placed_at, r.sent_at, o.sent_at) >= f.first_at
      and coalesce(t.closed_at, p.confirmed_at, r.done_at, o.done_at) <= f.last_at)
""")


async def freeze_undo(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """What undoing an import would change. Raises ActRefused."""
    file = await _undoable(connection, request.subject)
    counts = (await connection.execute(_COUNTS, {"file": file.id})).one()
    fees = (await connection.execute(_FEES, {"file": file.id})).all()
    return {
        "account": file.provider,
        "file": file.name,
        "imported_by": file.imported_by,
        "imported_at": file.imported_at.isoformat(),
        "lines": counts.lines,
        "matched": counts.matched,
        "differences": counts.open,
        "fees": ", ".join(f"{Money(int(fee.minor), fee.currency).plain()} {fee.currency}" for fee in fees),
    }


class UndoImport:
    """Imports that two persons agreed to undo."""

    def __init__(self, engine: AsyncEngine, compare: Callable[[str], Awaitable[None]]) -> None:
        """`compare`: an account's lines once more, after one of its imports was undone."""
        self._engine = engine
        self._compare = compare

    async def undo(self, request: StaffRequest) -> Executed:
        """Undo an import, once. Raises ActRefused."""
        outcome = await carry_out_once(self._engine, request, _undo)
        await self._compare(str(request.preview["account"]))
        return Executed(outcome)


async def _undo(connection: AsyncConnection, request: StaffRequest) -> str:
    await one_pass(connection)
    file = await _undoable(connection, request.subject)
    counts = (await connection.execute(_COUNTS, {"file": file.id})).one()
    await _book_back(connection, file)
    asked = {"file": file.id, "provider": file.provider, "note": f"request {request.id}"}
    for statement in (_END, _DOUBLES, _OPEN_AGAIN, _RELEASE):
        await connection.execute(statement, asked)
    await connection.execute(_MARK, {"file": file.id, "request": request.id})
    await connection.execute(_UNCOVERED, asked)
    detail = {
        "file": str(file.id),
        "name": file.name,
        "lines": counts.lines,
        "request": str(request.id),
        "requested_by": request.requested_by,
        "approved_by": request.decided_by,
    }
    await note(connection, actor=request.requested_by, act="reconcile.undone", subject=file.provider, detail=detail)
    return f"{file.name} is undone: {counts.lines} lines, {counts.open} open differences"


async def _undoable(connection: AsyncConnection, subject: str) -> Row[Any]:
    """The import, locked. Raises ActRefused where it cannot be undone."""
    file = (await connection.execute(_FILE, {"file": subject_id(subject, "import")})).one_or_none()
    if file is None:
        raise ActRefused(Why.UNKNOWN, f"there is no import {subject}")
    if file.undone_at is not None:
        raise ActRefused(Why.DECIDED, f"{file.name} is undone already")
    values = {"file": file.id, "provider": file.provider, "at": file.imported_at}
    against = (await connection.execute(_AGAINST, values)).one()
    if against.decided:
        raise ActRefused(Why.IMPOSSIBLE, f"{against.decided} of its differences are decided")
    if against.asked:
        raise ActRefused(
            Why.IMPOSSIBLE, f"{against.asked} of its differences wait for a decision: turn that down first"
        )
    if against.leaning:
        raise ActRefused(Why.IMPOSSIBLE, f"later files have lines of it: undo these first: {against.leaning}")
    if against.unknown_fees:
        raise ActRefused(Why.IMPOSSIBLE, "its fees were booked before they were kept line by line")
    return file


async def _book_back(connection: AsyncConnection, file: Row[Any]) -> None:
    """What was booked of its fees, the other way round."""
    entries = []
    for fee in (await connection.execute(_FEES, {"file": file.id})).all():
        legs = moved(Money(int(fee.minor), fee.currency), Account.OPERATOR_FEE, Account(fee.account))
        entries.append((LedgerEntry(uuid4(), fee.contest_id, f"import {file.id} taken back", legs), file.provider))
    await post(connection, entries)
