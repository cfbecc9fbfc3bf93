"""Where a contest's francs are, and what became of a voter's money: read in one snapshot."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.receipt import order_code
from gateway.storage.rows import read_as
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.ledger.book import contest_id
from payments.ledger.money_story import Attempt, RefundStory, Step

ATTEMPTS_MAX: Final = 50

_RECEIVED: Final = "coalesce(received_minor, amount_minor)"
_PAYMENTS: Final = f"""
select case when status in ('created', 'sent', 'pending') then 'asked' when status = 'confirmed' then 'confirmed'
    when status = 'settled' then 'counted' else 'held' end as place, '' as provider,
  coalesce(received_currency, currency) as currency, sum({_RECEIVED}) as amount, count(*) as pieces,
  min(coalesce(settled_at, confirmed_at, placed_at)) as oldest,
  max(coalesce(settled_at, confirmed_at, placed_at)) as newest
from payments where contest_id = :contest
  and status in ('created', 'sent', 'pending', 'confirmed', 'settled', 'held', 'surplus', 'mismatched')
group by 1, 3
union all
select 'provisional', '', currency, sum({_RECEIVED}), count(*), min(settled_at), max(settled_at)
from payments where contest_id = :contest and provisional and status = 'settled' group by 3
"""
_OUT: Final = """
select case when status = 'done' then 'refunded' else 'refunds_owed' end, '', currency, sum(amount_minor), count(*),
  min(coalesce(done_at, created_at)), max(coalesce(done_at, created_at))
from refunds where contest_id = :contest and status <> 'void' group by 1, 3
union all
select case when status = 'done' then 'paid_out' else 'payouts_sent' end, '', currency, sum(amount_minor), count(*),
  min(coalesce(done_at, created_at)), max(coalesce(done_at, created_at))
from payouts where contest_id = :contest and status <> 'failed' group by 1, 3
union all
select case when reversed_minor > 0 then 'reversed' else 'disputed' end, '', currency, sum(amount_minor), count(*),
  min(coalesce(closed_at, opened_at)), max(coalesce(closed_at, opened_at))
from disputes where contest_id = :contest and (reversed_minor > 0 or status = 'open' or
  status = 'lost' and effect is null) group by 1, 3
"""
# Accounts with a minus in the book that are shown with a plus.
_BOOK: Final = """
select case when account = 'organiser_payable' then 'payable' else account end,
  case when account in ('organiser_payable', 'platform_fee') then '' else provider end, currency,
  sum(amount_minor * case when account in ('organiser_payable', 'platform_fee', 'unexplained') then -1 else 1 end),
  count(distinct tx), min(at), max(at)
from postings where contest_id = :contest and account in ('operator_clearing', 'operator_float', 'bank', 'operator_fee',
  'unexplained', 'platform_fee', 'organiser_payable')
group by 1, 2, 3 having sum(amount_minor) <> 0
"""
_PLACES: Final = text(f"{_PAYMENTS} union all {_OUT} union all {_BOOK}")

_ATTEMPTS: Final = text("""
select p.reference, p.placed_at, p.vote_id::text, p.provider as operator, p.amount_minor, p.currency, p.received_minor,
  p.received_currency, p.status, p.reason, p.provider_reference as operator_reference, p.provisional, v.channel,
  v.quantity, v.receipt, c.name as contest, k.name as candidate,
  (select true from statement_lines l where l.matched_reference = p.reference limit 1) is not null as on_statement,
  (select d.status from disputes d where d.payment_reference = p.reference
    order by d.reversed_minor desc, d.opened_at desc limit 1) as dispute
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
where p.reference in (
  select reference from payments where payer_index = :index
  union select o.reference from votes w join payments o on o.vote_id = w.id and o.placed_at = w.placed_at
    where w.voter_index = :index)
