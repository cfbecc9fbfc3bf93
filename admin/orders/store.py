"""Orders, refunds and what waits, as the back office reads them. Numbers leave masked.

`scope` everywhere: the organiser whose contests are read, None for all of them. What belongs to another
organiser is answered like what does not exist.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.answers import PageOnly, read_row
from admin.orders.story import REFUND_COLUMNS, Order, OrderRefund, read_story
from gateway.contests.contest import Contest
from gateway.http.amount import Amount
from gateway.http.endpoint import ApiModel
from gateway.orders.receipt import read_receipt
from gateway.orders.store import payer_place, voter_place
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault, masked_number
from gateway.values.msisdn import Msisdn, read_msisdn
from gateway.values.names import same_name
from payments.past import both
from payments.requests import Scope
from payments.rescue.rules import read_ticket
from payments.rescue.tickets import OPEN_THEN

_FOUND_MAX: Final = 100
_LATEST_MAX: Final = 30
# Of candidates of a searched name, so many are looked at; shorter words name too many.
_CALLED_MAX: Final = 20
_CALLED_LENGTH_MIN: Final = 2
_IN_SCOPE: Final = "(cast(:scope as uuid) is null or c.organiser_id = cast(:scope as uuid))"
# Of the orders of one number, so many of each kind are looked at.
_ORDERS_OF: Final = """
(select vote_id from payments where payer_index = {number} order by placed_at desc limit :limit)
union (select id from votes where voter_index = {number} order by placed_at desc limit :limit)
"""
_OF_NUMBER: Final = text(_ORDERS_OF.format(number="any(:indexes)"))
_OF_WORD: Final = text(f"""
select vote_id from order_keys where receipt = :code or order_code = :code
union select vote_id from payments where reference = cast(:uuid as uuid)
union select p.vote_id from refunds r join payments p on p.reference = r.payment_reference
  where r.reference = cast(:uuid as uuid)
union select cast(:uuid as uuid) where cast(:uuid as uuid) is not null
union select p.vote_id from support_tickets t join payments p on p.reference = t.payment_reference
  where t.id = cast(:ticket as bigint)
union select o.vote_id from support_tickets t cross join lateral (
  {_ORDERS_OF.format(number="t.phone_index")}) o
  where t.id = cast(:ticket as bigint) and t.payment_reference is null
""")
# The latest orders for candidates, of each so many.
_OF_CANDIDATES: Final = text("""
select v.id from unnest(cast(:candidates as uuid[])) k (id) cross join lateral (
  select id from votes where candidate_id = k.id order by placed_at desc limit :limit) v
""")
# Of a vote's payments the one that money came for.
_PAYMENT: Final = text(f"""
with named as (
  select vote_id from order_keys where receipt = :code or order_code = :code
  union select vote_id from payments where reference = cast(:uuid as uuid)
  union select cast(:uuid as uuid))
select p.reference from payments p join named n on n.vote_id = p.vote_id join contests c on c.id = p.contest_id
where {_IN_SCOPE}
order by p.reference is not distinct from cast(:uuid as uuid) desc, p.status in ('settled', 'held') desc,
  p.status in ('refund_due', 'refunded') desc, p.sent_at desc nulls last limit 1
""")
_OF_OPERATOR: Final = text("""
select vote_id from payments where provider_reference = :word
union select p.vote_id from refunds r join payments p on p.reference = r.payment_reference
  where r.provider_reference = :word or r.manual_reference = :word
limit 20
""")
_OF_LATEST: Final = text("""
select distinct p.vote_id from (select reference from payment_events order by id desc limit 300) e
  join payments p on p.reference = e.reference
""")
_LINES, _LINES_THEN = both(f"""
select p.reference, p.vote_id, p.placed_at, c.slug as contest, k.code as candidate_code, k.name as candidate_name,
  v.quantity as votes, p.amount_minor, p.currency, v.channel, p.provider, p.status, p.payer_cipher, v.receipt
from votes v join {{payments}} p on p.vote_id = v.id and p.placed_at = v.placed_at
  join contests c on c.id = v.contest_id join candidates k on k.id = v.candidate_id
