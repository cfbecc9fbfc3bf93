"""A voided window: its payments are frozen as a list when it is asked for, and refunded row by row.

The list and nothing else is what a second person agrees to. Each batch is one transaction, so a
process that stops leaves rows that are done or not done, and the next one goes on with the latter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.http.endpoint import ApiModel
from gateway.orders.rules import Channel
from gateway.storage.engine import scoped
from gateway.storage.rows import document, recordset
from payments.disbursement.refunds.rules import REFUNDABLE
from payments.request_store import hold_request
from payments.requests import ActRefused, NewRequest, Scope, StaffRequest, Why
from payments.settlement.corrections import Correction, by_staff, lock_contest, owe_refunds
from payments.settlement.rules import Adjusted

BATCH: Final = 200
REASON: Final = "voided"

_CONTEST: Final = text("""
select id, slug from contests
where slug = :slug and (cast(:scope as uuid) is null or organiser_id = cast(:scope as uuid))
""")

# The payments of the window: by when votes were ordered, from the first instant up to before the last.
_IN_WINDOW: Final = """
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id
where p.contest_id = :contest and p.status in ('settled', 'held')
  and p.placed_at >= :from and p.placed_at < :to
  and (cast(:channel as text) is null or v.channel = :channel)
  and (cast(:operator as text) is null or p.provider = :operator or split_part(p.provider, '@', 1) = :operator)
"""
_COUNT_WINDOW: Final = text(f"""
select k.code, v.channel, p.provider, coalesce(p.received_currency, p.currency) as currency, count(*) as payments,
  sum(v.quantity) as votes, sum(coalesce(p.received_minor, p.amount_minor)) as money {_IN_WINDOW} group by 1, 2, 3, 4
""")
_FREEZE: Final = text(f"""
insert into void_rows (request_id, payment_reference, placed_at, votes, amount_minor, currency)
select cast(:request as uuid), p.reference, p.placed_at, v.quantity, coalesce(p.received_minor, p.amount_minor),
  coalesce(p.received_currency, p.currency) {_IN_WINDOW}
""")
_COUNT_FROZEN: Final = text("""
select k.code, v.channel, p.provider, r.currency, count(*) as payments, sum(r.votes) as votes,
  sum(r.amount_minor) as money
from void_rows r join payments p on p.reference = r.payment_reference and p.placed_at = r.placed_at
  join votes v on v.id = p.vote_id and v.placed_at = p.placed_at join candidates k on k.id = v.candidate_id
where r.request_id = :request group by 1, 2, 3, 4
""")
# A refund of what is not known to be paid would give away the money of others.
_NOT_ASKED_ABOUT: Final = text("""
select count(*) from void_rows r join payments p on p.reference = r.payment_reference and p.placed_at = r.placed_at
where r.request_id = :request and p.provisional
""")

_LEFT: Final = text("""
select payment_reference from void_rows where request_id = :request and done_at is null
order by payment_reference limit :limit
""")
_DONE: Final = "reference uuid, outcome text"
_MARK: Final = text(f"""
update void_rows r set done_at = now(), outcome = d.outcome from {recordset(_DONE, "d")}
where r.request_id = :request and r.payment_reference = d.reference and r.done_at is null
""")
_IN_SCOPE: Final = """(cast(:scope as uuid) is null or exists (
  select 1 from staff_requests s where s.id = r.request_id and s.organiser_id = cast(:scope as uuid)))"""
_PROGRESS: Final = text(f"""
select r.currency, count(*) as payments, sum(r.votes) as votes, sum(r.amount_minor) as money_minor,
  count(r.done_at) as done, count(*) filter (where r.outcome not in ('given back')) as skipped,
  coalesce(sum(r.votes) filter (where r.outcome = 'given back'), 0) as votes_done,
  coalesce(sum(r.amount_minor) filter (where r.outcome = 'given back'), 0) as money_done_minor
from void_rows r where r.request_id = :request and {_IN_SCOPE} group by 1 order by 1
""")
_GIVEN: Final = text(f"""
select r.currency, count(*) filter (where p.status = 'refunded') as refunded,
  count(*) filter (where f.status = 'manual') as manual
from void_rows r join payments p on p.reference = r.payment_reference and p.placed_at = r.placed_at
  left join refunds f on f.payment_reference = r.payment_reference and f.status <> 'void' and r.outcome = 'given back'
