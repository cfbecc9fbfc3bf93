"""The one door to `counted`: a batch of confirmed payments, one transaction.

Whatever is decided for a payment, its flip, tally entry, total, postings and receipt are written
together or not at all. A hot candidate costs one row update a batch. One settler a contest at a
time, by an advisory lock, so that batches never wait for each other's rows.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.rows import document, recordset
from gateway.storage.set_aside import Kind, passes, set_aside
from gateway.values.halving import in_halves
from gateway.values.money import Money
from payments.collection.provisional_marks import ask_first
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.lifecycle import Actor, Confirmed, Observed, State, Verdict, advance, verdict
from payments.settlement.port import ConfirmedPayment, Decision, SettledBatch
from payments.settlement.queue import CONTESTS, DUE, GIVE_BACK, THESE, TO_GIVE_BACK, WAITING

SETTLE_LOCK_SPACE: Final = 0x5907
# So many payments of a contest that fail one by one: it is the contest that is broken.
BROKEN_MAX: Final = 5
# How long what cannot be settled waits for its next try.
PAYMENT_AGAIN_SECONDS: Final = 900
CONTEST_AGAIN_SECONDS: Final = 300

LOCK_KEY: Final = ":space, hashtext(cast(cast(:contest as uuid) as text))"
# The organiser's fee plan of this moment in the contest's currency.
FEE_PLAN: Final = """
  f.percent_bp, f.fixed_minor, f.minimum_minor
from contests c left join lateral (
  select percent_bp, fixed_minor, minimum_minor from fee_plans
  where organiser_id = c.organiser_id and currency = c.currency and valid_from <= now()
  order by valid_from desc limit 1) f on true
where c.id = :contest
"""
_TRY_LOCK: Final = text(f"select pg_try_advisory_xact_lock({LOCK_KEY}) as locked, {FEE_PLAN}")

# Whose number a text about a vote may reach: nobody has proved to hold one that was typed in a chat.
READER: Final = "coalesce(v.voter_index, case when v.chat_id is null then f.payer_index end)"

_COUNTED: Final = (
    ("reference", "uuid"),
    ("placed_at", "timestamptz"),
    ("candidate_id", "uuid"),
    ("quantity", "bigint"),
    ("amount_minor", "bigint"),
    ("receipt", "text"),
    ("tx", "uuid"),
    ("fee_minor", "bigint"),
)
_COUNT: Final = text(f"""
with counted as (select *, row_number() over () as n from {recordset(_COUNTED)}),
head as (
  update contest_heads set next_seq = next_seq + :size where contest_id = :contest
  returning next_seq - :size as first),
flipped as (
  update payments p set status = 'settled', settled_at = now(), next_check_at = null, fee_minor = c.fee_minor
  from counted c
  where p.reference = c.reference and p.placed_at = c.placed_at and p.status = cast(:before as text)
  returning p.reference, p.placed_at, p.vote_id, p.payer_index),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, cast(:before as text), 'settled', 'counts', cast(:actor as text), cast(:detail as text)
  from flipped),
entered as (
  insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference,
    receipt, ledger_tx)
  select cast(:contest as uuid), first + n - 1, 'vote', candidate_id, quantity, amount_minor, reference, receipt, tx
  from counted, head),
totalled as (
  update candidate_totals t set votes = votes + s.quantity, amount_minor = t.amount_minor + s.amount_minor
  from (select candidate_id, sum(quantity) as quantity, sum(amount_minor) as amount_minor
    from counted group by 1) s
  where t.candidate_id = s.candidate_id),
owed as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), 'receipt', f.reference::text, f.reference, {READER}, v.language, '{{}}', v.chat_id
  from flipped f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at)
select (select count(*) from flipped) as flipped, (select count(*) from head) as heads
""")

_REFUSED: Final = (
    ("reference", "uuid"),
    ("placed_at", "timestamptz"),
    ("to_status", "text"),
    ("seen", "text"),
    ("reason", "text"),
    ("refund", "uuid"),
)
_REFUSE: Final = text(f"""
with refused as (select * from {recordset(_REFUSED)}),
flipped as (
  update payments p set status = r.to_status, reason = r.reason, next_check_at = null from refused r
  where p.reference = r.reference and p.placed_at = r.placed_at and p.status = any(cast(:froms as text[]))
  returning p.reference, p.placed_at, p.vote_id, p.contest_id, p.provider, p.payer_index,
    r.to_status, r.seen, r.reason, r.refund,
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
told as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), 'refund_pending', f.reference::text, f.reference, {READER}, v.language,
    jsonb_build_object('reason', f.reason), v.chat_id
  from flipped f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at where f.to_status = 'refund_due')
