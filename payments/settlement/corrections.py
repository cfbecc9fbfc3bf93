"""What is counted is taken back, and what is held is counted or refunded: by decision of two people, or because
the operator says that the money is not ours.

A counted payment leaves the tally by a public adjustment of its whole entry. What follows (totals, book, refund,
text) is written in the same transaction, under the lock that settlement takes, so that tally numbers have no gap.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.contest import CandidateStatus
from gateway.storage.rows import document, recordset
from gateway.values.money import Money
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.lifecycle import Actor, Observed, State, advance
from payments.settlement.count import (
    FEE_PLANS,
    LOCK_KEY,
    READER,
    SETTLE_LOCK_SPACE,
    By,
    SettlementBroken,
    count,
    held_to_owed,
    move,
    moved_row,
    plans_of,
)
from payments.settlement.rules import stands

_LOCK: Final = text(f"select pg_advisory_xact_lock({LOCK_KEY})")
_PLANS: Final = text(f"select {FEE_PLANS}")

_PAYMENTS: Final = text("""
select p.reference, p.placed_at, p.vote_id, p.contest_id, p.provider, p.method, p.status, p.fee_minor, p.confirmed_at,
  coalesce(p.received_minor, p.amount_minor) as amount_minor, coalesce(p.received_currency, p.currency) as currency,
  v.candidate_id, v.quantity, v.receipt, v.round, k.code, k.status as standing, k.evicted_at, t.seq
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id
  left join tally_entries t on t.payment_reference = p.reference and t.kind = 'vote'
where p.reference = any(cast(:references as uuid[])) and p.contest_id = :contest
order by p.reference for update of p
""")

_BACK: Final = """
  reference uuid, placed_at timestamptz, candidate_id uuid, quantity bigint, amount_minor bigint, seq bigint,
  tx uuid, refund uuid, round integer
"""
# Shared by both: the state, its event, the public adjustment, the totals, the text.
_UNCOUNT: Final = f"""
with back as (select *, row_number() over (order by seq) as n from {recordset(_BACK)}),
head as (
  update contest_heads set next_seq = next_seq + :size where contest_id = :contest
  returning next_seq - :size as first),
f as (
  update payments p set status = cast(:to_status as text), reason = cast(:reason as text), next_check_at = null,
    provisional = false
  from back b where p.reference = b.reference and p.placed_at = b.placed_at and p.status = 'settled'
  returning p.reference, p.placed_at, p.vote_id, p.contest_id, p.provider, p.payer_index, p.amount_minor, p.currency,
    b.seq, b.refund),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, 'settled', cast(:to_status as text), cast(:seen as text), cast(:actor as text),
    cast(:detail as text)
  from f),
entered as (
  insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, ledger_tx, reason, adjusts,
    round)
  select cast(:contest as uuid), first + n - 1, 'adjustment', candidate_id, -quantity, -amount_minor, tx,
    cast(:public_reason as text), seq, round
  from back, head),
totalled as (
  update candidate_totals t set votes = votes - s.quantity, amount_minor = t.amount_minor - s.amount_minor,
    reached_seq = s.last
  from (select candidate_id, round, sum(quantity) as quantity, sum(amount_minor) as amount_minor,
      max(first + n - 1) as last
    from back, head group by 1, 2) s
  where t.candidate_id = s.candidate_id and t.round = s.round),
