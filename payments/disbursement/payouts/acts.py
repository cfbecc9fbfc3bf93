"""Acts of staff about payouts: what is payable, sending one, ending one that waits for a person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.http.amount import ShownMoney
from gateway.http.endpoint import ApiModel
from gateway.storage.doorbell import Doorbell, Work
from gateway.storage.engine import scoped
from gateway.values.money import Money
from gateway.values.organiser import Deed, states_without
from payments.disbursement.answers import Observation
from payments.disbursement.payouts.rules import (
    ENDS,
    Beneficiary,
    Position,
    end_refusal,
    is_paid_in,
    refusals,
)
from payments.disbursement.payouts.store import PAYOUTS
from payments.disbursement.rules import OutgoingState
from payments.disbursement.store import record
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, UnknownName, contest_id, post
from payments.lifecycle import Actor
from payments.past import both
from payments.request_store import carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, Scope, StaffRequest, Why, subject_id
from payments.rollups.book_days import BOOKED, BOOKED_THEN
from payments.settlement.corrections import lock_contest

# What a payment counted for the organiser.
_SHARE: Final = "p.amount_minor - coalesce(p.fee_minor, 0)"
_POSITION: Final = text(f"""
select c.slug as contest, c.currency, c.organiser_id, g.slug as organiser,
  g.state in ({states_without(Deed.BE_PAID)}) as frozen,
  now() as now,
  (select coalesce(-sum(amount_minor), 0) from {BOOKED} b
    where contest_id = c.id and account = 'organiser_payable' and currency = c.currency) as owed,
  (select coalesce(sum({_SHARE}), 0) from payments p
    where p.contest_id = c.id and p.provisional and p.status = 'settled' and p.currency = c.currency) as provisional,
  (select coalesce(sum({_SHARE}), 0) from payments p
    where p.contest_id = c.id and p.status = 'settled' and not p.provisional and p.currency = c.currency
      and p.reference in (
        select v.payment_reference from void_rows v join staff_requests s on s.id = v.request_id
          where v.done_at is null and s.status in ('waiting', 'approved')
        union select cast(s.subject as uuid) from staff_requests s
          where s.act = 'refund_payment' and s.status in ('waiting', 'approved')
        union select d.payment_reference from disputes d where d.contest_id = c.id and (d.status = 'open'
          or d.status = 'lost' and d.effect is null or d.effect = 'person' and exists (
            select 1 from differences f where f.payment_reference = d.payment_reference and f.kind = 'amount'
              and f.status = 'open')))) as at_risk,
  (select count(*) from differences d where d.status = 'open'
    and (d.contest_id = c.id or d.contest_id is null and d.provider = cast(:account as text))) as differences
from contests c join organisers g on g.id = c.organiser_id where c.id = :contest
""")
_OWED_THEN: Final = text(f"""
select c.slug as contest, c.currency, g.slug as organiser,
  (select coalesce(-sum(amount_minor), 0)::bigint from {BOOKED_THEN} b
    where contest_id = c.id and account = 'organiser_payable' and currency = c.currency) as owed_minor
from contests c join organisers g on g.id = c.organiser_id where c.id = :contest
""")
_BENEFICIARY: Final = text("""
select b.id, b.organiser_id, b.provider, b.country, b.name, b.usable_from, b.retired_at, b.confirmed_at,
  g.slug as organiser
from beneficiaries b join organisers g on g.id = b.organiser_id where b.id = :id
""")
_PAYOUT: Final = text("""
select o.reference, o.status, o.amount_minor, o.currency, o.provider, c.slug, b.name, b.country
from payouts o join contests c on c.id = o.contest_id join beneficiaries b on b.id = o.beneficiary_id
where o.reference = :reference
""")
_MAKE: Final = text("""
with made as (
  insert into payouts (reference, organiser_id, contest_id, beneficiary_id, provider, amount_minor, currency,
    request_id)
  select :reference, b.organiser_id, :contest, b.id, b.provider, :amount, :currency, :request
  from beneficiaries b where b.id = :beneficiary returning reference)
insert into payout_events (reference, from_status, to_status, seen, actor, detail)
select reference, null, 'due', 'approved', :person, :reason from made
""")
_LISTING: Final = """
select o.*, c.slug as contest, g.slug as organiser, b.name as beneficiary
from {payouts} o join contests c on c.id = o.contest_id join organisers g on g.id = o.organiser_id
  join beneficiaries b on b.id = o.beneficiary_id
