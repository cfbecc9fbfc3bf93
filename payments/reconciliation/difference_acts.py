"""Deciding about differences, one or a whole group: frozen when it is requested, booked once, in batches.

A difference belongs to the request that asks about it; no other may ask until that one is turned down, ended or a day
old. What the request holds when a second person agrees is what is booked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.audit_log import note
from gateway.storage.rows import document, recordset
from gateway.values.money import Money
from payments.ledger.book import LedgerEntry, post
from payments.ledger.differences import DifferenceKind
from payments.ledger.postings import Account, Posting, moved
from payments.provider import Wallet
from payments.reconciliation.differences import ASKED, IN_GROUP, group_values
from payments.reconciliation.rules import Repair, offered, postings, read_group
from payments.request_store import did_before, keep_outcome
from payments.requests import ActRefused, Executed, NewRequest, StaffRequest, Why

BATCH: Final = 500
_REFERENCE_LENGTH_MAX: Final = 64
# One request at a time is frozen, so that no difference gets into two.
_FREEZE_LOCK: Final = 0x5907_11_73
_FEE: Final = "case when l.matched_at is null then coalesce(l.fee_minor, 0) else 0 end as fee_minor"
_ONE: Final = text(f"""
select d.id, d.status, d.resolution, d.resolved_by, d.id in {ASKED} as asked from differences d where d.id = :id
""")
# A hundred thousand ids are one row: to mark each difference would take seconds.
_FREEZE: Final = """
with found as (
  select d.id, d.provider, d.kind, d.wallet, d.currency, d.amount_minor, d.detail, {fee}
  from differences d left join statement_lines l on l.id = d.line_id
  where d.status = 'open' and {which} and d.id not in {asked}),
kept as (
  insert into difference_requests (request_id, differences)
  select cast(:request as uuid), array_agg(id order by id) from found having count(*) > 0)
select f.provider, f.kind, f.wallet, f.currency, f.amount_minor, f.detail, s.many, s.total_minor, s.fee_minor
from (select * from found order by id limit 1) f,
  (select count(*) as many, sum(amount_minor) as total_minor, sum(fee_minor) as fee_minor from found) s
"""
_FREEZE_ONE: Final = text(_FREEZE.format(fee=_FEE, which="d.id = :id", asked=ASKED))
_FREEZE_GROUP: Final = text(_FREEZE.format(fee=_FEE, which=IN_GROUP, asked=ASKED))
_LEFT: Final = text(f"""
select d.id, d.provider, d.kind, d.wallet, d.currency, d.amount_minor, d.contest_id, {_FEE}
from (select id from (
    select unnest(differences) as id from difference_requests where request_id = :request) each
  where id > coalesce((select max(id) from differences where request_id = :request), 0) order by id) r
  join differences d on d.id = r.id left join statement_lines l on l.id = d.line_id
where d.status = 'open' order by r.id limit :limit for update of d
""")
_DECIDED: Final = "id bigint, tx uuid"
_RESOLVE: Final = text(f"""
update differences d set status = 'resolved', resolution = :resolution, note = :note, resolved_by = :people,
  resolved_at = now(), ledger_tx = a.tx, request_id = :request from {recordset(_DECIDED)} where d.id = a.id
""")
_DONE: Final = text("""
select count(*) as many, coalesce(sum(amount_minor), 0) as amount_minor from differences
where request_id = :request
""")


async def freeze_decision(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """Freeze the differences that a request is about, and return what the decision would book. Raises ActRefused."""
    repair = _repair(request.params)
    first = await _frozen(connection, request)
    total = int(first.total_minor)
    from_float = first.wallet == Wallet.DISBURSEMENT
    can = offered(DifferenceKind(first.kind), first.amount_minor, from_float=from_float)
    if repair not in can:
        words = ", ".join(each.value for each in can)
        raise ActRefused(
            Why.IMPOSSIBLE, f"{repair.value} is nothing for a difference of kind {first.kind}; choose: {words}"
        )
    theirs = _operator_reference(request.params)
    if repair is Repair.RETURNED and (first.many > 1 or not theirs):
        raise ActRefused(Why.IMPOSSIBLE, "say for each one the operator's reference of the payment that gave it back")
    return {
        "account": first.provider,
        "kind": first.kind,
        "wallet": first.wallet,
        "repair": repair.value,
        "differences": first.many,
        "amount_minor": total,
        "currency": first.currency,
        "books": _books(repair, total, first.currency, _fees(first), from_float=from_float),
        "operator_reference": theirs,
        "detail": first.detail if first.many == 1 else "",
    }


async def _frozen(connection: AsyncConnection, request: NewRequest) -> Row[Any]:
    """The first of the differences, and what all come to."""
    subject = request.subject.strip()
    await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _FREEZE_LOCK})
    if subject.isascii() and subject.isdigit() and len(subject) <= 18:
        found = (await connection.execute(_ONE, {"id": int(subject)})).one_or_none()
        if found is None:
            raise ActRefused(Why.UNKNOWN, f"there is no difference {subject}")
        if found.status != "open":
            raise ActRefused(Why.DECIDED, f"{found.resolved_by} decided about {subject} already: {found.resolution}")
        if found.asked:
            raise ActRefused(Why.DECIDED, f"a request about {subject} waits for a second person")
        freeze, asked = _FREEZE_ONE, {"id": int(subject)}
    else:
        group = read_group(subject)
        if group is None:
            raise ActRefused(Why.UNKNOWN, f"{subject!r} is no difference and no group of them")
        freeze, asked = _FREEZE_GROUP, group_values(group)
    first = (await connection.execute(freeze, {**asked, "request": request.id})).one_or_none()
    if first is None:
        raise ActRefused(Why.UNKNOWN, f"nothing is open in {subject}, or a request about it is open")
    return first


class Decisions:
    """Decisions that two persons agreed about."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def decide(self, request: StaffRequest) -> Executed:
        """Book the next differences of a request; run again until all are. Raises ActRefused."""
        people = f"{request.requested_by}, {request.decided_by}"
        async with self._engine.begin() as connection:
            if (did := await did_before(connection, request.id)) is not None:
                return Executed(did)
            asked = {"request": request.id, "limit": BATCH}
            rows = (await connection.execute(_LEFT, asked)).all()
            if rows:
                await _decided(connection, request, rows, people)
            done = (await connection.execute(_DONE, {"request": request.id})).one()
            wanted = int(request.preview.get("differences") or 0)
            outcome = f"{done.many} of {wanted} differences decided: {request.params.get('repair')}"
            if len(rows) == BATCH:
                return Executed(outcome, finished=False)
            if not done.many:
                raise ActRefused(Why.IMPOSSIBLE, "what it was about is explained or has changed since")
            if done.many < wanted:
                outcome = f"{outcome}; the others are explained or have changed since"
            return Executed(await keep_outcome(connection, request.id, outcome))


