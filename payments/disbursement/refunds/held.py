"""Many held payments of a contest are decided about at once: they count, or go back, and their payers may be kept out
from then on. The list that was shown when it was asked for is what a second person agrees to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from payments.disbursement.refunds.rules import HELD
from payments.requests import ActRefused, NewRequest, StaffRequest, Why, subject_id
from payments.settlement.corrections import Corrected, Correction, by_staff, count_held, owe_refunds
from payments.settlement.rules import Adjusted

AT_ONCE_MAX: Final = 200
BLOCK_DAYS_MAX: Final = 365
RELEASE: Final = "release"
REFUSE: Final = "refuse"

_CONTEST: Final = text("select id from contests where slug = :slug")
_THESE: Final = text("""
select p.reference, p.status, p.reason, k.code, v.quantity, coalesce(p.received_currency, p.currency) as currency,
  coalesce(p.received_minor, p.amount_minor) as amount_minor
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id
where p.reference = any(cast(:references as uuid[])) and p.contest_id = :contest
""")
_BLOCK: Final = text("""
insert into fraud_entries (id, contest_id, list, kind, origin, shown, reason, made_by, subject, until)
select distinct on (p.payer_index) gen_random_uuid(), p.contest_id, 'deny', 'number', 'person', v.receipt,
  cast(:reason as text), cast(:person as text), p.payer_index, now() + make_interval(days => :days)
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
where p.reference = any(cast(:references as uuid[])) and p.payer_index is not null and not exists (
  select from fraud_entries e where e.contest_id = p.contest_id and e.subject = p.payer_index and e.list = 'deny'
    and e.lifted_at is null and e.until > now() + make_interval(days => :days))
""")


async def preview_decision(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """What a decision would do. Raises ActRefused where one of the payments is not held any more."""
    step, references, days = _read(request.params)
    rows = await _rows(connection, request.subject, references)
    if missing := len(references) - sum(row.status in HELD for row in rows):
        raise ActRefused(Why.IMPOSSIBLE, f"{missing} of these payments are not held in this contest: look again")
    tables: dict[str, dict[str, dict[str, int]]] = {"candidates": {}, "reasons": {}, "currencies": {}}
    for row in rows:
        for table, key in (("candidates", row.code), ("reasons", row.reason or ""), ("currencies", row.currency)):
            line = tables[table].setdefault(key, {"payments": 0, "votes": 0, "money_minor": 0})
            line["payments"] += 1
            line["votes"] += row.quantity
            line["money_minor"] += row.amount_minor
    return {
        "contest": request.subject,
        "step": step,
        "payments": len(rows),
        "held_votes": sum(row.quantity for row in rows),
        "block_days": days,
        **tables,
    }


async def decide_held(connection: AsyncConnection, request: StaffRequest) -> tuple[str, Corrected | None]:
    """Count the held payments of a request or make their refunds due; what it did, and what the tally is concerned by.
    Those that were decided about meanwhile stay as they are. Raises ActRefused."""
    step, references, days = _read(request.params)
    contest = await _contest(connection, request.subject)
    by = by_staff(request.requested_by, request.id)
    if step == RELEASE:
        corrected = await count_held(connection, contest, references, by)
        did = f"{sum(votes for _, votes in corrected.counted)} votes counted"
    else:
        why = Correction("review", Adjusted.REVIEW, by)
        corrected = await owe_refunds(connection, contest, references, why, states=HELD)
        did = f"{len(corrected.done)} payments to be refunded"
    if days:
        asked = {"references": corrected.done, "days": days, "person": request.requested_by, "reason": request.reason}
        await connection.execute(_BLOCK, asked)
        did += f", their payers kept out for {days} days"
    return f"{did}; {len(corrected.skipped)} were decided about before" if corrected.skipped else did, corrected


def _read(params: Mapping[str, Any]) -> tuple[str, list[UUID], int | None]:
    step, days = params.get("step"), params.get("block_days")
    if step not in (RELEASE, REFUSE):
        raise ActRefused(Why.IMPOSSIBLE, f"`step` must be {RELEASE} or {REFUSE}")
    named = str(params.get("payments") or "").replace(",", " ").split()
    references = sorted({subject_id(one, "reference of a payment") for one in named})
    if not 0 < len(references) <= AT_ONCE_MAX:
        raise ActRefused(Why.IMPOSSIBLE, f"choose from 1 to {AT_ONCE_MAX} held payments")
    if days is not None and (step == RELEASE or not 1 <= days <= BLOCK_DAYS_MAX):
        raise ActRefused(Why.IMPOSSIBLE, f"payers of refused payments are kept out for 1 to {BLOCK_DAYS_MAX} days")
    return step, references, days


async def _contest(connection: AsyncConnection, slug: str) -> UUID:
    found: UUID | None = (await connection.execute(_CONTEST, {"slug": slug})).scalar_one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    return found


async def _rows(connection: AsyncConnection, slug: str, references: Sequence[UUID]) -> Sequence[Row[Any]]:
    asked = {"references": list(references), "contest": await _contest(connection, slug)}
    return (await connection.execute(_THESE, asked)).all()
