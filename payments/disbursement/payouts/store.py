"""Payouts on their way: claimed under leases, moved by conditional updates, every step kept and booked."""

from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.routing import provider_of
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.disbursement.payouts.port import OpenPayout, PayoutObservation
from payments.disbursement.payouts.rules import PayoutState, payouts_before
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.provider import Disbursement, Purpose

LEASE_SECONDS: Final = 60
_ALL_STATES: Final = [state.value for state in PayoutState]

# What is on its way is asked about whoever is frozen meanwhile: the money may have left.
_CLAIM: Final = text("""
with due as (
  select o.reference from payouts o join organisers g on g.id = o.organiser_id
  where o.status in ('due', 'sent') and o.next_try_at <= now() and (o.status = 'sent' or g.frozen_at is null)
  order by o.next_try_at limit :limit for update of o skip locked),
taken as (
  update payouts o set next_try_at = now() + make_interval(secs => :lease),
    checks = o.checks + case when o.status = 'sent' then 1 else 0 end
  from due d where o.reference = d.reference returning o.*)
select t.*, now() as now, b.phone_cipher, b.country, c.slug,
  (select count(*) from payout_events e where e.reference = t.reference and e.seen = 'put_off') as troubles
from taken t join beneficiaries b on b.id = t.beneficiary_id join contests c on c.id = t.contest_id
""")
_BEGIN: Final = text("""
with moved as (
  update payouts o set status = 'sent', sent_at = coalesce(o.sent_at, now()), send_tries = o.send_tries + 1,
    base_url = coalesce(o.base_url, :base_url), not_found_count = 0, not_found_since = null
  from organisers g where o.reference = :reference and o.status = 'due' and g.id = o.organiser_id
    and g.frozen_at is null
  returning o.reference)
insert into payout_events (reference, from_status, to_status, seen, actor)
select reference, 'due', 'sent', 'calling', 'payer' from moved
""")
# Put off means that nothing was created: the clock that brings in a person starts with the next send.
_RECORD: Final = text("""
with locked as (
  select reference, status from payouts where reference = :reference and status = any(cast(:froms as text[]))
  for update),
moved as (
  update payouts o set status = coalesce(cast(:to_status as text), o.status), next_try_at = :next_try_at,
    not_found_count = case when :not_found then o.not_found_count + 1 else 0 end,
    not_found_since = case when :not_found then coalesce(o.not_found_since, now()) end,
    reason_code = coalesce(cast(:reason_code as text), o.reason_code),
    provider_reference = coalesce(cast(:provider_reference as text), o.provider_reference),
    sent_at = case when cast(:seen as text) in ('put_off', 'asked_again') then null else o.sent_at end,
    send_tries = case when cast(:seen as text) = 'asked_again' then 0 else o.send_tries end,
    done_at = case when cast(:to_status as text) = 'done' then now() else o.done_at end
  from locked l where o.reference = l.reference
  returning o.*, l.status as before),
logged as (
  insert into payout_events (reference, from_status, to_status, seen, actor, detail)
  select reference, before, status, cast(:seen as text), :actor, nullif(cast(:detail as text), '') from moved
  where cast(:seen as text) is not null)
select reference, contest_id, provider, amount_minor, currency, before, status from moved
""")
_KEEP_EVIDENCE: Final = text("""
insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw)
values (:reference, :word, 'status', :amount_minor, :currency, :provider_reference, :raw)
""")

_PUT_OFF: Final = text("""
update payouts set next_try_at = now() + make_interval(secs => :seconds)
where reference = any(cast(:references as uuid[]))
""")


def phone_place(beneficiary: UUID) -> str:
    """Where a beneficiary's number is sealed."""
    return f"beneficiaries.phone.{beneficiary}"


