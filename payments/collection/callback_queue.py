"""Stored callbacks that are not judged yet: claimed, judged, and what they hint at is asked about sooner.

Every transaction locks refunds and payouts before payments, and rows of one table by their reference, so that no two
wait for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.direct import Direct, NamedRow
from gateway.storage.rows import among, document, read_as, recordset, rows_of
from gateway.storage.set_aside import set_callbacks_aside
from gateway.storage.vault import Vault, each_opened
from gateway.values.money import Money
from gateway.values.record import record
from payments.collection.callbacks import body_of
from payments.collection.claims import read_secrets
from payments.requests import ActRefused, NewRequest, Why

# One question a payment in this time, however many hints arrive, and so long until one about money on its way out.
HINT_EVERY_SECONDS: Final = 10
OUTGOING_SECONDS: Final = 1


def _held(table: str, columns: str, statuses: str) -> str:
    """Rows of a table that `named` has, locked in the order of their references."""
    return f"""
  select t.*, n.claimed from (select * from named order by reference) n cross join lateral (
    select {columns} from {table} where reference = n.reference and status || '' in ({statuses})
    offset 0 for update) t"""


# CTEs behind one called `named` with the references, and whether a callback claims that it is paid. `:every`: seconds
# between two questions about a payment, `:soon`: until one about money on its way out.
_HINTED: Final = f"""
held_refunds as ({_held("refunds", "reference", "'sent'")}),
held_payouts as ({_held("payouts", "reference", "'sent'")}),
held_payments as ({_held("payments", "reference, placed_at", "'sent','pending','expired','failed'")}),
hinted_refunds as (
  update refunds r set next_try_at = least(r.next_try_at, now() + make_interval(secs => :soon))
  from held_refunds h where {among("r.reference", "held_refunds")} and r.reference = h.reference returning 1),
hinted_payouts as (
  update payouts o set next_try_at = least(o.next_try_at, now() + make_interval(secs => :soon))
  from held_payouts h where {among("o.reference", "held_payouts")} and o.reference = h.reference returning 1),
hinted_payments as (
  update payments p set hinted_at = now(),
    next_check_at = greatest(now(), coalesce(p.asked_at, '-infinity') + make_interval(secs => :every)),
    claimed_votes = case when h.claimed
      then (select v.quantity from votes v where v.id = p.vote_id and v.placed_at = p.placed_at)
      else p.claimed_votes end
  from held_payments h
  where {among("p.reference", "held_payments")} and p.reference = h.reference and p.placed_at = h.placed_at
  returning 1)"""
# They are read, and so run, in this order.
_HINTS: Final = (
    "(select count(*) from hinted_refunds) + (select count(*) from hinted_payouts)"
    " + (select count(*) from hinted_payments)"
)
_HINT: Final = text(f"""
with named as (select distinct unnest(cast(:references as uuid[])) as reference, false as claimed),{_HINTED}
select {_HINTS}
""")

# How long a callback is remembered as the one that another repeats.
SAME_HOURS: Final = 48
# The first of each kind is looked for once, however many copies a storm brought, and handed on by windows: a
# join would be made row by row where the planner expects few. A sum is no column: the planner would walk the
# primary key, in the hope to meet the smallest id soon; and so is an instant: by its index, before the table is
# analyzed, it would read two days of callbacks for each. That all partitions are looked into costs 5 µs a vote.
_SAME: Final = "o.provider = k.provider and o.body_hash = k.body_hash and o.received_at + interval '0' >= k.since"
_CLAIM: Final = Direct(
    text(f"""
with due as (select * from callbacks where handled_at is null order by id limit :limit),
kinds as (
  select *, row_number() over alike = 1 as leads, min(received_at) over alike - interval '{SAME_HOURS} hours' as since
  from due window alike as (partition by provider, body_hash, payment_reference order by id
    rows between unbounded preceding and unbounded following)),
found as (
  select k.*, case when not leads then null when k.payment_reference is null
    then (select min(o.id + 0) from callbacks o where o.payment_reference is null and {_SAME})
    else (select min(o.id + 0) from callbacks o where o.payment_reference = k.payment_reference and {_SAME})
    end as oldest
  from kinds k),
firsts as (
  select *, max(oldest) over (partition by provider, body_hash, payment_reference) as first from found)
select b.id, b.provider, p.provider as account, b.payment_reference as reference, b.method, b.headers, b.body,
  b.body_cipher, b.record_id, p.secrets_cipher, p.amount_minor, p.currency, now() as now,
  b.received_at, case when b.first < b.id then b.first end as duplicate_of
from firsts b left join payments p on p.reference = b.payment_reference
order by b.id
""")
)

_JUDGED: Final = """
  id bigint, outcome text, reference uuid, order_code text, hinted boolean, claimed boolean, duplicate_of bigint
