"""Money that operators take back from us: disputes kept, and what a lost one does to its payment.

A report is committed first, then acted upon. One that could not be acted upon yet (its payment is not known as paid,
its refund has been sent and has no final answer) is looked at again. Both under the lock that settlement takes, so
that of twenty copies at once the first one acts, and no payout misses an open dispute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from payments.collection.callback_queue import hint
from payments.disbursement.disputes.rules import (
    Consequence,
    LostDispute,
    Meaning,
    Part,
    consequence_of,
    meaning_of,
    stoppable,
)
from payments.disbursement.rules import REFUND_STEPS, OutgoingState, Step, next_state
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.ledger.differences import DifferenceKind, open_difference
from payments.lifecycle import Actor, Observed, State, advance
from payments.provider import DisputeStatus, Reversed
from payments.settlement.corrections import Correction, lock_contest, reverse_counted
from payments.settlement.count import By, SettlementBroken
from payments.settlement.rules import Adjusted

REASON: Final = "reversed"
MESSAGE: Final = "votes_withdrawn"
AGAIN_LIMIT: Final = 100
_WORDS: Final = {DisputeStatus.OPEN: "disputed", DisputeStatus.WON: "dispute_won", DisputeStatus.LOST: "reversed"}
"""What is kept as evidence, by the status of a dispute."""
_log = structlog.get_logger(__name__)

# An account's key is its provider's code, perhaps with a country.
_OF_PROVIDER: Final = "split_part(p.provider, '@', 1) = :provider"
_BY_REFERENCE: Final = text(f"""
select p.reference, p.provider, p.contest_id from payments p where p.reference = :reference and {_OF_PROVIDER}
""")
_BY_NUMBER: Final = text(f"""
select p.reference, p.provider, p.contest_id from payments p
where p.provider_reference = :number and p.method = '{PaymentMethod.CARD}' and {_OF_PROVIDER} limit 1
""")
_KNOWN: Final = text("""
select reference, payment_reference, status, fee_minor, effect is not null as acted,
  coalesce(told_at > cast(:at as timestamptz), false) as overtaken
from disputes
where provider = :provider and operator_reference = :number
""")
_OPEN: Final = text("""
insert into disputes (reference, provider, operator_reference, payment_reference, contest_id, code, amount_minor,
  currency, status, told_at, closed_at)
values (:reference, :provider, :number, :payment, :contest, :code, :amount, :currency, cast(:after as text), :at,
  case when cast(:after as text) <> 'open' then now() end)
""")
_STEP: Final = text("""
update disputes set code = :code, amount_minor = :amount, currency = :currency, status = cast(:after as text),
  closed_at = now(), told_at = coalesce(:at, told_at)
where reference = :reference
""")
_LOG: Final = text("""
insert into dispute_events (reference, from_status, to_status, seen, actor, detail)
values (:reference, :before, :after, :code, 'verifier', :detail)
""")
_KEEP_EVIDENCE: Final = text("""
insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw)
values (:payment, :word, 'status', :amount, :currency, :number, :raw)
""")
_FEE: Final = text("update disputes set fee_minor = :fee where reference = :reference")

_TO_ACT: Final = text("""
select d.reference, d.contest_id from disputes d join payments p on p.reference = d.payment_reference
where d.status = 'lost' and d.effect is null and not p.provisional
  and p.status not in ('created', 'sent', 'pending', 'failed', 'expired')
order by d.closed_at limit :limit
""")
_LOST: Final = text("""
select reference, provider, operator_reference, payment_reference, contest_id, code, amount_minor, currency
from disputes where reference = :reference and status = 'lost' and effect is null
""")
# The undecided ones of the same payment, this one included.
_PARTS: Final = text("""
select d.reference, d.amount_minor from disputes d
where d.payment_reference = :payment and d.status = 'lost' and d.currency = :currency and (d.effect is null
  or d.effect = 'person' and exists (
    select 1 from differences f where f.dispute_reference = d.reference and f.status = 'open' and f.amount_minor < 0))
