"""Reconciliation on PostgreSQL: lines compared, differences kept, decisions booked."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.rows import document, names_of, recordset
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.collection.callback_queue import hint
from payments.disbursement.disputes.reversals import name_reversals
from payments.ledger.audit import TAKEN
from payments.ledger.book import LedgerEntry, post
from payments.ledger.differences import DifferenceKind, note_differences
from payments.ledger.postings import Account, moved, operator_kept
from payments.provider import NamedReversal
from payments.reconciliation import statements
from payments.reconciliation.matching import (
    Booked,
    Index,
    Judged,
    Line,
    by_reference,
    judge,
)
from payments.reconciliation.statement_format import StatementLine
from payments.request_store import Permit
from payments.requests import Right


@dataclass
class Compared:
    """What comparing lines came to. `waiting`: lines that are asked about at the operator; `fees`: what was booked,
    in minor units by currency; `closed`: earlier differences that are explained."""

    matched: int = 0
    waiting: int = 0
    found: Counter[DifferenceKind] = field(default_factory=Counter)
    fees: Counter[str] = field(default_factory=Counter)
    closed: int = 0


# One pass at a time over an account's lines.
_PASS_LOCK: Final = 0x5907_11_6A

_MATCHED: Final = "id bigint, reference uuid, matched_by text, settled boolean"
_MATCH: Final = text(f"""
update statement_lines l set matched_reference = a.reference, matched_by = a.matched_by,
  matched_at = case when a.settled then now() end,
  fee_booked_minor = case when a.settled then coalesce(l.fee_booked_minor, 0) else l.fee_booked_minor end
from {recordset(_MATCHED)} where l.id = a.id and l.matched_at is null returning l.id, l.fee_tx
""")
_FEES: Final = "id bigint, minor bigint, tx uuid"
_KEEP_FEES: Final = text(f"""
update statement_lines l set fee_booked_minor = a.minor, fee_tx = a.tx from {recordset(_FEES)} where l.id = a.id
""")
_FOUND: Final = """
  kind text, line_id bigint, payment_reference uuid, refund_reference uuid, payout_reference uuid, contest_id uuid,
  wallet text, amount_minor bigint, currency text, detail text
"""
_KEEP: Final = text(f"""
insert into differences (provider, {", ".join(names_of(_FOUND))})
select cast(:provider as text), a.* from {recordset(_FOUND)} on conflict do nothing returning kind
""")
_ACCOUNTS: Final = text("select distinct provider from statement_files where undone_at is null order by 1")
_CAME_IN: Final = text("""
update differences d set status = 'resolved', resolution = 'came_in', resolved_by = 'spotlight', resolved_at = now()
where d.provider = :provider and d.status = 'open' and (
  d.kind = 'missing_here' and exists (
    select 1 from statement_lines l where l.id = d.line_id and l.matched_at is not null)
  or d.kind = 'missing_there' and exists (
    select 1 from statement_lines l where l.matched_at is not null
      and l.matched_reference = coalesce(
        d.dispute_reference, d.payment_reference, d.refund_reference, d.payout_reference)))
""")
# A file covers the time between its first and its last line.
_COVERED: Final = """exists (select 1 from statement_files f where f.provider = :provider and f.undone_at is null
    and f.imported_at > now() - interval '32 days' and {} >= f.first_at and {} <= f.last_at)"""
_NO_LINE: Final = "not exists (select 1 from statement_lines l where l.matched_reference = {})"
_MISSING_THERE: Final = text(f"""
with since as (select min(first_at) as at from statement_files
  where provider = :provider and undone_at is null and imported_at > now() - interval '32 days'),
lacking as (
  select p.reference as payment, cast(null as uuid) as refund, cast(null as uuid) as payout,
    cast(null as uuid) as dispute, p.contest_id, p.confirmed_at as at,
    -coalesce(p.received_minor, p.amount_minor) as more, coalesce(p.received_currency, p.currency) as currency
  from payments p, since s where p.provider = :provider and p.placed_at >= s.at and p.status in {TAKEN}
    and p.confirmed_at < now() - interval '24 hours' and {_COVERED.format("p.placed_at", "p.confirmed_at")}
    and {_NO_LINE.format("p.reference")}
  union all
  select null, r.reference, null, null, r.contest_id, r.done_at, r.amount_minor, r.currency from refunds r, since s
  where r.provider = :provider and r.status = 'done' and r.manual_reference is null and r.created_at >= s.at
    and r.done_at < now() - interval '24 hours' and {_COVERED.format("r.sent_at", "r.done_at")}
    and {_NO_LINE.format("r.reference")}
  union all
  select null, null, o.reference, null, o.contest_id, o.done_at, o.amount_minor, o.currency from payouts o, since s
  where o.provider = :provider and o.status = 'done' and o.created_at >= s.at
    and o.done_at < now() - interval '24 hours' and {_COVERED.format("o.sent_at", "o.done_at")}
    and {_NO_LINE.format("o.reference")}
  union all
  select d.payment_reference, null, null, d.reference, d.contest_id, d.closed_at, d.reversed_minor, d.currency
  from disputes d, since s
  where d.provider = :provider and d.reversed_minor > 0 and d.opened_at >= s.at
    and d.closed_at < now() - interval '24 hours' and {_COVERED.format("d.opened_at", "d.closed_at")}
    and {_NO_LINE.format("d.reference")})
insert into differences (provider, kind, payment_reference, refund_reference, payout_reference, dispute_reference,
  contest_id, wallet, amount_minor, currency, detail)