where v.id = any(:votes) and {_IN_SCOPE} order by p.placed_at desc, p.sent_at desc nulls last limit :limit
""")
_NUMBERS: Final = text(f"""
select v.id, v.contest_id, v.voter_cipher, p.reference, p.payer_cipher
from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at join contests c on c.id = v.contest_id
where v.id = :vote and {_IN_SCOPE} order by p.sent_at desc nulls last
""")
# Of the payments that were held by then, those that still were.
_HELD_THEN = "p.reference in (select reference from payment_events where to_status = 'held' and at <= :at)"
_HELD_ONES: Final = ("true", _HELD_THEN)
_COUNTS, _COUNTS_THEN = both(
    f"""
select
  (select count(*) from staff_requests r where {{waiting}}
    and (cast(:scope as uuid) is null or r.organiser_id = cast(:scope as uuid))) as requests,
  (select count(*) from {{payments}} p join contests c on c.id = p.contest_id
    where p.status = 'held' and {{held}} and {_IN_SCOPE}) as held,
  (select count(*) from support_tickets t join contests c on c.id = t.contest_id
    where {{open}} and {_IN_SCOPE}) as tickets
""",
    waiting=(
        "r.status = 'waiting'",
        "r.requested_at <= :at and (r.decided_at is null or r.decided_at > :at)",
    ),
    held=_HELD_ONES,
    open=OPEN_THEN,
)
_REFUND_SUMS, _REFUND_SUMS_THEN = both(f"""
select r.status, r.currency, count(*) as count, cast(sum(r.amount_minor) as bigint) as amount_minor
from {{refunds}} r join contests c on c.id = r.contest_id
where r.status in ('due', 'sent', 'manual') and {_IN_SCOPE} group by 1, 2 order by 1, 2
""")
# Each branch reads a partial index.
_BACKLOG: Final = text(f"""
select b.provider, cast(sum(b.counting) as bigint) as counting, min(b.since) as counting_since,
  cast(sum(b.asked) as bigint) as asked
from (
  select provider, contest_id, count(*) as counting, min(confirmed_at) as since, 0 as asked
  from payments where status = 'confirmed' group by 1, 2
  union all
  select provider, contest_id, 0, null, count(*) from payments where status in ('sent', 'pending') group by 1, 2) b
  join contests c on c.id = b.contest_id
where {_IN_SCOPE} group by 1 order by 1
""")
_DIFFERENCES: Final = text("""
select provider, count(*) as many from differences where status = 'open' group by 1 order by 1
""")
_CLOSED: Final = text("""
select account, closed_until as until, reason from account_health where closed_until > now() order by account
""")
# What the fraud rules found about payment `p`, what weighs most first.
FINDINGS: Final = """
  (select coalesce(jsonb_agg(jsonb_build_object('rule', f.rule, 'verdict', f.verdict, 'seen', f.seen->'seen',
      'limit', f.seen->'limit') order by f.weight desc, f.rule), '[]')
    from fraud_findings f where f.reference = p.reference) as findings"""
_HELD, _HELD_LINES_THEN = both(
    f"""
select p.reference, p.vote_id, p.provider, coalesce(p.received_minor, p.amount_minor) as amount_minor,
  coalesce(p.received_currency, p.currency) as currency, p.reason, p.confirmed_at, c.slug as contest,
  k.code as candidate_code, k.name as candidate_name, v.quantity as votes, p.decide_by, {FINDINGS}