order by d.reference
""")
# The refund before the payment: refunds lock them in this order.
_REFUND: Final = text("""
select r.reference, r.status,
  (select seen from refund_events e where e.reference = r.reference
    and e.seen in ('calling', 'accepted', 'put_back', 'put_off') order by e.id desc limit 1) as last_call,
  exists (select 1 from evidence e where e.reference = r.reference and e.word = 'failed') as failed
from refunds r where r.payment_reference = :payment and r.status <> 'void' for update
""")
_PAYMENT: Final = text("""
select reference, placed_at, status, provider, contest_id, provisional,
  coalesce(received_minor, amount_minor) as amount_minor, coalesce(received_currency, currency) as currency
from payments where reference = :payment for update
""")
_MOVE: Final = text("""
with f as (
  update payments set status = cast(:after as text), reason = :reason, next_check_at = null
  where reference = :payment and placed_at = :placed_at and status = cast(:before as text) returning reference)
insert into payment_events (reference, from_status, to_status, seen, actor, detail)
select reference, cast(:before as text), cast(:after as text), 'reversed', 'verifier', :detail from f
""")
_VOID: Final = text("""
with f as (
  update refunds set status = cast(:after as text), next_try_at = null, reason_code = :reason
  where reference = :refund and status = cast(:before as text) returning reference)
insert into refund_events (reference, from_status, to_status, seen, actor, detail)
select reference, cast(:before as text), cast(:after as text), 'reversed', 'verifier', :detail from f
""")
_DONE: Final = text("update disputes set effect = :effect, reversed_minor = :reversed where reference = :reference")
_EXPLAINED: Final = text("""
update differences set status = 'resolved', resolution = 'came_in', resolved_by = 'spotlight', resolved_at = now(),
  note = 'with other parts it is all of the payment'
where dispute_reference = :reference and status = 'open' and amount_minor < 0
""")


@dataclass(frozen=True, slots=True)
class ObservedReversal:
    """What an operator reports about money that it took back. `provider`: its code. One of these finds the payment:
    `reference`, ours; `number`, the operator's own of a payment by card."""

    provider: str
    report: Reversed
    reference: UUID | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """A lost dispute with its payment and the refund that is owed, if any, all locked."""

    dispute: Row[Any]
    payment: Row[Any]
    refund: Row[Any] | None
    parts: Sequence[Part]

    @property
    def detail(self) -> str:
        return f"{self.dispute.code} {self.dispute.operator_reference}"

    def facts(self) -> LostDispute:
        """What the rules look at."""
        refund, may_stop = self.refund, False
        if refund is not None:
            last_call = Step(refund.last_call) if refund.last_call else None
            may_stop = stoppable(OutgoingState(refund.status), last_call, failed=refund.failed)
        return LostDispute(
            reference=self.dispute.reference,
            name=self.detail,
            lost=Money(self.dispute.amount_minor, self.dispute.currency),
            state=State(self.payment.status),
            paid=Money(self.payment.amount_minor, self.payment.currency),
            proved=not self.payment.provisional,
            refund_stoppable=may_stop,
            parts=self.parts,
        )


async def record_reversals(engine: AsyncEngine, observed: Sequence[ObservedReversal]) -> Mapping[str, UUID]:
    """Keep what operators report about disputes and act on those that are lost; the payments of ours that they are
    about, by the operators' numbers. A payment that is not known as paid is asked about."""
    found: dict[str, UUID] = {}
    for one in observed:
        async with engine.begin() as connection:
            payment = await _payment_of(connection, one)
            dispute = None if payment is None else await _keep(connection, payment, one.report)
            if payment is not None:
                await hint(connection, [payment.reference])
        if payment is None:
            _log_unknown(one)
            continue
        found[one.report.provider_reference] = payment.reference
        if dispute is not None:
            await _act(engine, dispute, payment.contest_id)
    return found


async def act_on_lost(engine: AsyncEngine) -> int:
    """Look again at lost disputes that nothing came of yet; of how many something did."""
    async with engine.connect() as connection:
        waiting = (await connection.execute(_TO_ACT, {"limit": AGAIN_LIMIT})).all()
    return sum([await _act(engine, row.reference, row.contest_id) for row in waiting])


