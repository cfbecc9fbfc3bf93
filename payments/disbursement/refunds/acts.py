"""Acts of staff about single payments, refunds and callbacks: what each would do, and doing it once."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.doorbell import Doorbell, Work
from gateway.values.money import Money
from payments.collection.callback_queue import preview_replay, replay
from payments.disbursement.answers import Observation
from payments.disbursement.refunds.held import decide_held, preview_decision
from payments.disbursement.refunds.rules import (
    HELD,
    REFUNDABLE,
    Ticket,
    require_in_time,
    require_refundable,
    require_state,
    require_ticket,
    require_waiting,
    retry,
)
from payments.disbursement.refunds.store import REFUNDS
from payments.disbursement.refunds.voids import Voids, preview_window
from payments.disbursement.rules import OutgoingState, Step
from payments.disbursement.store import record
from payments.lifecycle import Actor, State
from payments.request_store import Preview, did_before, keep_outcome
from payments.requests import Act, ActRefused, Executed, Executor, NewRequest, StaffRequest, Why, subject_id
from payments.rescue.rules import read_ticket
from payments.rescue.tickets import close_ticket
from payments.settlement.corrections import Corrected, Correction, by_staff, count_held, owe_refunds
from payments.settlement.rules import Adjusted
from payments.settlement.settle import Show

_OPERATOR_REFERENCE_LENGTH_MAX: Final = 64
# Reasons: the word that selects the voter's text, and the words in the tally.
_CLAIM, _REVIEW = ("claim", Adjusted.REFUND), ("review", Adjusted.REVIEW)

_PAYMENT: Final = text("""
select p.reference, p.contest_id, p.status, p.provider, p.placed_at, p.provisional, c.slug, v.channel, v.quantity,
  k.code, coalesce(p.received_minor, p.amount_minor) as amount_minor,
  coalesce(p.received_currency, p.currency) as currency,
  now() - p.placed_at as age, cast(r.document->>'refund_days' as integer) as refund_days
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
  left join contest_rules r on r.contest_id = v.contest_id and r.version = v.rules_version
where p.reference = :reference
""")
_REFUND: Final = text("""
select r.reference, r.payment_reference, r.status, r.provider, r.amount_minor, r.currency, r.reason, r.reason_code,
  c.slug,
  exists (select 1 from evidence e where e.reference = r.reference and e.word = 'failed') as failed