notified as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), cast(:message as text), f.reference::text, f.reference, {READER}, v.language,
    jsonb_build_object('reason', cast(:reason as text)), v.chat_id
  from f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at
  where cast(:message as text) is not null and (v.chat_id is not null or {READER} is not null)
  on conflict (kind, key) do nothing)"""
_DONE: Final = "select (select count(*) from f) as flipped, (select count(*) from head) as heads"
_TAKE_BACK: Final = text(f"""{_UNCOUNT},
owed as (
  insert into refunds (reference, payment_reference, contest_id, provider, amount_minor, currency, reason,
    requested_by, request_id, tally_seq)
  select refund, reference, contest_id, provider, amount_minor, currency, cast(:reason as text),
    cast(:person as text), cast(:request as uuid), seq
  from f)
{_DONE}
""")
_REVERSE: Final = text(f"{_UNCOUNT} {_DONE}")


@dataclass(frozen=True, slots=True)
class Correction:
    """Why payments leave the count. `reason`: selects the voter's text; `public`: the reason in the
    tally; `by`: who asked, and the approved request."""

    reason: str
    public: str
    by: By


@dataclass
class Corrected:
    """What became of payments. `counted`: candidate code and votes, negative when taken back. `skipped`: those in
    another state, with that state."""

    contest_id: UUID
    counted: list[tuple[str, int]] = field(default_factory=list)
    done: list[UUID] = field(default_factory=list)
    skipped: dict[UUID, str] = field(default_factory=dict)


def by_staff(person: str, request: UUID) -> By:
    """A person, by a request that a second person approved."""
    return By(Actor.STAFF, person, request, f"request {request}")


async def lock_contest(connection: AsyncConnection, contest: UUID) -> None:
    """Wait for the settlement of this contest, and keep others out until this transaction ends."""
    await connection.execute(_LOCK, {"space": SETTLE_LOCK_SPACE, "contest": contest})


async def _locked(
    connection: AsyncConnection, contest: UUID, references: Sequence[UUID], states: frozenset[State]
) -> tuple[Corrected, list[Row[Any]]]:
    """The payments that are in one of these states, locked after their contest."""
    await lock_contest(connection, contest)
    rows = (await connection.execute(_PAYMENTS, {"references": list(references), "contest": contest})).all()
    skipped = {row.reference: row.status for row in rows if row.status not in states}
    return Corrected(contest, skipped=skipped), [row for row in rows if row.status in states]


async def owe_refunds(
    connection: AsyncConnection, contest: UUID, references: Sequence[UUID], why: Correction, *, states: frozenset[State]
) -> Corrected:
    """Make refunds due for those of these payments of one contest that are in one of `states` (`settled`, `held`).
    Locks the contest first."""
    corrected, rows = await _locked(connection, contest, references, states)
    counted = [row for row in rows if row.status == State.SETTLED]
    held = [row for row in rows if row.status == State.HELD]
    if counted:
        await _uncount(connection, contest, counted, Observed.CANNOT_COUNT, why, "refund_pending", owed=True)
    rows_held = [moved_row(State.HELD, Observed.CANNOT_COUNT, row, why.reason, Actor.STAFF) for row in held]
    await move(connection, State.HELD, rows_held, why.by)
    await post(connection, [held_to_owed(row) for row in held])
    corrected.counted = [(row.code, -row.quantity) for row in counted]
    corrected.done = [row.reference for row in (*counted, *held)]
    return corrected


async def reverse_counted(
    connection: AsyncConnection,
    contest: UUID,
    references: Sequence[UUID],
    why: Correction,
    *,
    observed: Observed,
    message: str | None = None,
) -> Corrected:
    """Take these payments of one contest out of tally, totals and book, as if they had never been sold, because
    the operator has no money of ours for them: nothing is owed to the payer and no refund is made.

    Counted ones only; others are in `skipped` with their state. The lifecycle decides where they end, by `observed` and
    the actor. `message`: kind of the text to the voter, if any is due. Locks the contest first. Raises
    SettlementBroken."""
    corrected, counted = await _locked(connection, contest, references, frozenset({State.SETTLED}))
    if counted:
        await _uncount(connection, contest, counted, observed, why, message, owed=False)
    corrected.counted = [(row.code, -row.quantity) for row in counted]
    corrected.done = [row.reference for row in counted]
    return corrected


async def _uncount(
    connection: AsyncConnection,
    contest: UUID,
    rows: Sequence[Row[Any]],
    observed: Observed,
    why: Correction,
    message: str | None,
    *,
    owed: bool,
) -> None:
    """Undo what counting did. `owed`: the payers' money is still with us, and is refunded."""
    after = advance(State.SETTLED, observed, why.by.actor)
    if not isinstance(after, State):
        raise SettlementBroken(f"{why.by.actor} may not take back what is counted, having observed {observed}")
    if unentered := [str(row.reference) for row in rows if row.seq is None]:
        raise SettlementBroken(f"settled without an entry: {unentered}")
    groups: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[row.provider, row.currency].append(row)
    books = {group: uuid4() for group in groups}
    parameters: dict[str, Any] = {
        **document({**row._asdict(), "tx": books[row.provider, row.currency], "refund": uuid4()} for row in rows),
        "contest": contest,
        "size": len(rows),
        "to_status": after.value,
        "seen": observed.value,
        "actor": why.by.actor.value,
        "detail": why.by.detail,
        "reason": why.reason,
        "public_reason": why.public,
        "message": message,
    }
    if owed:
        parameters |= {"person": why.by.person, "request": why.by.request}
    done = (await connection.execute(_TAKE_BACK if owed else _REVERSE, parameters)).one()
    if done.flipped != len(rows) or done.heads != 1:
        raise SettlementBroken(f"{done.flipped} of {len(rows)} payments of contest {contest} taken back")
    undo = ledger.sale_taken_back if owed else ledger.sale_reversed
    await post(connection, [_entry(contest, group, members, books[group], undo) for group, members in groups.items()])


def _entry(
    contest: UUID,
    group: tuple[str, str],
    rows: Sequence[Row[Any]],
    tx: UUID,
    undo: Callable[[Money, int, int], tuple[ledger.Posting, ...]],
) -> tuple[LedgerEntry, str]:
    provider, currency = group
    money = Money(sum(row.amount_minor for row in rows), currency)
    votes, fees = sum(row.quantity for row in rows), sum(row.fee_minor or 0 for row in rows)
    return LedgerEntry(tx, contest, "votes taken back", undo(money, votes, fees)), provider


async def count_held(connection: AsyncConnection, contest: UUID, references: Sequence[UUID], by: By) -> Corrected:
    """Count held payments of one contest. Locks the contest first."""
    corrected, rows = await _locked(connection, contest, references, frozenset({State.HELD}))
    standing = [row for row in rows if stands(CandidateStatus(row.standing), row.evicted_at, row.placed_at)]
    gone = {row.reference for row in rows} - {row.reference for row in standing}
    corrected.skipped |= dict.fromkeys(gone, "held, and its candidate no longer stands")
    if standing:
        plans = plans_of((await connection.execute(_PLANS, {"contest": contest})).one())
        await count(connection, contest, standing, plans, before=State.HELD, by=by)
    corrected.counted += [(row.code, row.quantity) for row in standing]
    corrected.done += [row.reference for row in standing]
    return corrected