select count(*) from flipped
""")


class SettlementBroken(Exception):
    """A row that was locked did not move as decided: a bug. The transaction was undone."""


@dataclass(frozen=True, slots=True)
class By:
    """On whose word payments move. `request`: the request of staff that a second person agreed to."""

    actor: Actor = Actor.SETTLER
    person: str = "rule"
    request: UUID | None = None
    detail: str | None = None


BY_RULE: Final = By()


class Settlement:
    """`Settlement` on PostgreSQL. Contests take turns; one whose payments fail together is set aside for a while."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._last = UUID(int=0)

    async def settle_batch(self, limit: int) -> SettledBatch | None:
        """Settle up to `limit` confirmed payments of one contest; None when none is due."""
        async with self._engine.connect() as connection:
            waiting = list((await connection.execute(CONTESTS)).scalars())
        for contest in sorted(waiting, key=lambda contest: (contest <= self._last, contest)):
            self._last = contest
            try:
                batch = await self._settle_some(contest, DUE, {"limit": limit})
            except Exception as error:
                if passes(error):
                    raise
                batch = await self._settle_in_halves(contest, limit)
            if batch is not None:
                return batch
        return None

    async def _settle_some(
        self, contest: UUID, statement: TextClause, which: Mapping[str, object]
    ) -> SettledBatch | None:
        """One transaction; None when another process settles this contest, or nothing is left of it."""
        async with self._engine.begin() as connection:
            turn = (await connection.execute(_TRY_LOCK, {"space": SETTLE_LOCK_SPACE, "contest": contest})).one()
            rows = (await connection.execute(statement, {"contest": contest, **which})).all() if turn.locked else []
            return await self._settle(connection, contest, rows, plan_of(turn)) if rows else None

    async def _settle_in_halves(self, contest: UUID, limit: int) -> SettledBatch | None:
        """A batch of this contest fails: do what can be done of it, and set the rest aside."""
        async with self._engine.connect() as connection:
            waiting = list((await connection.execute(WAITING, {"contest": contest, "limit": limit})).scalars())

        async def act(part: Sequence[UUID]) -> SettledBatch | None:
            return await self._settle_some(contest, THESE, {"only": list(part)})

        done = await in_halves(waiting, act, passes, BROKEN_MAX)
        await self._set_aside(Kind.PAYMENT, done.broken, PAYMENT_AGAIN_SECONDS)
        if done.given_up:
            await self._set_aside(Kind.CONTEST, [(contest, done.broken[0][1])], CONTEST_AGAIN_SECONDS)
        batches = [batch for batch in done.results if batch is not None]
        counted = tuple(votes for batch in batches for votes in batch.counted)
        return SettledBatch(contest, counted, sum(batch.other for batch in batches)) if batches else None

    async def _set_aside(self, kind: Kind, broken: Sequence[tuple[UUID, Exception]], seconds: int) -> None:
        named = [(str(subject), error) for subject, error in broken]
        if not named:
            return
        async with self._engine.begin() as connection:
            await set_aside(connection, kind, named, seconds)

    async def _settle(
        self, connection: AsyncConnection, contest: UUID, rows: Sequence[Row[Any]], plan: ledger.FeePlan
    ) -> SettledBatch:
        decisions = list(decide(rows))
        providers = {row.reference: row.provider for row in rows}
        placed = {row.reference: row.placed_at for row in rows}
        counted = [d.payment for d in decisions if d.verdict is Verdict.COUNT]
        other = [d for d in decisions if d.verdict is not Verdict.COUNT]
        unproved = await ask_first(connection, [d.payment.reference for d in other])
        if unproved:
            other = [d for d in other if d.payment.reference not in unproved]
        if counted:
            await count(connection, contest, counted, providers, placed, plan)
        if other:
            await self._refuse(connection, contest, other, providers, placed)
        return SettledBatch(contest, tuple((p.candidate_code, p.quantity) for p in counted), len(other) + len(unproved))

    async def _refuse(
        self,
        connection: AsyncConnection,
        contest: UUID,
        decisions: list[Decision],
        providers: Mapping[UUID, str],
        placed: Mapping[UUID, datetime],
    ) -> None:
        rows, entries = [], []
        for decision in decisions:
            payment, double = decision.payment, decision.verdict is Verdict.SURPLUS
            observed = Observed.COUNTED_BEFORE if double else Observed.CANNOT_COUNT
            reference = payment.reference
            rows.append(refused(State.CONFIRMED, observed, reference, placed[reference], decision.verdict.value))
            legs = ledger.held(payment.amount) if double else ledger.owed_back(payment.amount)
            entry = LedgerEntry(uuid4(), contest, f"{decision.verdict.value} {reference}", legs)
            entries.append((entry, providers[reference]))
        await move(connection, State.CONFIRMED, rows)
        await post(connection, entries)

    async def give_back_batch(self, limit: int) -> int:
        """Turn surplus and mismatched payments into refunds that are owed."""
        async with self._engine.connect() as connection:
            due = list((await connection.execute(TO_GIVE_BACK, {"limit": limit})).scalars())
        done = await in_halves(due, self._give_back, passes)
        await self._set_aside(Kind.PAYMENT, done.broken, PAYMENT_AGAIN_SECONDS)
        return sum(done.results)

    async def _give_back(self, references: Sequence[UUID]) -> int:
        async with self._engine.begin() as connection:
            due = (await connection.execute(GIVE_BACK, {"only": list(references)})).all()
            for state, reason in ((State.SURPLUS, "double"), (State.MISMATCHED, "mismatch")):
                members = [row for row in due if row.status == state.value]
                rows = [refused(state, Observed.CANNOT_COUNT, row.reference, row.placed_at, reason) for row in members]
                await move(connection, state, rows)
            await post(connection, [held_to_owed(row) for row in due])
        return len(due)


