"""The statements that count payments, or move those that do not count: the one door to `counted`.

Whatever is decided for a payment, its new state, tally entry, total, postings and receipt are written together or
not at all. A hot candidate costs one row update a batch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.direct import Direct, NamedRow
from gateway.storage.rows import among, document, recordset
from gateway.values.money import Money
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.lifecycle import Actor, Observed, State, advance

SETTLE_LOCK_SPACE: Final = 0x5907
LOCK_KEY: Final = ":space, hashtext(cast(cast(:contest as uuid) as text))"
# The organiser's fee plans of this moment in the contest's currency, by way to pay; empty: every other way.
FEE_PLANS: Final = """
  (select jsonb_object_agg(f.method, jsonb_build_array(f.percent_bp, f.fixed_minor, f.minimum_minor)) from (
    select distinct on (p.method) p.method, p.percent_bp, p.fixed_minor, p.minimum_minor from fee_plans p
    where p.organiser_id = c.organiser_id and p.currency = c.currency and p.valid_from <= now()
    order by p.method, p.valid_from desc) f) as fees
from contests c where c.id = :contest
"""
# Whose number a text about a vote may reach: one that was typed in a chat is not proved to be the voter's.
READER: Final = "coalesce(v.voter_index, case when v.chat_id is null then f.payer_index end)"

_COUNTED: Final = """
  reference uuid, placed_at timestamptz, candidate_id uuid, quantity bigint, amount_minor bigint, receipt text,
  round integer, tx uuid, fee_minor bigint
"""
_COUNT: Final = Direct(
    text(f"""
with counted as (select *, row_number() over () as n from {recordset(_COUNTED)}),
head as (
  update contest_heads set next_seq = next_seq + :size where contest_id = :contest
  returning next_seq - :size as first),
flipped as (
  update payments p set status = 'settled', settled_at = now(), next_check_at = null, fee_minor = c.fee_minor
  from counted c
  where {among("p.reference", "counted")} and p.reference = c.reference and p.placed_at = c.placed_at
    and p.status = cast(:before as text)
  returning p.reference, p.placed_at, p.vote_id, p.payer_index),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, cast(:before as text), 'settled', 'counts', cast(:actor as text), cast(:detail as text)
  from flipped),
entered as (
  insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference,
    receipt, ledger_tx, round)
  select cast(:contest as uuid), first + n - 1, 'vote', candidate_id, quantity, amount_minor, reference, receipt, tx,
    round
  from counted, head),
totalled as (
  insert into candidate_totals as t (candidate_id, contest_id, round, votes, amount_minor, reached_seq)
  select candidate_id, cast(:contest as uuid), round, sum(quantity), sum(amount_minor), max(first + n - 1)
  from counted, head group by 1, 3
  on conflict (candidate_id, round) do update set votes = t.votes + excluded.votes,
    amount_minor = t.amount_minor + excluded.amount_minor, reached_seq = excluded.reached_seq),
owed as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), 'receipt', f.reference::text, f.reference, {READER}, v.language, '{{}}', v.chat_id
  from flipped f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at)
select (select count(*) from flipped) as flipped, (select count(*) from head) as heads
""")
)

_REFUSED: Final = """
  reference uuid, placed_at timestamptz, to_status text, seen text, reason text, refund uuid, decide_hours integer
"""
_REFUSE: Final = text(f"""
with refused as (select * from {recordset(_REFUSED)}),
flipped as (
  update payments p set status = r.to_status, reason = r.reason, next_check_at = null,
    decide_by = case when r.to_status = 'held' then now() + make_interval(hours => r.decide_hours) end
  from refused r
  where {among("p.reference", "refused")} and p.reference = r.reference and p.placed_at = r.placed_at
    and p.status = any(cast(:froms as text[]))
  returning p.reference, p.placed_at, p.vote_id, p.contest_id, p.provider, p.payer_index,
    r.to_status, r.seen, r.reason, r.refund, r.decide_hours,
    coalesce(p.received_minor, p.amount_minor) as amount_minor, coalesce(p.received_currency, p.currency) as currency),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, cast(:from_word as text), to_status, seen, cast(:actor as text), reason from flipped),
owed as (
  insert into refunds (reference, payment_reference, contest_id, provider, amount_minor, currency, reason,
    requested_by, request_id)
  select refund, reference, contest_id, provider, amount_minor, currency, reason, cast(:requested_by as text),
    cast(:request as uuid)
  from flipped where to_status = 'refund_due'),
notified as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), case f.to_status when 'held' then 'payment_held' else 'refund_pending' end,
    f.reference::text, f.reference, {READER}, v.language,
    jsonb_strip_nulls(jsonb_build_object('reason', f.reason, 'hours', f.decide_hours)), v.chat_id
  from flipped f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at
  where f.to_status in ('held', 'refund_due'))