def _log_unknown(observed: ObservedReversal) -> None:
    report = observed.report
    _log.error(
        "reversal_of_unknown_payment",
        provider=observed.provider,
        payment=str(observed.reference or ""),
        collection=observed.number or "",
        operator_reference=report.provider_reference,
        code=report.code,
        amount=str(report.amount),
    )


async def _payment_of(connection: AsyncConnection, observed: ObservedReversal) -> Row[Any] | None:
    """The payment that it is about; never a payment of another operator."""
    if observed.report.amount.amount_minor <= 0:
        return None
    if observed.reference is not None:
        asked = {"reference": observed.reference, "provider": observed.provider}
        return (await connection.execute(_BY_REFERENCE, asked)).one_or_none()
    if not observed.number:
        return None
    asked_number = {"number": observed.number, "provider": observed.provider}
    return (await connection.execute(_BY_NUMBER, asked_number)).one_or_none()


async def _keep(connection: AsyncConnection, payment: Row[Any], report: Reversed) -> UUID | None:
    """Keep a report; the dispute, unless it is another payment's."""
    await lock_contest(connection, payment.contest_id)
    asked = {"provider": payment.provider, "number": report.provider_reference}
    known = (await connection.execute(_KNOWN, {**asked, "at": report.at})).one_or_none()
    if known is not None and known.payment_reference != payment.reference:
        _log.error("dispute_of_two_payments", **asked, payment=str(payment.reference))
        return None
    reference: UUID = known.reference if known else uuid4()
    before, after = DisputeStatus(known.status) if known else None, report.dispute_status
    meaning = meaning_of(before, after, acted=bool(known and known.acted), overtaken=bool(known and known.overtaken))
    values = {
        "reference": reference,
        "payment": payment.reference,
        "contest": payment.contest_id,
        **asked,
        "code": report.code,
        "amount": report.amount.amount_minor,
        "currency": report.amount.currency,
        "at": report.at,
        "before": before,
        "after": after.value,
        "word": _WORDS[after],
        "detail": f"{report.amount.plain()} {report.amount.currency}",
        "raw": report.raw[:4000],
    }
    if meaning is Meaning.STEP:
        for statement in (_STEP if known else _OPEN, _LOG, _KEEP_EVIDENCE):
            await connection.execute(statement, values)
        _log.warning("dispute_moved", dispute_status=after.value, code=report.code, **asked)
    if meaning is Meaning.CONTRADICTION:
        await connection.execute(_KEEP_EVIDENCE, values)
        again = "lost, acted upon, and now the operator says that it is ours"
        about = {"payment": payment.reference, "dispute": reference}
        await open_difference(connection, payment.provider, DifferenceKind.AMOUNT, report.amount, again, **about)
    if meaning is Meaning.STEP or before is after:
        await _book_fee(connection, payment, reference, report, known.fee_minor if known else 0)
    return reference


async def _book_fee(
    connection: AsyncConnection, payment: Row[Any], dispute: UUID, report: Reversed, booked: int
) -> None:
    """What the operator took for its work, as far as it is not booked. In another currency a statement brings it."""
    if report.fee is None or report.fee.currency != report.amount.currency or report.fee.amount_minor == booked:
        return
    more = report.fee.amount_minor - booked
    fee = Money(abs(more), report.fee.currency)
    legs = ledger.operator_kept(fee) if more > 0 else ledger.fee_given_up(fee)
    memo = f"fee of dispute {report.provider_reference}"
    await post(connection, [(LedgerEntry(uuid4(), payment.contest_id, memo, legs), payment.provider)])
    await connection.execute(_FEE, {"reference": dispute, "fee": report.fee.amount_minor})


