"""Differences between statements and book: listed, and decided about with a posting."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.ledger import Account, moved
from gateway.domain.money import Money
from gateway.domain.reconciliation import DifferenceKind, Repair, offered, postings
from gateway.ports.books import MoneyRefused, UnknownName
from gateway.ports.payment_provider import Wallet
from gateway.ports.reconciliation import Difference
from gateway.ports.stores import LedgerEntry
from gateway.storage.audit_notes import note
from gateway.storage.ledger import book

_WHOLE: Final = """
select d.*, l.raw, case when l.matched_at is null then l.fee_minor else 0 end as fee_minor,
  coalesce(p.contest_id, r.contest_id, o.contest_id) as contest_id
from differences d left join statement_lines l on l.id = d.line_id
  left join payments p on p.reference = d.payment_reference
  left join refunds r on r.reference = d.refund_reference left join payouts o on o.reference = d.payout_reference
"""
_LISTED: Final = text(f"""{_WHOLE}
where (not :open_only or d.status = 'open') and (cast(:provider as text) is null or d.provider = :provider)
order by d.id limit :limit""")
_ONE: Final = text(f"{_WHOLE} where d.id = :id")
_HOLD: Final = text("select id from differences where id = :id for update")
_RESOLVE: Final = text("""
update differences set status = 'resolved', resolution = :resolution, note = :note, resolved_by = :person,
  resolved_at = now(), ledger_tx = :tx where id = :id
""")


class PostgresDifferences:
    """Reads differences and books decisions about them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def differences(
        self, *, open_only: bool = True, account: str | None = None, limit: int = 500
    ) -> Sequence[Difference]:
        """The oldest differences."""
        asked = {"open_only": open_only, "provider": account, "limit": limit}
        async with self._engine.connect() as connection:
            return [_difference(row) for row in await connection.execute(_LISTED, asked)]

    async def repair(
        self, difference_id: int, repair: Repair, *, person: str, reason: str, operator_reference: str | None
    ) -> Difference:
        """Decide about one, with its posting. Raises MoneyRefused."""
        async with self._engine.begin() as connection:
            row = await _held(connection, difference_id)
            found = _difference(row)
            _check(found, repair, operator_reference)
            tx = await _booked(connection, row, found, repair, reason)
            told = f"{reason} (operator: {operator_reference})" if operator_reference else reason
            values = {"id": found.id, "resolution": repair.value, "note": told, "person": person, "tx": tx}
            await connection.execute(_RESOLVE, values)
            detail = {
                "difference": found.id,
                "kind": found.kind.value,
                "repair": repair.value,
                "amount_minor": found.amount_minor,
                "currency": found.currency,
                "reason": told,
                "ledger_tx": str(tx) if tx else None,
            }
            await note(connection, actor=person, act="reconcile.resolved", subject=found.provider, detail=detail)
            return _difference((await connection.execute(_ONE, {"id": difference_id})).one())


async def _held(connection: AsyncConnection, difference_id: int) -> Row[Any]:
    if (await connection.execute(_HOLD, {"id": difference_id})).one_or_none() is None:
        raise UnknownName(f"there is no difference {difference_id}")
    return (await connection.execute(_ONE, {"id": difference_id})).one()


def _check(found: Difference, repair: Repair, operator_reference: str | None) -> None:
    if found.status != "open":
        raise MoneyRefused(f"{found.resolved_by} decided about {found.id} already: {found.resolution}")
    if repair not in found.offered:
        words = ", ".join(each.value for each in found.offered)
        raise MoneyRefused(f"{repair.value} is nothing for a difference of kind {found.kind.value}; choose: {words}")
    if repair is Repair.RETURNED and not (operator_reference or "").strip():
        raise MoneyRefused("say the operator's reference of the payment that gave it back")


async def _booked(
    connection: AsyncConnection, row: Row[Any], found: Difference, repair: Repair, reason: str
) -> UUID | None:
    from_float = found.wallet is Wallet.DISBURSEMENT
    tx = None
    for legs in postings(repair, found.amount_minor, found.currency, from_float=from_float):
        tx = uuid4()
        memo = f"difference {found.id}: {repair.value}, {reason}"
        await book(connection, [(LedgerEntry(tx, row.contest_id, memo, legs), found.provider)])
    if tx is not None and found.kind is DifferenceKind.MISSING_HERE and row.fee_minor:
        # Fees of lines that are ours are booked when they match; nobody else would book this one.
        place = Account.OPERATOR_FLOAT if from_float else Account.OPERATOR_CLEARING
        legs = moved(Money(row.fee_minor, found.currency), place, Account.OPERATOR_FEE)
        memo = f"difference {found.id}: the operator's fee of its line"
        await book(connection, [(LedgerEntry(uuid4(), row.contest_id, memo, legs), found.provider)])
    return tx


def _difference(row: Row[Any]) -> Difference:
    kind, wallet = DifferenceKind(row.kind), Wallet(row.wallet)
    return Difference(
        id=row.id,
        provider=row.provider,
        kind=kind,
        amount_minor=row.amount_minor,
        currency=row.currency,
        detail=row.detail,
        found_at=row.found_at,
        status=row.status,
        wallet=wallet,
        offered=offered(kind, row.amount_minor, from_float=wallet is Wallet.DISBURSEMENT),
        reference=row.payment_reference or row.refund_reference or row.payout_reference,
        line=row.raw or {},
        resolution=row.resolution,
        note=row.note,
        resolved_by=row.resolved_by,
        ledger_tx=row.ledger_tx,
    )