"""
LISTED: Final = _LISTING.format(payouts="payouts")
_LISTED, _LISTED_THEN = both(f"""{_LISTING}
where (cast(:contest as text) is null or c.slug = :contest)
  and (cast(:scope as uuid) is null or o.organiser_id = cast(:scope as uuid)) order by o.created_at desc limit 200
""")
FINISH: Final = "finish"

PaysFromFloat = Callable[[str, str], bool]
"""Whether this account in this country pays out of a wallet of its own."""


class Payout(ApiModel):
    """A payout."""

    reference: UUID
    contest: str
    organiser: str
    beneficiary: str
    provider: str
    amount: ShownMoney
    status: str
    created_at: datetime
    done_at: datetime | None
    reason_code: str | None
    provider_reference: str | None


class PositionLine(ApiModel):
    """What a contest owes its organiser. Amounts are minor units. As of an earlier moment only what was owed is known,
    by the book; the rest is null."""

    contest: str
    organiser: str
    frozen: bool | None
    currency: str
    owed_minor: int
    provisional_minor: int | None = Field(description="Counted on a callback that was not checked yet.")
    at_risk_minor: int | None = Field(description="Votes that may be taken back, or whose payment is disputed.")
    differences: int | None = Field(
        description="Open differences about its money; nothing is paid while there are any."
    )
    payable_minor: int | None


class PayoutActs:
    """Payouts as staff see and decide about them."""

    def __init__(self, engine: AsyncEngine, from_float: PaysFromFloat, doorbell: Doorbell) -> None:
        self._engine = engine
        self._from_float = from_float
        self._doorbell = doorbell

    async def position(self, contest: str, scope: Scope) -> PositionLine:
        """What a contest owes its organiser now. Raises UnknownName."""
        async with scoped(self._engine, scope) as connection:
            row = await _position(connection, await contest_id(connection, contest, scope))
        owed = _read(row)
        return PositionLine(**{**row._mapping, **asdict(owed), "payable_minor": owed.payable_minor})

    async def position_then(self, contest: str, scope: Scope, at: datetime) -> PositionLine:
        """What a contest owed its organiser at an instant. Raises UnknownName."""
        async with scoped(self._engine, scope) as connection:
            asked = {"contest": await contest_id(connection, contest, scope), "at": at}
            row = (await connection.execute(_OWED_THEN, asked)).one()
        unknown = dict.fromkeys(("frozen", "provisional_minor", "at_risk_minor", "differences", "payable_minor"))
        return PositionLine(**row._mapping, **unknown)

    async def payouts(self, scope: Scope, contest: str | None = None, at: datetime | None = None) -> Sequence[Payout]:
        """The latest payouts. `at`: as they stood then; None: now."""
        asked = {"contest": contest, "scope": scope, **({} if at is None else {"at": at})}
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_LISTED if at is None else _LISTED_THEN, asked)
            return [payout_of(row) for row in rows]

    async def carry_out(self, request: StaffRequest) -> Executed:
        """Do what two persons agreed to, once. Raises ActRefused when it may not be done any more."""
        outcome = await carry_out_once(self._engine, request, self._carry_out)
        self._doorbell.ring(Work.PAYOUTS)
        return Executed(outcome)

    async def _carry_out(self, connection: AsyncConnection, request: StaffRequest) -> str:
        if request.params.get("step") == FINISH:
            return await _finish(connection, request, self._from_float)
        return await _pay(connection, request)


async def preview_payout(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """What a payout, or the end of one, would do. Raises ActRefused."""
    if request.params.get("step") == FINISH:
        return await _preview_end(connection, request)
    contest = await _contest(connection, request.subject)
    row, beneficiary, amount = await _payable(connection, contest, request.params)
    return {
        "contest": row.contest,
        "organiser": row.organiser,
        "amount_minor": amount,
        "currency": row.currency,
        "beneficiary": beneficiary.name,
        "operator": beneficiary.provider,
        "payable": f"{Money(_read(row).payable_minor, row.currency).plain()} {row.currency}",
    }


async def _preview_end(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    row = await _waiting_payout(connection, request.subject)
    end, theirs = str(request.params.get("end")), str(request.params.get("operator_reference") or "").strip()
    if against := end_refusal(end, theirs):
        raise ActRefused(Why.IMPOSSIBLE, against)
    return {
        "contest": row.slug,
        "payout": str(row.reference),
        "beneficiary": row.name,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "end": end,
        "operator_reference": theirs,
    }


async def _pay(connection: AsyncConnection, request: StaffRequest) -> str:
    contest = await _contest(connection, request.subject)
    # Nothing is counted or taken back for this contest between reading its position and the posting.
    await lock_contest(connection, contest)
    row, beneficiary, amount = await _payable(connection, contest, request.params)
    reference, total = uuid4(), Money(amount, row.currency)
    values = {
        "reference": reference,
        "contest": contest,
        "beneficiary": beneficiary.id,
        "amount": amount,
        "currency": row.currency,
        "request": request.id,
        "person": request.decided_by,
        "reason": request.reason,
    }
    await connection.execute(_MAKE, values)
    entry = LedgerEntry(uuid4(), contest, f"payout {reference} approved", ledger.payout_sent(total))
    await post(connection, [(entry, beneficiary.provider)])
    return f"payout {reference}"


async def _finish(connection: AsyncConnection, request: StaffRequest, from_float: PaysFromFloat) -> str:
    row = await _waiting_payout(connection, request.subject)
    end = str(request.params.get("end"))
    now: datetime = (await connection.execute(text("select now()"))).scalar_one()
    observed = Observation(
        row.reference,
        ENDS[end],
        Actor.STAFF,
        person=str(request.decided_by),
        detail=request.reason,
        next_try_at=now if end == "again" else None,
        provider_reference=str(request.params.get("operator_reference") or "") or None,
        evidence_word="succeeded" if end == "done" else None,
        evidence_raw=f"by hand, request {request.id}",
        received=Money(row.amount_minor, row.currency),
        from_float=from_float(row.provider, row.country),
    )
    if not await record(connection, PAYOUTS, [observed]):
        raise ActRefused(Why.IMPOSSIBLE, "the payout does not wait for a person any more")
    return f"payout {row.reference}: {end}"


async def _payable(
    connection: AsyncConnection, contest: UUID, params: Mapping[str, Any]
) -> tuple[Row[Any], Row[Any], int]:
    """The contest's position, the beneficiary, and the amount that may be paid to it. Raises ActRefused."""
    asked = {"id": subject_id(params.get("beneficiary"))}
    beneficiary = (await connection.execute(_BENEFICIARY, asked)).one_or_none()
    row = await _position(connection, contest, beneficiary.provider if beneficiary else None)
    amount, where = _amount(params), None
    if beneficiary is not None:
        where = Beneficiary(
            same_organiser=beneficiary.organiser_id == row.organiser_id,
            usable_from=beneficiary.usable_from,
            retired=beneficiary.retired_at is not None,
            same_currency=is_paid_in(beneficiary.country, row.currency),
        )
    against = refusals(amount, _read(row), where, frozen=row.frozen, now=row.now)
    if against or beneficiary is None:
        raise ActRefused(Why.IMPOSSIBLE, "; ".join(against))
    return row, beneficiary, amount


