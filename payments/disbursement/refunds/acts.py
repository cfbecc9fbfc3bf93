"""Acts of staff about single payments, refunds and callbacks: what each would do, and doing it once."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.work import Doorbell, Work
from gateway.values.money import Money
from payments.disbursement.answers import Observation
from payments.disbursement.refunds.rules import (
    HELD,
    REFUNDABLE,
    Ticket,
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
from payments.requests import (
    Act,
    ActRefused,
    Executed,
    Executor,
    NewRequest,
    Preview,
    StaffRequest,
    Why,
    did_before,
    keep_outcome,
)
from payments.rescue.rules import read_ticket
from payments.rescue.tickets import close_ticket
from payments.settlement.corrections import Corrected, Correction, by_staff, count_held, lock_contest, owe_refunds
from payments.settlement.rules import Adjusted
from payments.settlement.settle import Show

_OPERATOR_REFERENCE_LENGTH_MAX: Final = 64
# Reasons: the word that selects the voter's text, and the words in the tally.
_CLAIM, _REVIEW = ("claim", Adjusted.REFUND), ("review", Adjusted.REVIEW)

_PAYMENT: Final = text("""
select p.reference, p.contest_id, p.status, p.provider, p.placed_at, p.provisional, c.slug, v.channel, v.quantity,
  k.code, coalesce(p.received_minor, p.amount_minor) as amount_minor,
  coalesce(p.received_currency, p.currency) as currency
from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
where p.reference = :reference
""")
_REFUND: Final = text("""
select r.reference, r.payment_reference, r.status, r.provider, r.amount_minor, r.currency, r.reason, r.reason_code,
  c.slug,
  exists (select 1 from evidence e where e.reference = r.reference and e.word = 'failed') as failed
from refunds r join contests c on c.id = r.contest_id where r.reference = :reference
""")
_TICKET: Final = text("select contest_id, payment_reference, status from support_tickets where id = :ticket")
_CALLBACK: Final = text("""
select provider, received_at, outcome, handled_at, payment_reference from callbacks where id = :id
""")
_REPLAY: Final = text("update callbacks set handled_at = null, replayed_at = now() where id = :id")


def refund_previews() -> Mapping[Act, Preview]:
    """Who makes the preview of each act about money."""
    return {
        Act.REFUND_PAYMENT: _preview_refund,
        Act.VOID_WINDOW: preview_window,
        Act.MANUAL_REFUND_DONE: _preview_manual,
        Act.RETRY_REFUND: _preview_retry,
        Act.RELEASE_HELD: _preview_held,
        Act.REFUSE_HELD: _preview_held,
        Act.REPLAY_CALLBACK: _preview_callback,
    }


async def _preview_refund(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    payment = await _payment(connection, request.subject)
    require_refundable(State(payment.status), provisional=payment.provisional)
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


async def _preview_callback(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    found = (await connection.execute(_CALLBACK, {"id": _number(request.subject, "callback")})).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no callback {request.subject}")
    return {"provider": found.provider, "received_at": found.received_at.isoformat(), "outcome": found.outcome}


@dataclass(frozen=True, slots=True)
class Moved:
    """What an act did. `counted`: candidate code and votes, negative when taken back; `contest_id` None
    when no tally is concerned."""

    outcome: str
    contest_id: UUID | None = None
    counted: tuple[tuple[str, int], ...] = ()


class RefundActs:
    """Acts about single payments, refunds and callbacks: each one transaction, safe to run twice. All raise ActRefused
    when it cannot be done any more; done before, they say so again."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def refund_payment(self, request: StaffRequest) -> Moved:
        """Make the refund of a counted or held payment due, and close the ticket that the request names."""
        return await self._owe_refund(request, _CLAIM, REFUNDABLE)

    async def refuse_held(self, request: StaffRequest) -> Moved:
        """Make the refund of a held payment due."""
        return await self._owe_refund(request, _REVIEW, HELD)

    async def _owe_refund(self, request: StaffRequest, words: tuple[str, str], states: frozenset[State]) -> Moved:
        async with self._engine.begin() as connection:
            payment = await _payment(connection, request.subject)
            await lock_contest(connection, payment.contest_id)
            if (did := await did_before(connection, request.id)) is not None:
                return Moved(did)
            reason, public = words
            public = str(request.params.get("public_reason") or public)
            why = Correction(reason, public, by_staff(request.requested_by, request.id))
            corrected = await owe_refunds(connection, payment.contest_id, [payment.reference], why, states=states)
            _nothing_skipped(corrected)
            if (ticket := request.params.get("ticket")) is not None:
                await close_ticket(connection, _ticket(ticket), f"refund request {request.id}")
            amount = Money(payment.amount_minor, payment.currency)
            taken = f", {payment.quantity} votes left the tally" if corrected.counted else ""
            did = await keep_outcome(connection, request.id, f"{_plain(amount)} owed back{taken}")
        return Moved(did, payment.contest_id, tuple(corrected.counted))

    async def release_held(self, request: StaffRequest) -> Moved:
        """Count a held payment."""
        async with self._engine.begin() as connection:
            payment = await _payment(connection, request.subject)
            await lock_contest(connection, payment.contest_id)
            if (did := await did_before(connection, request.id)) is not None:
                return Moved(did)
            by = by_staff(request.requested_by, request.id)
            corrected = await count_held(connection, payment.contest_id, payment.reference, by)
            _nothing_skipped(corrected)
            did = await keep_outcome(connection, request.id, f"{payment.quantity} votes counted")
        return Moved(did, payment.contest_id, tuple(corrected.counted))

    async def manual_refund_done(self, request: StaffRequest) -> Moved:
        """A person paid a refund and has the operator's reference for it."""
        async with self._engine.begin() as connection:
            refund = await _refund(connection, request.subject)
            if (did := await did_before(connection, request.id)) is not None:
                return Moved(did)
            theirs, amount = _operator_reference(request.params), Money(refund.amount_minor, refund.currency)
            observed = Observation(
                refund.reference,
                Step.PAID_BY_HAND,
                Actor.STAFF,
                detail=f"request {request.id}",
                received=amount,
                evidence_word="succeeded",
                evidence_source="staff",
                evidence_raw=f"request {request.id}",
                by_hand=theirs,
                from_float=bool(request.params.get("from_float", False)),
            )
            if not await record(connection, REFUNDS, [observed]):
                raise ActRefused(Why.IMPOSSIBLE, f"the refund is {refund.status} by now")
            return Moved(await keep_outcome(connection, request.id, f"{_plain(amount)} refunded by hand, {theirs}"))

    async def retry_refund(self, request: StaffRequest) -> Moved:
        """Have a refund that waits for a person sent again: as it is, or under a new reference when the operator ended
        this one."""
        async with self._engine.begin() as connection:
            refund = await _refund(connection, request.subject)
            if (did := await did_before(connection, request.id)) is not None:
                return Moved(did)
            now = (await connection.execute(text("select now()"))).scalar_one()
            observed = Observation(
                refund.reference,
                retry(failed=refund.failed),
                Actor.STAFF,
                detail=f"request {request.id}",
                next_try_at=now,
            )
            if not await record(connection, REFUNDS, [observed]):
                raise ActRefused(Why.IMPOSSIBLE, f"the refund is {refund.status} by now")
            return Moved(await keep_outcome(connection, request.id, "will be sent again"))

    async def replay_callback(self, request: StaffRequest) -> Moved:
        """Have a stored callback judged once more."""
        async with self._engine.begin() as connection:
            if (did := await did_before(connection, request.id)) is not None:
                return Moved(did)
            await connection.execute(_REPLAY, {"id": _number(request.subject, "callback")})
            return Moved(await keep_outcome(connection, request.id, "will be judged again"))