"""
_JUDGE: Final = Direct(
    text(f"""
with judged as (select * from {recordset(_JUDGED)}),
marked as (
  update callbacks b set handled_at = now(), outcome = j.outcome, duplicate_of = j.duplicate_of
  from judged j where {among("b.id", "judged")} and b.id = j.id and b.handled_at is null
  returning b.provider, case when j.duplicate_of is null then j.outcome else 'copy' end as outcome),
counted as (
  insert into callback_counts (provider, outcome, many)
  select provider, outcome, count(*) from marked group by 1, 2 order by 1, 2
  on conflict (provider, outcome) do update set many = callback_counts.many + excluded.many),
named as (
  select reference, bool_or(claimed) as claimed from (
    select reference, claimed from judged where hinted and reference is not null
    union all select k.payment_reference, false from judged j join order_keys k on k.order_code = j.order_code
      where j.hinted and j.reference is null) n
  group by reference),{_HINTED}
select {_HINTS}
""")
)


@record
class DueCallback:
    """A callback that is not judged yet. `amount` and `secrets`: of the payment that its URL
    names; the amount is what we asked for. `provider`: the code in its URL; `account`: key of the account
    that the payment was asked of. `now`: when it was taken to be judged, `received_at` when it came.
    `duplicate_of`: the callback of the 48 hours before with the same bytes, about the same payment."""

    id: int
    provider: str
    account: str | None
    reference: UUID | None
    method: str
    headers: Mapping[str, str]
    body: bytes
    amount: Money | None
    secrets: Mapping[str, str] = field(repr=False)
    now: datetime
    duplicate_of: int | None = None
    received_at: datetime | None = None


@record
class JudgedCallback:
    """What became of a callback: its outcome, the payment it hints at, if any, whether it claims that this is paid, at
    an address that only its operator knows, and the callback that it repeats."""

    id: int
    outcome: str
    reference: UUID | None = None
    order_code: str | None = None
    hinted: bool = False
    claimed: bool = False
    duplicate_of: int | None = None


class CallbackQueue:
    """Callbacks to be judged, oldest first."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def claim(self, limit: int) -> list[DueCallback]:
        """The oldest that are due. Not leased: judging twice does no harm."""
        return [self._due(row) for row in await _CLAIM.named(self._engine, {"limit": limit})]

    def _due(self, row: NamedRow) -> DueCallback:
        return read_as(
            DueCallback,
            row,
            body=body_of(self._vault, row.record_id, row.body, row.body_cipher),
            amount=Money(row.amount_minor, row.currency) if row.currency else None,
            secrets=self._secrets(row.reference, row.secrets_cipher),
        )

    def _secrets(self, reference: UUID | None, sealed: bytes | None) -> Mapping[str, str]:
        """An operator's tokens. A callback is judged without those that do not open."""
        found = each_opened([sealed], lambda cipher: read_secrets(self._vault, reference, cipher))
        return found[0] if found else {}

    async def judge(self, judged: Sequence[JudgedCallback]) -> int:
        """Mark callbacks as judged and their payments as due for a question; how many payments are due."""
        if not judged:
            return 0
        waits = {"every": HINT_EVERY_SECONDS, "soon": OUTGOING_SECONDS}
        [(due,)] = await _JUDGE.rows(self._engine, {**document(rows_of(_JUDGED, judged)), **waits})
        return int(due)

    async def set_aside(self, broken: Sequence[tuple[int, Exception]]) -> None:
        """Take callbacks that cannot be judged out of the queue. Staff may replay them."""
        async with self._engine.begin() as connection:
            await set_callbacks_aside(connection, broken)


async def hint(connection: AsyncConnection, references: Sequence[UUID]) -> int:
    """Have these payments, refunds and payouts asked about at once; how many of them are still open."""
    found = await connection.execute(_HINT, {"references": list(references), "every": 0, "soon": 0})
    return int(found.scalar_one())


_STORED: Final = text("select provider, received_at, outcome from callbacks where id = :id")
_REPLAY: Final = text("update callbacks set handled_at = null, replayed_at = now() where id = :id")


async def preview_replay(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """The callback that staff ask to have judged once more. Raises ActRefused."""
    found = (await connection.execute(_STORED, {"id": _callback_id(request.subject)})).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no callback {request.subject}")
    return {"provider": found.provider, "received_at": found.received_at.isoformat(), "outcome": found.outcome}


async def replay(connection: AsyncConnection, subject: str) -> None:
    """Have a stored callback judged once more. Raises ActRefused."""
    await connection.execute(_REPLAY, {"id": _callback_id(subject)})


def _callback_id(subject: str) -> int:
    if not (subject.isascii() and subject.isdigit() and len(subject) <= 18):
        raise ActRefused(Why.UNKNOWN, f"{subject!r} is no number of a callback")
    return int(subject)