from {{payments}} p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
where p.status = 'held' and {{held}} and {_IN_SCOPE} order by p.confirmed_at limit 200
""",
    held=_HELD_ONES,
)
_REFUNDS, _REFUNDS_THEN = both(f"""
select {REFUND_COLUMNS} from {{refunds}} r join contests c on c.id = r.contest_id
where r.status = any(:statuses) and {_IN_SCOPE}
order by r.status = 'manual' desc, r.created_at limit 200
""")


class FoundPayment(ApiModel):
    """A payment in a list; its number is masked."""

    reference: UUID
    vote_id: UUID
    placed_at: datetime
    contest: str
    candidate_code: str
    candidate_name: str
    votes: int
    amount: Amount
    channel: str
    provider: str
    status: str
    payer: str
    receipt: str


class FoundByRule(ApiModel):
    """What a fraud rule found about a payment."""

    rule: str
    verdict: str
    seen: int | str = Field(description="The figure, or whose number it is.")
    limit: int | None = Field(description="Up to where the rule is silent.")


class HeldLine(ApiModel):
    """A paid order that waits for a person."""

    reference: UUID
    vote_id: UUID
    contest: str
    candidate_code: str
    candidate_name: str
    votes: int
    provider: str
    amount: Amount
    reason: str | None
    confirmed_at: datetime | None
    decide_by: datetime | None = Field(description="When it is refunded, if no person decided by then.")
    findings: list[FoundByRule]


class WaitingSum(ApiModel):
    """Refunds of one status."""

    status: str
    count: int
    amount: Amount


class WaitingAccount(ApiModel):
    """Open payments at one operator."""

    provider: str
    counting: int = Field(description="Paid, being counted.")
    counting_since: datetime | None
    asked: int


class ClosedAccount(ApiModel):
    """An operator's account whose circuit is open, because it fails."""

    account: str
    until: datetime
    reason: str


class Waits(ApiModel):
    """What waits for a person, or for an operator. As of an earlier moment only what waited for a person is known."""

    requests: int
    held: int
    tickets: int
    refunds: list[WaitingSum]
    differences: dict[str, int]
    backlog: list[WaitingAccount]
    closed: PageOnly[list[ClosedAccount]]