from refunds r join contests c on c.id = r.contest_id where r.reference = :reference
""")
_TICKET: Final = text("select contest_id, payment_reference, status from support_tickets where id = :ticket")


def refund_previews() -> Mapping[Act, Preview]:
    """The preview of each act about money."""
    return {
        Act.REFUND_PAYMENT: _preview_refund,
        Act.VOID_WINDOW: preview_window,
        Act.MANUAL_REFUND_DONE: _preview_manual,
        Act.RETRY_REFUND: _preview_retry,
        Act.RELEASE_HELD: _preview_held,
        Act.REFUSE_HELD: _preview_held,
        Act.DECIDE_HELD: preview_decision,
        Act.REPLAY_CALLBACK: preview_replay,
    }


async def _preview_refund(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    payment = await _payment(connection, request.subject)
    require_refundable(State(payment.status), provisional=payment.provisional)
    require_in_time(State(payment.status), days=payment.refund_days, age=payment.age)
    shown = _shown(payment)
    if (number := request.params.get("ticket")) is not None:
        row = (await connection.execute(_TICKET, {"ticket": _ticket(number)})).one_or_none()
        ticket = None if row is None else Ticket(row.contest_id, row.payment_reference, row.status == "open")
        require_ticket(number, ticket, contest=payment.contest_id, payment=payment.reference)
        shown["ticket"] = str(number)
    return shown


async def _preview_held(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    payment = await _payment(connection, request.subject)
    require_state(State(payment.status), HELD)
    return _shown(payment)


async def _preview_manual(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    refund = await _refund(connection, request.subject)
    require_waiting(OutgoingState(refund.status))
    return {**_shown_refund(refund), "operator_reference": _operator_reference(request.params)}


async def _preview_retry(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    refund = await _refund(connection, request.subject)
    require_waiting(OutgoingState(refund.status))
    return {**_shown_refund(refund), "new_reference": refund.failed}


Done = tuple[str, Corrected | None]
"""What an act did, in words, and what of it the tally is concerned by."""


async def _owe_refund(
    connection: AsyncConnection, request: StaffRequest, *, words: tuple[str, str], states: frozenset[State]
) -> Done:
    payment = await _payment(connection, request.subject)
    reason, public = words
    public = str(request.params.get("public_reason") or public)
    why = Correction(reason, public, by_staff(request.requested_by, request.id))
    corrected = await owe_refunds(connection, payment.contest_id, [payment.reference], why, states=states)
    _nothing_skipped(corrected)
    if (ticket := request.params.get("ticket")) is not None:
        await close_ticket(connection, _ticket(ticket), f"refund request {request.id}")
    taken = f", {payment.quantity} votes removed" if corrected.counted else ""
    return f"{_amount(payment)} to be refunded{taken}", corrected


async def _release_held(connection: AsyncConnection, request: StaffRequest) -> Done:
    payment = await _payment(connection, request.subject)
    by = by_staff(request.requested_by, request.id)
    corrected = await count_held(connection, payment.contest_id, [payment.reference], by)
    _nothing_skipped(corrected)
    return f"{payment.quantity} votes counted", corrected


async def _refunded_by_hand(connection: AsyncConnection, request: StaffRequest) -> Done:
    refund, theirs = await _refund(connection, request.subject), _operator_reference(request.params)
    observed = Observation(
        refund.reference,
        Step.PAID_BY_HAND,
        Actor.STAFF,
        detail=f"request {request.id}",
        received=Money(refund.amount_minor, refund.currency),
        evidence_word="succeeded",
        evidence_source="staff",
        evidence_raw=f"request {request.id}",
        by_hand=theirs,
        from_float=bool(request.params.get("from_float", False)),
    )
    await _take_step(connection, refund, observed)
    return f"{_amount(refund)} refunded by hand, {theirs}", None


async def _retry_refund(connection: AsyncConnection, request: StaffRequest) -> Done:
    """As it is, or under a new reference when the operator ended this one."""
    refund = await _refund(connection, request.subject)
    now = (await connection.execute(text("select now()"))).scalar_one()
    step, detail = retry(failed=refund.failed), f"request {request.id}"
    await _take_step(
        connection, refund, Observation(refund.reference, step, Actor.STAFF, detail=detail, next_try_at=now)
    )
    return "will be sent again", None


async def _replay_callback(connection: AsyncConnection, request: StaffRequest) -> Done:
    await replay(connection, request.subject)
    return "will be judged again", None


async def _take_step(connection: AsyncConnection, refund: Row[Any], observed: Observation) -> None:
    if not await record(connection, REFUNDS, [observed]):
        raise ActRefused(Why.IMPOSSIBLE, f"the refund is {refund.status} by now")


# Each with the work that goes on after it.
_ACTS: Final[Mapping[Act, tuple[Callable[[AsyncConnection, StaffRequest], Awaitable[Done]], Work]]] = {
    Act.REFUND_PAYMENT: (partial(_owe_refund, words=_CLAIM, states=REFUNDABLE), Work.REFUND),
    Act.REFUSE_HELD: (partial(_owe_refund, words=_REVIEW, states=HELD), Work.REFUND),
    Act.RELEASE_HELD: (_release_held, Work.TEXTS_OUT),
    Act.DECIDE_HELD: (decide_held, Work.REFUND),
    Act.MANUAL_REFUND_DONE: (_refunded_by_hand, Work.TEXTS_OUT),
    Act.RETRY_REFUND: (_retry_refund, Work.REFUND),
    Act.REPLAY_CALLBACK: (_replay_callback, Work.CALLBACKS),
}


class RefundActs:
    """Acts about payments, refunds and callbacks. Each is one transaction, or one a batch, and safe to run twice: done
    before, it returns the same outcome. All raise ActRefused when it cannot be done any more. `show` gets new totals
    after the commit."""

    def __init__(self, engine: AsyncEngine, voids: Voids, doorbell: Doorbell, show: Show) -> None:
        self._engine = engine
        self._voids = voids
        self._doorbell = doorbell
        self._show = show

    def executors(self) -> dict[Act, Executor]:
        """An executor for every act."""
        return {**dict.fromkeys(_ACTS, self._execute), Act.VOID_WINDOW: self._void_window}

    async def _execute(self, request: StaffRequest) -> Executed:
        does, work = _ACTS[request.act]
        corrected = None
        async with self._engine.begin() as connection:
            outcome = await did_before(connection, request.id)
            if outcome is None:
                outcome, corrected = await does(connection, request)
                await keep_outcome(connection, request.id, outcome)
        self._doorbell.ring(work)
        if corrected is not None and corrected.counted:
            await self._show({corrected.contest_id: tuple(corrected.counted)})
        return Executed(outcome)

    async def _void_window(self, request: StaffRequest) -> Executed:
        batch = await self._voids.run_batch(request)
        if batch.counted:
            await self._show({batch.contest_id: batch.counted})
        if batch.looked_at:
            self._doorbell.ring(Work.REFUND)
        if not batch.last:
            # Progress reads every row of the window, so it is read once, at the end.
            return Executed(f"{request.preview['payments']} payments are going back", finished=False)
        lines = await self._voids.progress(request.id, None, given=False)
        outcome = ", ".join(
            f"{line.done} of {line.payments} payments, {line.votes_done} votes, "
            f"{Money(line.money_done_minor, line.currency).plain()} {line.currency}"
            for line in lines
        )
        return Executed(outcome or "nothing in the window")


async def _payment(connection: AsyncConnection, subject: str) -> Row[Any]:
    found = (
        await connection.execute(_PAYMENT, {"reference": subject_id(subject, "reference of a payment")})
    ).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no payment {subject}")
    return found


async def _refund(connection: AsyncConnection, subject: str) -> Row[Any]:
    found = (
        await connection.execute(_REFUND, {"reference": subject_id(subject, "reference of a refund")})
    ).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no refund {subject}")
    return found


def _amount(row: Row[Any]) -> str:
    """The amount of a payment or refund, as the record has it."""
    return f"{Money(row.amount_minor, row.currency).plain()} {row.currency}"


def _nothing_skipped(corrected: Corrected) -> None:
    for state in corrected.skipped.values():
        raise ActRefused(Why.IMPOSSIBLE, f"the payment is {state} by now")


def _shown(payment: Row[Any]) -> dict[str, Any]:
    return {
        "contest": payment.slug,
        "candidate": payment.code,
        "votes": payment.quantity if payment.status == State.SETTLED else 0,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "status": payment.status,
        "channel": payment.channel,
        "operator": payment.provider,
        "placed_at": payment.placed_at.isoformat(),
    }


def _shown_refund(refund: Row[Any]) -> dict[str, Any]:
    return {
        "contest": refund.slug,
        "payment": str(refund.payment_reference),
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "operator": refund.provider,
        "why_manual": refund.reason_code,
    }


def _operator_reference(params: Mapping[str, Any]) -> str:
    given = str(params.get("operator_reference") or "").strip()
    if not 1 <= len(given) <= _OPERATOR_REFERENCE_LENGTH_MAX or not given.isprintable():
        raise ActRefused(Why.IMPOSSIBLE, "give the operator's reference of the money that was sent back")
    return given


def _ticket(number: object) -> int:
    known = read_ticket(str(number))
    if known is None:
        raise ActRefused(Why.UNKNOWN, f"{number!r} is no number of a ticket")
    return known