class PostgresPayouts:
    """`PayoutStore` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, vault: Vault, public_url: str) -> None:
        self._engine = engine
        self._vault = vault
        self._public_url = public_url

    async def claim(self, limit: int) -> list[OpenPayout]:
        """Take payouts that are due for a send or a question."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(_CLAIM, {"limit": limit, "lease": LEASE_SECONDS})).all()
            found, broken = each_read(rows, self._open)
            if broken:
                await set_aside(connection, Kind.PAYOUT, [(str(row.reference), error) for row, error in broken])
                named = {"references": [row.reference for row, _ in broken], "seconds": READ_AGAIN_SECONDS}
                await connection.execute(_PUT_OFF, named)
        return found

    def _open(self, row: Row[Any]) -> OpenPayout:
        token = self._vault.callback_token(row.reference)
        disbursement = Disbursement(
            reference=row.reference,
            purpose=Purpose.PAYOUT,
            country=row.country,
            amount=Money(row.amount_minor, row.currency),
            description=f"Spotlight payout {row.slug}",
            callback_url=f"{self._public_url}/api/webhooks/{provider_of(row.provider)}/{token}",
            payee=self._vault.open(bytes(row.phone_cipher), phone_place(row.beneficiary_id)),
            base_url=row.base_url,
            provider_reference=row.provider_reference,
        )
        return OpenPayout(
            disbursement=disbursement,
            provider=row.provider,
            state=PayoutState(row.status),
            now=row.now,
            created_at=row.created_at,
            sent_at=row.sent_at,
            send_tries=row.send_tries,
            checks=row.checks,
            not_found_count=row.not_found_count,
            not_found_since=row.not_found_since,
            troubles=row.troubles,
        )

    async def begin_sending(self, reference: UUID, base_url: str) -> bool:
        """Move a due payout to `sent`; False when it is not due, or its organiser is frozen."""
        async with self._engine.begin() as connection:
            done = await connection.execute(_BEGIN, {"reference": reference, "base_url": base_url})
            return done.rowcount > 0

    async def record(self, observation: PayoutObservation) -> bool:
        """Apply what was seen with its posting; whether it took its step."""
        async with self._engine.begin() as connection:
            return await record_payout(connection, observation)


async def record_payout(connection: AsyncConnection, seen: PayoutObservation) -> bool:
    """Apply what was seen of a payout, with its evidence and posting; whether it took its step."""
    if seen.evidence_word:
        await connection.execute(_KEEP_EVIDENCE, _evidence(seen))
    leads = payouts_before(seen.seen) if seen.seen else {}
    target = next(iter(leads.values()), None)
    moved = (
        await connection.execute(
            _RECORD,
            {
                "reference": seen.reference,
                "froms": [state.value for state in leads] or _ALL_STATES,
                "to_status": target.value if target else None,
                "seen": seen.seen.value if seen.seen else None,
                "actor": seen.actor,
                "detail": seen.detail,
                "next_try_at": seen.next_try_at,
                "not_found": seen.not_found,
                "reason_code": seen.reason_code,
                "provider_reference": seen.provider_reference,
            },
        )
    ).one_or_none()
    if moved is not None and seen.seen is not None:
        await post(connection, _entries(moved, target, from_float=seen.from_float))
    return moved is not None


def _entries(row: Row[Any], target: PayoutState | None, *, from_float: bool) -> list[tuple[LedgerEntry, str]]:
    total = Money(row.amount_minor, row.currency)
    if target is PayoutState.DONE:
        legs = ledger.paid_out(total, from_float=from_float)
    elif target is PayoutState.FAILED:
        legs = ledger.payout_returned(total)
    else:
        return []
    return [(LedgerEntry(uuid4(), row.contest_id, f"payout {row.reference} {row.status}", legs), row.provider)]


def _evidence(seen: PayoutObservation) -> dict[str, Any]:
    return {
        "reference": seen.reference,
        "word": seen.evidence_word,
        "amount_minor": seen.received.amount_minor if seen.received else None,
        "currency": seen.received.currency if seen.received else None,
        "provider_reference": seen.provider_reference,
        "raw": seen.evidence_raw,
    }