class StaffOrders:
    """Reads for staff. `show_number` alone writes: to the audit log. `at`: as of when is read, None: now."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def find(
        self,
        word: str,
        countries: Sequence[str],
        scope: Scope,
        at: datetime | None = None,
        *,
        contests: Sequence[Contest] = (),
    ) -> list[FoundPayment]:
        """Payments by number, receipt, order code, ticket, our reference or the operator's, or by the name of a
        candidate of these contests; the newest first. A ticket about no payment finds the orders of its number."""
        typed = word.strip()
        if not typed:
            return []
        values = {
            "code": read_receipt(typed) or typed.upper(),
            "uuid": _uuid(typed),
            "ticket": read_ticket(typed),
            "limit": _FOUND_MAX,
        }
        read = (read_msisdn(typed, country) for country in countries)
        indexes = {self._vault.index(number.e164) for number in read if isinstance(number, Msisdn)}
        async with scoped(self._engine, scope) as connection:
            votes = set((await connection.execute(_OF_WORD, values)).scalars())
            if indexes:
                asked = {"indexes": list(indexes), "limit": _FOUND_MAX}
                votes |= set((await connection.execute(_OF_NUMBER, asked)).scalars())
            if not votes and not indexes:
                votes = set((await connection.execute(_OF_OPERATOR, {"word": typed})).scalars())
            if not votes and (people := _called(typed, contests)):
                asked = {"candidates": people, "limit": _FOUND_MAX}
                votes = set((await connection.execute(_OF_CANDIDATES, asked)).scalars())
            return await self._lines(connection, votes, scope, _FOUND_MAX, at)

    async def payment_named(self, word: str, scope: Scope) -> UUID | None:
        """The payment that is meant by its reference, its vote's id, its receipt, or the code that the operator
        showed (`SP…`)."""
        typed = word.strip()
        asked = {"code": read_receipt(typed) or typed.upper(), "uuid": _uuid(typed), "scope": scope}
        async with scoped(self._engine, scope) as connection:
            found: UUID | None = (await connection.execute(_PAYMENT, asked)).scalar_one_or_none()
        return found

    async def latest(self, scope: Scope) -> list[FoundPayment]:
        """The payments in which something happened last."""
        # Of all organisers, by their ids alone: the last events of a few votes are found by no index.
        async with self._engine.connect() as connection:
            votes = set((await connection.execute(_OF_LATEST)).scalars())
        async with scoped(self._engine, scope) as connection:
            return await self._lines(connection, votes, scope, _LATEST_MAX, None)

    async def story(self, vote_id: UUID, scope: Scope, at: datetime | None = None) -> Order | None:
        """Everything about one order."""
        async with scoped(self._engine, scope) as connection:
            return await read_story(connection, self._vault, vote_id, scope, at)

    async def show_number(self, vote_id: UUID, scope: Scope, *, person: str, reason: str) -> Mapping[str, str] | None:
        """Whole numbers of an order, after a line in the audit log."""
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_NUMBERS, {"vote": vote_id, "scope": scope})).all()
            if not rows:
                return None
            numbers = {}
            if rows[0].voter_cipher is not None:
                numbers["voter"] = self._vault.open(rows[0].voter_cipher, voter_place(vote_id))
            payer = next((row for row in rows if row.payer_cipher is not None), None)
            if payer is not None:
                numbers["payer"] = self._vault.open(payer.payer_cipher, payer_place(payer.reference))
            detail = {"reason": reason, "shown": sorted(numbers)}
            await note(
                connection,
                actor=person,
                act="number.shown",
                subject=str(vote_id),
                detail=detail,
                contest=rows[0].contest_id,
            )
        return numbers

    async def waiting(self, scope: Scope, at: datetime | None = None) -> Waits:
        """What waits. Differences are about all organisers: with a scope there are none."""
        asked, now = {"scope": scope} | _then(at), at is None
        async with scoped(self._engine, scope) as connection:
            counts = (await connection.execute(_COUNTS if now else _COUNTS_THEN, asked)).one()
            refunds = (await connection.execute(_REFUND_SUMS if now else _REFUND_SUMS_THEN, asked)).all()
            backlog = (await connection.execute(_BACKLOG, asked)).all() if now else []
            differences = (await connection.execute(_DIFFERENCES)).all() if now and not scope else []
            closed = (await connection.execute(_CLOSED)).all() if now else []
        return read_row(
            Waits,
            counts,
            refunds=[read_row(WaitingSum, row) for row in refunds],
            differences={row.provider: row.many for row in differences},
            backlog=[read_row(WaitingAccount, row) for row in backlog],
            closed=[read_row(ClosedAccount, row) for row in closed],
        )

    async def held(self, scope: Scope, at: datetime | None = None) -> list[HeldLine]:
        """Payments that wait for a person, the oldest first."""
        statement = _HELD if at is None else _HELD_LINES_THEN
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(statement, {"scope": scope} | _then(at))
            return [read_row(HeldLine, row) for row in rows]

    async def refunds(self, scope: Scope, *, statuses: Sequence[str], at: datetime | None = None) -> list[OrderRefund]:
        """Refunds of these statuses."""
        statement = _REFUNDS if at is None else _REFUNDS_THEN
        async with scoped(self._engine, scope) as connection:
            asked = {"scope": scope, "statuses": list(statuses)} | _then(at)
            return [read_row(OrderRefund, row) for row in await connection.execute(statement, asked)]

    async def _lines(
        self, connection: AsyncConnection, votes: set[UUID], scope: Scope, limit: int, at: datetime | None
    ) -> list[FoundPayment]:
        asked = {"votes": list(votes), "scope": scope, "limit": limit} | _then(at)
        statement = _LINES if at is None else _LINES_THEN
        return [
            read_row(FoundPayment, row, payer=masked_number(self._vault, row.payer_cipher, payer_place(row.reference)))
            for row in ((await connection.execute(statement, asked)).all() if votes else [])
        ]


ORDERS: web.AppKey[StaffOrders] = web.AppKey("orders", StaffOrders)


def _called(typed: str, contests: Sequence[Contest]) -> list[UUID]:
    """Candidates whose names have all of these words."""
    words = same_name(typed).split()
    people = (person for contest in contests for person in contest.candidates)
    named = (person.id for person in people if all(word in same_name(person.name) for word in words))
    return list(islice(named, _CALLED_MAX)) if len("".join(words)) >= _CALLED_LENGTH_MIN else []


def _then(at: datetime | None) -> dict[str, datetime]:
    return {} if at is None else {"at": at}


def _uuid(typed: str) -> UUID | None:
    try:
        return UUID(typed)
    except ValueError:
        return None