async def _payment(connection: AsyncConnection, subject: str) -> Row[Any]:
    found = (await connection.execute(_PAYMENT, {"reference": _reference(subject, "payment")})).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no payment {subject}")
    return found


async def _refund(connection: AsyncConnection, subject: str) -> Row[Any]:
    found = (await connection.execute(_REFUND, {"reference": _reference(subject, "refund")})).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no refund {subject}")
    return found


def _plain(amount: Money) -> str:
    """An amount as the record has it."""
    return f"{amount.plain()} {amount.currency}"


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


def _reference(subject: str, what: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError:
        raise ActRefused(Why.UNKNOWN, f"{subject!r} is no reference of a {what}") from None


def _ticket(number: object) -> int:
    known = read_ticket(str(number))
    if known is None:
        raise ActRefused(Why.UNKNOWN, f"{number!r} is no number of a ticket")
    return known


def _number(given: object, what: str) -> int:
    typed = str(given)
    if not (typed.isascii() and typed.isdigit() and len(typed) <= 18):
        raise ActRefused(Why.UNKNOWN, f"{given!r} is no number of a {what}")
    return int(typed)


_GOES_ON: Final[Mapping[Act, Work]] = {
    Act.REFUND_PAYMENT: Work.REFUND,
    Act.REFUSE_HELD: Work.REFUND,
    Act.RETRY_REFUND: Work.REFUND,
    Act.RELEASE_HELD: Work.TEXTS_OUT,
    Act.MANUAL_REFUND_DONE: Work.TEXTS_OUT,
    Act.REPLAY_CALLBACK: Work.CALLBACKS,
}


def refund_executors(money: RefundActs, voids: Voids, doorbell: Doorbell, show: Show) -> dict[Act, Executor]:
    """An executor for every act about payments, refunds and callbacks. `show` gets new totals after the commit."""

    def executor(act: Act, does: Callable[[StaffRequest], Awaitable[Moved]]) -> Executor:
        async def execute(request: StaffRequest) -> Executed:
            moved = await does(request)
            doorbell.ring(_GOES_ON[act])
            if moved.contest_id is not None and moved.counted:
                await show({moved.contest_id: moved.counted})
            return Executed(moved.outcome)

        return execute

    async def void_window(request: StaffRequest) -> Executed:
        batch = await voids.run_batch(request)
        if batch.counted:
            await show({batch.contest_id: batch.counted})
        if batch.looked_at:
            doorbell.ring(Work.REFUND)
        if not batch.last:
            # Progress reads every row of the window, so it is read once, at the end.
            return Executed(f"{request.preview['payments']} payments are going back", finished=False)
        lines = await voids.progress(request.id, given=False)
        outcome = ", ".join(
            f"{line.done} of {line.payments} payments, {line.votes_done} votes, "
            f"{Money(line.money_done_minor, line.currency).plain()} {line.currency}"
            for line in lines
        )
        return Executed(outcome or "nothing in the window")

    return {
        Act.REFUND_PAYMENT: executor(Act.REFUND_PAYMENT, money.refund_payment),
        Act.RELEASE_HELD: executor(Act.RELEASE_HELD, money.release_held),
        Act.REFUSE_HELD: executor(Act.REFUSE_HELD, money.refuse_held),
        Act.MANUAL_REFUND_DONE: executor(Act.MANUAL_REFUND_DONE, money.manual_refund_done),
        Act.RETRY_REFUND: executor(Act.RETRY_REFUND, money.retry_refund),
        Act.REPLAY_CALLBACK: executor(Act.REPLAY_CALLBACK, money.replay_callback),
        Act.VOID_WINDOW: void_window,
    }
