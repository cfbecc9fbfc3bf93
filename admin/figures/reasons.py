"""Why orders of a contest were not paid, as it stood at a moment of the past.

What is overwritten has no date: why a payment was refused that was paid since is not known any more.
"""

from collections import Counter
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MANY: Final = 1_000
# So often the next `_MANY` are looked at, where those before were still open then.
_LOOKS: Final = 8
_LAST: Final = UUID(int=2**128 - 1)
_THEN: Final = """coalesce((select e.to_status from payment_events e
    where e.reference = p.reference and e.at <= :at order by e.id desc limit 1), 'created')"""
# What did not change since, and whose deadline was over, was then as it is now; the events say it of the others.
_UNPAID: Final = {
    status: text(f"""
select p.reference, p.placed_at, p.vote_id, coalesce(p.reason, 'not_answered') as reason,
  case when p.expires_at <= :at and p.confirmed_at is null then p.status else {_THEN} end as status
from payments p
where p.contest_id = :contest and p.status = '{status}' and (p.placed_at, p.vote_id) < (:before, :vote)
order by p.placed_at desc, p.vote_id desc limit {_MANY}
""")
    for status in ("failed", "expired")
}
# Of all contests, those that were first to change after that moment.
_CHANGED: Final = text(f"""
select p.reference, p.placed_at, {_THEN} as status
from (select reference from payment_events where at > :at and from_status in ('failed', 'expired')
    order by at limit 2 * {_MANY}) l
  join payments p on p.reference = l.reference
where p.contest_id = :contest and p.placed_at <= :at
""")


async def reasons_then(connection: AsyncConnection, contest: UUID, at: datetime) -> list[tuple[str, int]]:
    """Why the newest orders that were placed by then and not paid then were not; the most frequent reason first."""
    asked = {"contest": contest, "at": at}
    changed = {row.reference: row for row in await connection.execute(_CHANGED, asked)}
    found = Counter[str]()
    for status, since in (("failed", "paid_since"), ("expired", "not_answered")):
        held = [(row.placed_at, since) for row in changed.values() if row.status == status]
        behind = {"before": at, "vote": _LAST}
        for _ in range(_LOOKS):
            rows = (await connection.execute(_UNPAID[status], {**asked, **behind})).all()
            held += [
                (row.placed_at, row.reason) for row in rows if row.status == status and row.reference not in changed
            ]
            if len(rows) < _MANY or len(held) >= _MANY:
                break
            behind = {"before": rows[-1].placed_at, "vote": rows[-1].vote_id}
        found.update(reason for _, reason in sorted(held, reverse=True)[:_MANY])
    return sorted(found.items(), key=lambda one: (-one[1], one[0]))