def plan_of(row: Row[Any]) -> ledger.FeePlan:
    """The fee plan in a row; without one everything is the organiser's."""
    if row.percent_bp is None:
        return ledger.FeePlan()
    return ledger.FeePlan(row.percent_bp, row.fixed_minor, row.minimum_minor)


def decide(rows: Iterable[Row[Any]]) -> Iterable[Decision]:
    """The pure verdict for each row; of two payments for one vote in a batch the first counts."""
    counted_here: set[UUID] = set()
    for row in rows:
        facts = Confirmed(
            placed_at=row.placed_at,
            confirmed_at=row.confirmed_at,
            closes_at=row.closes_at,
            late_seconds=row.late_seconds,
            candidate_eligible=row.eligible,
            counted_before=row.counted_before or row.vote_id in counted_here,
        )
        judged = verdict(facts)
        if judged is Verdict.COUNT:
            counted_here.add(row.vote_id)
        amount = Money(row.amount_minor, row.currency)
        payment = ConfirmedPayment(
            row.reference, row.vote_id, row.candidate_id, row.code, row.quantity, amount, row.receipt, facts
        )
        yield Decision(payment, judged)


async def count(
    connection: AsyncConnection,
    contest: UUID,
    counted: Sequence[ConfirmedPayment],
    providers: Mapping[UUID, str],
    placed: Mapping[UUID, datetime],
    plan: ledger.FeePlan,
    *,
    before: State = State.CONFIRMED,
    by: By = BY_RULE,
) -> None:
    """Count payments in the state `before`, whose rows and whose contest are locked. SettlementBroken."""
    if advance(before, Observed.COUNTS, by.actor) is not State.SETTLED:
        raise SettlementBroken(f"{by.actor} may not count {before}")
    books: dict[tuple[str, str], UUID] = defaultdict(uuid4)
    money: dict[tuple[str, str], int] = defaultdict(int)
    votes: dict[tuple[str, str], int] = defaultdict(int)
    fees: dict[tuple[str, str], int] = defaultdict(int)
    rows = []
    for payment in counted:
        pot = (providers[payment.reference], payment.amount.currency)
        money[pot] += payment.amount.amount_minor
        votes[pot] += payment.quantity
        fee = plan.fee(payment.amount.amount_minor)
        fees[pot] += fee
        rows.append(
            {
                "reference": payment.reference,
                "placed_at": placed[payment.reference],
                "candidate_id": payment.candidate_id,
                "quantity": payment.quantity,
                "amount_minor": payment.amount.amount_minor,
                "receipt": payment.receipt,
                "tx": books[pot],
                "fee_minor": fee,
            }
        )
    said = {"before": before.value, "actor": by.actor.value, "detail": by.detail}
    done = (await connection.execute(_COUNT, {**document(rows), **said, "contest": contest, "size": len(rows)})).one()
    if done.flipped != len(rows) or done.heads != 1:
        raise SettlementBroken(f"{done.flipped} of {len(rows)} payments of contest {contest}")
    sell = ledger.sale_of_held if before is State.HELD else ledger.priced_order
    entries = [
        (LedgerEntry(tx, contest, "votes counted", sell(Money(money[pot], pot[1]), votes[pot], fees[pot])), pot[0])
        for pot, tx in books.items()
    ]
    await post(connection, entries)


def held_to_owed(row: Row[Any]) -> tuple[LedgerEntry, str]:
    """The posting for a payment whose money was held and goes back, with its provider."""
    legs = ledger.held_to_owed(Money(row.amount_minor, row.currency))
    return LedgerEntry(uuid4(), row.contest_id, f"give back {row.reference}", legs), row.provider


def refused(
    before: State, observed: Observed, reference: UUID, placed_at: datetime, reason: str, actor: Actor = Actor.SETTLER
) -> dict[str, Any]:
    """A row for `move`. SettlementBroken for a step that is not in the table."""
    after = advance(before, observed, actor)
    if not isinstance(after, State):
        raise SettlementBroken(f"{before} may not see {observed}")
    return {
        "reference": reference,
        "placed_at": placed_at,
        "to_status": after.value,
        "seen": observed.value,
        "reason": reason,
        "refund": uuid4(),
    }


async def move(connection: AsyncConnection, before: State, rows: Sequence[dict[str, Any]], by: By = BY_RULE) -> None:
    """Move payments that do not count, with the refunds that they are owed. SettlementBroken."""
    if not rows:
        return
    said = {"actor": by.actor.value, "requested_by": by.person, "request": by.request}
    parameters = {**document(rows), **said, "froms": [before.value], "from_word": before.value}
    moved = (await connection.execute(_REFUSE, parameters)).scalar_one()
    if moved != len(rows):
        raise SettlementBroken(f"{moved} of {len(rows)} {before} payments moved")