async def _decided(connection: AsyncConnection, request: StaffRequest, rows: Sequence[Row[Any]], people: str) -> None:
    repair, theirs = _repair(request.params), _operator_reference(request.params)
    reason = f"{request.reason} (operator: {theirs})" if theirs else request.reason
    decided, entries = [], []
    for row in rows:
        tx, made = _entries(row, repair, request.reason)
        entries += [(entry, row.provider) for entry in made]
        decided.append({"id": row.id, "tx": tx})
    await post(connection, entries)
    values = {"resolution": repair.value, "note": reason, "people": people, "request": request.id}
    await connection.execute(_RESOLVE, {**document(decided), **values})
    # A line for each contest, whose staff read it, and one for what is about none.
    for contest in dict.fromkeys(row.contest_id for row in rows):
        of = [row for row in rows if row.contest_id == contest]
        detail = {
            "request": str(request.id),
            "repair": repair.value,
            "reason": reason,
            "approved_by": request.decided_by,
            "differences": [row.id for row in of],
            "amount_minor": sum(row.amount_minor for row in of),
            "currency": rows[0].currency,
        }
        person, subject = request.requested_by, rows[0].provider
        await note(connection, actor=person, act="reconcile.resolved", subject=subject, detail=detail, contest=contest)


def _entries(row: Row[Any], repair: Repair, reason: str) -> tuple[UUID | None, list[LedgerEntry]]:
    """The transactions of one decision, and the one that it is known by."""
    from_float = row.wallet == Wallet.DISBURSEMENT
    memo = f"difference {row.id}: {repair.value}, {reason}"
    legs = postings(repair, row.amount_minor, row.currency, from_float=from_float)
    entries = [LedgerEntry(uuid4(), row.contest_id, memo, each) for each in legs]
    tx = entries[-1].tx if entries else None
    if entries and (fee := _fees(row)):
        # Fees of lines that are ours are booked when they match; no match will book this one.
        kept = moved(Money(fee, row.currency), _place(from_float), Account.OPERATOR_FEE)
        entries.append(
            LedgerEntry(uuid4(), row.contest_id, f"difference {row.id}: the operator's fee of its line", kept)
        )
    return tx, entries


def _fees(row: Row[Any]) -> int:
    """What the operator kept of lines that are not ours."""
    return int(row.fee_minor) if row.kind == DifferenceKind.MISSING_HERE else 0


def _books(repair: Repair, minor: int, currency: str, fees: int, *, from_float: bool) -> str:
    """What would be booked, in words."""
    made = list(postings(repair, minor, currency, from_float=from_float))
    if not made:
        return "no money moves"
    if fees:
        made.append(moved(Money(fees, currency), _place(from_float), Account.OPERATOR_FEE))
    return "; ".join(", ".join(_leg(leg) for leg in legs) for legs in made)


def _leg(leg: Posting) -> str:
    return f"{leg.account.value} {'+' if leg.amount > 0 else ''}{Money(leg.amount, leg.currency).plain()}"


def _place(from_float: bool) -> Account:
    return Account.OPERATOR_FLOAT if from_float else Account.OPERATOR_CLEARING


def _repair(params: Mapping[str, Any]) -> Repair:
    try:
        return Repair(str(params.get("repair")))
    except ValueError:
        words = ", ".join(each.value for each in Repair)
        raise ActRefused(Why.IMPOSSIBLE, f"{params.get('repair')!r} is no decision; choose: {words}") from None


def _operator_reference(params: Mapping[str, Any]) -> str:
    outcome = str(params.get("operator_reference") or "").strip()
    if len(outcome) > _REFERENCE_LENGTH_MAX or not outcome.isprintable():
        raise ActRefused(Why.IMPOSSIBLE, "that is no reference of an operator")
    return outcome