select count(*) from flipped
""")


class SettlementBroken(Exception):
    """A row that was locked did not move as decided: a bug. The transaction was undone."""


@dataclass(frozen=True, slots=True)
class By:
    """Who moves payments. `request`: the request of staff that a second person approved."""

    actor: Actor = Actor.SETTLER
    person: str = "rule"
    request: UUID | None = None
    detail: str | None = None


BY_RULE: Final = By()


def plans_of(row: NamedRow) -> ledger.FeePlans:
    """The fee plans in a row; without one everything is the organiser's."""
    own = {method: ledger.FeePlan(*figures) for method, figures in (row.fees or {}).items()}
    return ledger.FeePlans(own.pop("", ledger.FeePlan()), own)


async def count(
    connection: AsyncConnection,
    contest: UUID,
    counted: Sequence[NamedRow],
    plans: ledger.FeePlans,
    *,
    before: State = State.CONFIRMED,
    by: By = BY_RULE,
) -> None:
    """Count payments in the state `before`, whose rows and whose contest are locked. SettlementBroken.

    `counted`: rows with the columns of `_COUNTED` but for the last two, `provider`, `method` and `currency`."""
    if advance(before, Observed.COUNTS, by.actor) is not State.SETTLED:
        raise SettlementBroken(f"{by.actor} may not count {before}")
    books: dict[tuple[str, str], UUID] = defaultdict(uuid4)
    money: dict[tuple[str, str], int] = defaultdict(int)
    votes: dict[tuple[str, str], int] = defaultdict(int)
    fees: dict[tuple[str, str], int] = defaultdict(int)
    rows = []
    for payment in counted:
        pot = (payment.provider, payment.currency)
        fee = plans.of(payment.method).fee(payment.amount_minor)
        money[pot] += payment.amount_minor
        votes[pot] += payment.quantity
        fees[pot] += fee
        rows.append(
            {
                "reference": payment.reference,
                "placed_at": payment.placed_at,
                "candidate_id": payment.candidate_id,
                "quantity": payment.quantity,
                "amount_minor": payment.amount_minor,
                "receipt": payment.receipt,
                "round": payment.round,
                "tx": books[pot],
                "fee_minor": fee,
            }
        )
    cause = {"before": before.value, "actor": by.actor.value, "detail": by.detail}
    counting = {**document(rows), **cause, "contest": contest, "size": len(rows)}
    [done] = await _COUNT.named(connection, counting)
    if done.flipped != len(rows) or done.heads != 1:
        raise SettlementBroken(f"{done.flipped} of {len(rows)} payments of contest {contest}")
    sell = ledger.sale_of_held if before is State.HELD else ledger.sale
    entries = [
        (LedgerEntry(tx, contest, "votes counted", sell(Money(money[pot], pot[1]), votes[pot], fees[pot])), pot[0])
        for pot, tx in books.items()
    ]
    await post(connection, entries)


def held_to_owed(row: NamedRow) -> tuple[LedgerEntry, str]:
    """The posting for a payment whose money was held and goes back, with its provider."""
    legs = ledger.held_to_owed(Money(row.amount_minor, row.currency))
    return LedgerEntry(uuid4(), row.contest_id, f"give back {row.reference}", legs), row.provider


def moved_row(
    before: State,
    observed: Observed,
    row: NamedRow,
    reason: str,
    actor: Actor = Actor.SETTLER,
    decide_hours: int | None = None,
) -> dict[str, Any]:
    """What `move` wants of a payment. `decide_hours`: how long a person has to decide about one that is held.
    SettlementBroken for a step that is not in the table."""
    after = advance(before, observed, actor)
    if not isinstance(after, State):
        raise SettlementBroken(f"{before} may not see {observed}")
    return {
        "reference": row.reference,
        "placed_at": row.placed_at,
        "to_status": after.value,
        "seen": observed.value,
        "reason": reason,
        "refund": uuid4(),
        "decide_hours": decide_hours,
    }


async def move(connection: AsyncConnection, before: State, rows: Sequence[dict[str, Any]], by: By = BY_RULE) -> None:
    """Move payments that do not count, with the refunds that they are owed. SettlementBroken."""
    if not rows:
        return
    cause = {"actor": by.actor.value, "requested_by": by.person, "request": by.request}
    parameters = {**document(rows), **cause, "froms": [before.value], "from_word": before.value}
    moved = (await connection.execute(_REFUSE, parameters)).scalar_one()
    if moved != len(rows):
        raise SettlementBroken(f"{moved} of {len(rows)} {before} payments moved")