order by p.placed_at desc limit :limit
""")
_STEPS: Final = text("""
select reference, at, seen, to_status, coalesce(detail, '') as detail from payment_events
where reference = any(cast(:references as uuid[])) order by id
""")
_REFUNDS: Final = text("""
select r.reference, r.payment_reference, r.amount_minor, r.currency, r.status, r.reason,
  coalesce(r.manual_reference, r.provider_reference) as operator_reference
from refunds r where r.payment_reference = any(cast(:references as uuid[])) order by r.created_at
""")
_REFUND_STEPS: Final = text("""
select reference, at, seen, to_status, coalesce(detail, '') as detail from refund_events
where reference = any(cast(:references as uuid[])) order by id
""")


@dataclass(frozen=True, slots=True)
class Place:
    """Where francs of a contest are. `pieces`: payments, refunds, payouts, or bookings."""

    place: str
    provider: str
    amount: Money
    pieces: int
    oldest: datetime | None
    newest: datetime | None


# The order in which a franc passes them.
ORDER: Final = (
    "asked",
    "confirmed",
    "held",
    "counted",
    "provisional",
    "disputed",
    "refunds_owed",
    "refunded",
    "reversed",
    "operator_clearing",
    "operator_float",
    "bank",
    "operator_fee",
    "unexplained",
    "platform_fee",
    "payable",
    "payouts_sent",
    "paid_out",
)


class MoneyPlaces:
    """Answers "where is my money?" for an organiser and for a voter."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def of_contest(self, contest: str) -> Sequence[Place]:
        """Every place with its francs, in the order in which a franc passes them. Raises UnknownName."""
        async with self._engine.connect() as connection:
            asked = {"contest": await contest_id(connection, contest, None)}
            rows = (await connection.execute(_PLACES, asked)).all()
        places = [
            Place(row.place, row.provider, Money(int(row.amount), row.currency), row.pieces, row.oldest, row.newest)
            for row in rows
        ]
        return sorted(places, key=lambda found: (found.amount.currency, ORDER.index(found.place), found.provider))

    async def of_number(self, e164: str) -> Sequence[Attempt]:
        """The latest attempts that this number paid for or voted with, newest first."""
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                asked = {"index": self._vault.index(e164), "limit": ATTEMPTS_MAX}
                rows = (await connection.execute(_ATTEMPTS, asked)).all()
                references = [row.reference for row in rows]
                steps = await _steps(connection, _STEPS, references)
                refunds = await _refunds(connection, references)
        return [_attempt(row, steps[row.reference], refunds[row.reference]) for row in rows]


async def _steps(connection: AsyncConnection, query: Any, references: Sequence[UUID]) -> Mapping[UUID, list[Step]]:  # noqa: ANN401 - a statement
    found: dict[UUID, list[Step]] = defaultdict(list)
    for row in await connection.execute(query, {"references": list(references)}):
        found[row.reference].append(Step(row.at, row.seen, row.to_status, row.detail))
    return found


async def _refunds(connection: AsyncConnection, payments: Sequence[UUID]) -> Mapping[UUID, list[RefundStory]]:
    rows = (await connection.execute(_REFUNDS, {"references": list(payments)})).all()
    steps = await _steps(connection, _REFUND_STEPS, [row.reference for row in rows])
    found: dict[UUID, list[RefundStory]] = defaultdict(list)
    for row in rows:
        story = RefundStory(
            Money(row.amount_minor, row.currency), row.status, row.reason, row.operator_reference, steps[row.reference]
        )
        found[row.payment_reference].append(story)
    return found


def _attempt(row: Row[Any], steps: Sequence[Step], refunds: Sequence[RefundStory]) -> Attempt:
    otherwise = Money(row.received_minor, row.received_currency) if row.received_minor is not None else None
    return read_as(
        Attempt,
        row,
        code=order_code(row.reference),
        amount=Money(row.amount_minor, row.currency),
        received=otherwise,
        steps=tuple(steps),
        refunds=tuple(refunds),
    )