def _read(row: Row[Any]) -> Position:
    return Position(int(row.owed), int(row.provisional), int(row.at_risk), int(row.differences))


async def _position(connection: AsyncConnection, contest: UUID, account: str | None = None) -> Row[Any]:
    """What a contest owes. `account`: which would pay; differences of no contest there count too."""
    return (await connection.execute(_POSITION, {"contest": contest, "account": account})).one()


async def _contest(connection: AsyncConnection, slug: str) -> UUID:
    try:
        return await contest_id(connection, slug, None)
    except UnknownName as error:
        raise ActRefused(Why.UNKNOWN, str(error)) from None


async def _waiting_payout(connection: AsyncConnection, reference: str) -> Row[Any]:
    row = (await connection.execute(_PAYOUT, {"reference": subject_id(reference)})).one_or_none()
    if row is None:
        raise ActRefused(Why.UNKNOWN, f"there is no payout {reference}")
    if row.status != OutgoingState.MANUAL:
        raise ActRefused(Why.IMPOSSIBLE, f"payout {reference} is {row.status}: it does not wait for a person")
    return row


def _amount(params: Mapping[str, Any]) -> int:
    amount = params.get("amount_minor")
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise ActRefused(Why.IMPOSSIBLE, "say the amount in minor units")
    return amount


def payout_of(row: Row[Any]) -> Payout:
    """A payout of a row of `LISTED`."""
    return Payout(**row._mapping, amount=Money(row.amount_minor, row.currency))