async def _act(engine: AsyncEngine, dispute: UUID, contest: UUID) -> bool:
    """Do what follows of a lost dispute, once; whether something did. After a bug it stays as it is, to be looked at
    again: the report is kept, and the callbacks behind it must not wait."""
    try:
        async with engine.begin() as connection:
            case = await _case(connection, dispute, contest)
            facts = case.facts() if case else None
            then = consequence_of(facts) if facts else None
            if case is None or facts is None or then is None:
                return False
            await _carry_out(connection, case, facts, then)
    except SettlementBroken:
        _log.exception("reversal_not_done", dispute=str(dispute))
        return False
    _log.error(
        "payment_reversed",
        provider=case.payment.provider,
        payment=str(case.payment.reference),
        operator_reference=case.dispute.operator_reference,
        code=case.dispute.code,
        amount=str(facts.lost),
        effect=then.effect.value,
        person_needed=then.difference is not None,
    )
    return True


async def _case(connection: AsyncConnection, dispute: UUID, contest: UUID) -> _Case | None:
    await lock_contest(connection, contest)
    lost = (await connection.execute(_LOST, {"reference": dispute})).one_or_none()
    if lost is None:
        return None
    asked = {"payment": lost.payment_reference}
    refund = (await connection.execute(_REFUND, asked)).one_or_none()
    payment = (await connection.execute(_PAYMENT, asked)).one()
    parts = await connection.execute(_PARTS, {**asked, "currency": lost.currency})
    return _Case(lost, payment, refund, [Part(row.reference, row.amount_minor) for row in parts])


async def _carry_out(connection: AsyncConnection, case: _Case, facts: LostDispute, then: Consequence) -> None:
    payment = case.payment
    if then.uncounts:
        await _uncount(connection, case)
    if then.stops_refund:
        await _stop_refund(connection, case)
    if then.moves:
        await _move(connection, case, facts.state)
    if then.books is not None:
        entry = LedgerEntry(uuid4(), payment.contest_id, f"reversed {payment.reference}", then.books(facts.paid))
        await post(connection, [(entry, payment.provider)])
    if then.difference is not None:
        kind, why = then.difference
        more = Money(-facts.lost.amount_minor, facts.lost.currency)
        await open_difference(
            connection, payment.provider, kind, more, why, payment=payment.reference, dispute=facts.reference
        )
    for part in then.reversed:
        values = {"reference": part.reference, "reversed": part.amount_minor, "effect": then.effect.value}
        await connection.execute(_DONE, values)
        if part.amount_minor:
            await connection.execute(_EXPLAINED, {"reference": part.reference})


async def _uncount(connection: AsyncConnection, case: _Case) -> None:
    payment = case.payment.reference
    why = Correction(REASON, Adjusted.REVERSED, By(Actor.VERIFIER, detail=case.detail))
    corrected = await reverse_counted(
        connection, case.payment.contest_id, [payment], why, observed=Observed.REVERSED, message=MESSAGE
    )
    if corrected.done != [payment]:
        raise SettlementBroken(f"{payment} was not taken back: {corrected.skipped}")


async def _move(connection: AsyncConnection, case: _Case, before: State) -> None:
    """A payment that is not counted takes its step."""
    after = advance(before, Observed.REVERSED, Actor.VERIFIER)
    if not isinstance(after, State):
        raise SettlementBroken(f"{before} may not be reversed")
    values = {
        "payment": case.payment.reference,
        "placed_at": case.payment.placed_at,
        "before": before.value,
        "after": after.value,
        "reason": REASON,
        "detail": case.detail,
    }
    if (await connection.execute(_MOVE, values)).rowcount != 1:
        raise SettlementBroken(f"{case.payment.reference} did not move")


async def _stop_refund(connection: AsyncConnection, case: _Case) -> None:
    refund = case.refund
    before = OutgoingState(refund.status) if refund else None
    after = next_state(REFUND_STEPS, before, Step.REVERSED, Actor.VERIFIER) if before else None
    if refund is None or before is None or after is None:
        raise SettlementBroken(f"no refund of {case.payment.reference} to be stopped")
    values = {
        "refund": refund.reference,
        "before": before.value,
        "after": after.value,
        "reason": REASON,
        "detail": case.detail,
    }
    if (await connection.execute(_VOID, values)).rowcount != 1:
        raise SettlementBroken(f"refund {refund.reference} did not stop")