select :provider, 'missing_there', payment, refund, payout, dispute, contest_id,
  case when payment is null and :from_float then 'disbursement' else 'collection' end, more, currency,
  'no statement of its time has ' || case when dispute is not null then 'what was taken back of ' || payment
    when payment is not null then 'collection ' || payment
    when refund is not null then 'refund ' || refund else 'payout ' || payout end
    || ' of ' || to_char(at, 'YYYY-MM-DD HH24:MI')
from lacking on conflict do nothing
""")


async def one_pass(connection: AsyncConnection) -> None:
    """Wait until no other transaction adds, compares or undoes lines; locked to the end of this transaction."""
    await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _PASS_LOCK})


class ReconciliationStore:
    """Files, lines and what differs. Decisions are in `payments.reconciliation.differences`."""

    def __init__(self, engine: AsyncEngine, vault: Vault, permit: Permit) -> None:
        self._engine = engine
        self._vault = vault
        self._permit = permit

    async def add_file(
        self, account: str, name: str, sha256: bytes, lines: Sequence[StatementLine], person: str
    ) -> int:
        """Keep a file's lines; how many no file before it had. Raises MoneyRefused when this very file was imported
        before, ActRefused."""
        async with self._engine.begin() as connection:
            await one_pass(connection)
            await self._permit(connection, person, Right.RECONCILE)
            return await statements.add_file(connection, self._vault, account, name, sha256, lines, person)

    async def accounts(self) -> Sequence[str]:
        """Accounts that have statements."""
        async with self._engine.connect() as connection:
            found = await connection.execute(_ACCOUNTS)
            return list(found.scalars())

    async def compare_lines(self, account: str, after: int, limit: int, *, from_float: bool) -> tuple[Compared, int]:
        """Compare lines that are not settled; where it stopped, 0 at the end."""
        async with self._engine.begin() as connection:
            await one_pass(connection)
            asked = {"provider": account, "after": after, "limit": limit}
            rows = (await connection.execute(statements.OPEN_LINES, asked)).all()
            lines = [statements.line_of(row) for row in rows]
            batch = judge(lines, await self._candidates(connection, account, lines), from_float=from_float)
            compared = await _write(connection, account, batch)
        return compared, lines[-1].id if len(lines) == limit else 0

    @staticmethod
    async def _candidates(connection: AsyncConnection, account: str, lines: Sequence[Line]) -> list[Booked]:
        named = await statements.named_by(connection, account, lines)
        index = Index(named)
        left = [line for line in lines if by_reference(line, index.near(line)) is None]
        now = (await connection.execute(text("select now()"))).scalar_one()
        others = await statements.known_by(connection, account, left, now)
        names = {booked.reference for booked in named}
        return [*named, *(booked for booked in others if booked.reference not in names)]

    async def find_missing_there(self, account: str, *, from_float: bool) -> int:
        """Note what a statement of its time lacks a day later; how many are new."""
        async with self._engine.begin() as connection:
            asked = {"provider": account, "from_float": from_float}
            found = (await connection.execute(_MISSING_THERE, asked)).rowcount
            await note_differences(connection, account, found)
        return found

    async def close_explained(self, account: str) -> int:
        """Close what has come in meanwhile; how many."""
        async with self._engine.begin() as connection:
            return (await connection.execute(_CAME_IN, {"provider": account})).rowcount


async def _write(connection: AsyncConnection, account: str, batch: Judged) -> Compared:
    unbooked: set[int] = set()
    if batch.matched:
        rows = await connection.execute(_MATCH, document(batch.matched))
        # A line that is compared again keeps the fee that was booked for it.
        unbooked = {row.id for row in rows if row.fee_tx is None}
    kinds: Counter[DifferenceKind] = Counter()
    if batch.found:
        kept = await connection.execute(_KEEP, {**document(batch.found), "provider": account})
        kinds.update(DifferenceKind(kind) for kind in kept.scalars())
        await note_differences(connection, account, kinds.total())
    if batch.hinted:
        # A statement is only a hint: the operator is asked, and its answer decides.
        await hint(connection, batch.hinted)
    await name_reversals(connection, [NamedReversal(account, *one) for one in batch.named.items()])
    fees = await _book_fees(connection, account, {n: fee for n, fee in batch.fees.items() if n in unbooked})
    settled = sum(1 for row in batch.matched if row["settled"])
    return Compared(settled, len(batch.hinted), kinds, fees)


async def _book_fees(
    connection: AsyncConnection, account: str, fees: Mapping[int, tuple[UUID | None, Money, bool]]
) -> Counter[str]:
    """What the operator kept of matched lines: a posting a contest, not a difference; each line keeps its part."""
    sums: dict[tuple[UUID | None, str, bool], int] = defaultdict(int)
    for contest, fee, from_float in fees.values():
        sums[contest, fee.currency, from_float] += fee.amount_minor
    txs = {key: uuid4() for key in sums}
    entries = []
    for (contest, currency, from_float), minor in sums.items():
        total, tx = Money(minor, currency), txs[contest, currency, from_float]
        legs = moved(total, Account.OPERATOR_FLOAT, Account.OPERATOR_FEE) if from_float else operator_kept(total)
        entries.append((LedgerEntry(tx, contest, "operator's fees, by its statement", legs), account))
    await post(connection, entries)
    if fees:
        kept = [
            {"id": line, "minor": fee.amount_minor, "tx": txs[contest, fee.currency, from_float]}
            for line, (contest, fee, from_float) in fees.items()
        ]
        await connection.execute(_KEEP_FEES, document(kept))
    totals: Counter[str] = Counter()
    for (_, currency, _), minor in sums.items():
        totals[currency] += minor
    return totals