where r.request_id = :request and {_IN_SCOPE} group by 1
""")


@dataclass(frozen=True, slots=True)
class VoidBatch:
    """What one batch of a voided window did. `last`: nothing is left."""

    contest_id: UUID
    counted: tuple[tuple[str, int], ...]
    looked_at: int
    last: bool


class VoidLine(ApiModel):
    """How far a voided window is, in one currency. Amounts are minor units."""

    currency: str
    payments: int
    done: int = Field(description="So many payments were looked at.")
    skipped: int = Field(description="So many of them had left the count before.")
    votes: int
    votes_done: int
    money_minor: int
    money_done_minor: int
    refunded: int = Field(description="Payers who have their money.")
    manual: int = Field(description="Refunds that wait for a person.")


class Voids:
    """Voided windows."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def preview(self, subject: str, params: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
        """What a window would take back now. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            window = await _window(connection, subject, params, scope)
            rows = (await connection.execute(_COUNT_WINDOW, window)).all()
        return _summed(subject, rows, params)

    async def run_batch(self, request: StaffRequest) -> VoidBatch:
        """Make the refunds of the next rows of an approved window due."""
        async with self._engine.begin() as connection:
            window = await _window(connection, request.subject, request.params, None)
            contest: UUID = window["contest"]
            # Settlement's lock first, then the request.
            await lock_contest(connection, contest)
            if not await hold_request(connection, request.id):
                return VoidBatch(contest, (), 0, last=True)
            asked = {"request": request.id, "limit": BATCH}
            left = list((await connection.execute(_LEFT, asked)).scalars())
            if not left:
                return VoidBatch(contest, (), 0, last=True)
            public = str(request.params.get("public_reason") or Adjusted.VOIDED)
            why = Correction(REASON, public, by_staff(request.requested_by, request.id))
            corrected = await owe_refunds(connection, contest, left, why, states=REFUNDABLE)
            done = set(corrected.done)
            marks = [
                {
                    "reference": reference,
                    "outcome": "given back" if reference in done else f"was {corrected.skipped.get(reference, 'gone')}",
                }
                for reference in left
            ]
            await connection.execute(_MARK, {**document(marks), "request": request.id})
        return VoidBatch(contest, tuple(corrected.counted), len(left), last=len(left) < BATCH)

    async def progress(self, request_id: UUID, scope: Scope, *, given: bool = True) -> list[VoidLine]:
        """How far a window is, a line for each currency. `given`: look also for what became of the refunds."""
        asked = {"request": request_id, "scope": scope}
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_PROGRESS, asked)).all()
            found = (await connection.execute(_GIVEN, asked)).all() if given else []
        of = {row.currency: row._mapping for row in found}
        none = {"refunded": 0, "manual": 0}
        return [VoidLine(**{**none, **row._mapping, **of.get(row.currency, {})}) for row in rows]


async def preview_window(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """Freeze the list of a window with its request; the preview. Raises ActRefused."""
    window = await _window(connection, request.subject, request.params, None)
    await connection.execute(_FREEZE, {**window, "request": request.id})
    rows = (await connection.execute(_COUNT_FROZEN, {"request": request.id})).all()
    if not rows:
        raise ActRefused(Why.IMPOSSIBLE, "nothing counted or held was ordered in this window")
    if many := (await connection.execute(_NOT_ASKED_ABOUT, {"request": request.id})).scalar_one():
        why = f"{many} payments of this window are counted on a callback alone; wait until they are proved"
        raise ActRefused(Why.IMPOSSIBLE, why)
    return _summed(request.subject, rows, request.params)


async def _window(connection: AsyncConnection, subject: str, params: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    found = (await connection.execute(_CONTEST, {"slug": subject, "scope": scope})).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {subject!r}")
    first, last = _instant(params, "from"), _instant(params, "to")
    if first >= last:
        raise ActRefused(Why.IMPOSSIBLE, "the window ends before it begins")
    channel = params.get("channel") or None
    if channel is not None and channel not in set(Channel):
        raise ActRefused(Why.IMPOSSIBLE, f"there is no channel {channel!r}; there are {', '.join(Channel)}")
    return {
        "contest": found.id,
        "from": first,
        "to": last,
        "channel": channel,
        "operator": params.get("operator") or None,
    }


def _instant(params: Mapping[str, Any], name: str) -> datetime:
    try:
        at = datetime.fromisoformat(str(params.get(name)))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ActRefused(Why.IMPOSSIBLE, f"`{name}` must be an instant with a zone, such as 2026-11-21T20:00+00:00")
    return at


def _summed(subject: str, rows: list[Row[Any]] | Any, params: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401 - rows
    by: dict[str, dict[str, dict[str, int]]] = {"candidates": {}, "channels": {}, "operators": {}, "currencies": {}}
    for row in rows:
        keys = (("candidates", row.code), ("channels", row.channel), ("operators", row.provider))
        for table, key in (*keys, ("currencies", row.currency)):
            line = by[table].setdefault(key, {"payments": 0, "votes": 0, "money_minor": 0})
            line["payments"] += int(row.payments)
            line["votes"] += int(row.votes)
            line["money_minor"] += int(row.money)
    return {
        "contest": subject,
        **{name: params.get(name) for name in ("from", "to", "channel", "operator")},
        "payments": sum(line["payments"] for line in by["currencies"].values()),
        "votes": sum(line["votes"] for line in by["currencies"].values()),
        **{table: dict(sorted(lines.items())) for table, lines in by.items()},
    }
