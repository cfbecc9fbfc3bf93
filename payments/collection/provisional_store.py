"""Payments that are counted on a callback: what the rule needs to know of them, who is asked about next, and
how their votes leave when the operator does not say the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.orders.receipt import order_code
from gateway.storage.vault import Vault, each_opened
from gateway.values.money import Money
from payments.collection.claims import AROUND, QUESTIONS, WHOLE, OpenPaymentReader, read_payer
from payments.collection.observations import Observation, OpenPayment
from payments.collection.provisional_rules import Ours
from payments.collection.store import LEASE_SECONDS, keep_evidence
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.lifecycle import Actor, Observed, State
from payments.provider import PayerReason
from payments.settlement.corrections import Corrected, Correction, lock_contest, reverse_counted
from payments.settlement.count import By
from payments.settlement.rules import Adjusted, Verdict, verdict
from payments.settlement.settle import COUNTED_BEFORE, LAST_INSTANT, confirmed

_FACTS: Final = text(f"""
select b.id, b.remote, p.reference, p.status, p.amount_minor, p.currency, p.payer_cipher, p.placed_at,
  now() as confirmed_at, k.status as standing, k.evicted_at, {LAST_INSTANT} as counts_until,
  {COUNTED_BEFORE}
from callbacks b join payments p on p.reference = b.payment_reference
  join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id join contests c on c.id = p.contest_id
where b.id = any(cast(:ids as bigint[])) and b.handled_at is null
""")

# Counting leaves no next question, and that is what makes one due here.
_CLAIM: Final = text(f"""
with due as (
  select reference, placed_at from payments
  where provisional and status = 'settled' and provider = :provider
    and coalesce(next_check_at, '-infinity') <= now()
    and confirmed_at <= now() - make_interval(secs => :older)
  order by confirmed_at limit :limit for update skip locked),
taken as (
  update payments p set next_check_at = now() + make_interval(secs => :lease), checks = checks + 1,
    asked_at = now()
  from due d where p.reference = d.reference and p.placed_at = d.placed_at returning p.*)
select {WHOLE} from taken p {AROUND}
""")

_WHOSE: Final = text("select contest_id from payments where reference = :reference and provisional")
_STILL: Final = text("""
select provider from payments where reference = :reference and provisional and status = 'settled' for update
""")
_FACTS_KEPT: Final = text("""
update payments set reason_code = :code, received_minor = coalesce(:amount_minor, received_minor),
  received_currency = coalesce(:currency, received_currency),
  provider_reference = coalesce(:provider_reference, provider_reference)
where reference = :reference
""")


@dataclass(frozen=True, slots=True)
class CallbackFacts:
    """What the rule needs of a callback and of the payment that its URL names. `remote`: address of its
    sender. `reference`: of that payment."""

    remote: str
    reference: UUID
    ours: Ours


class ProvisionalPayments:
    """`ProvisionalPayments`."""

    def __init__(self, engine: AsyncEngine, vault: Vault, public_url: str) -> None:
        self._engine = engine
        self._vault = vault
        self._reader = OpenPaymentReader(vault, public_url)

    async def questions_due(self) -> Mapping[str, int]:
        """How many questions are due, by account."""
        async with self._engine.connect() as connection:
            return {row.account: row.many for row in await connection.execute(QUESTIONS)}

    async def facts(self, callbacks: Sequence[int]) -> Mapping[int, CallbackFacts]:
        """By callback. A payer whose number cannot be read is none, so that the rule refuses."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_FACTS, {"ids": list(callbacks)})).all()
        return {row.id: self._facts(row) for row in rows}

    def _facts(self, row: Row[Any]) -> CallbackFacts:
        payer = each_opened([row.payer_cipher], lambda sealed: read_payer(self._vault, row.reference, sealed))
        ours = Ours(
            order_code(row.reference),
            Money(row.amount_minor, row.currency),
            payer[0] if payer else None,
            State(row.status),
            verdict(confirmed(row)) is Verdict.COUNT,
        )
        return CallbackFacts(row.remote, row.reference, ours)

    async def claim(self, account: str, limit: int, older_seconds: float) -> list[OpenPayment]:
        """Take provisional payments for a question, the oldest first."""
        asked = {"provider": account, "limit": limit, "lease": LEASE_SECONDS, "older": older_seconds}
        async with self._engine.begin() as connection:
            return await self._reader.claimed(connection, await connection.execute(_CLAIM, asked))

    async def take_back(self, denial: Observation, observed: Observed) -> Corrected | None:
        """Take the votes of a provisional payment out of the tally and its money out of the book. What the operator
        has instead waits to be given back."""
        asked = {"reference": denial.reference}
        async with self._engine.begin() as connection:
            contest: UUID | None = (await connection.execute(_WHOSE, asked)).scalar_one_or_none()
            if contest is None:
                return None
            # Settlement's lock first, then rows, as everywhere.
            await lock_contest(connection, contest)
            provider: str | None = (await connection.execute(_STILL, asked)).scalar_one_or_none()
            if provider is None:
                return None
            by = By(Actor.VERIFIER, "operator", None, denial.reason_code or None)
            why = Correction(denial.reason or PayerReason.OTHER, Adjusted.UNCONFIRMED, by)
            moved = await reverse_counted(
                connection, contest, [denial.reference], why, observed=observed, message=denial.message
            )
            received = denial.received
            facts = {
                "code": denial.reason_code,
                "amount_minor": received.amount_minor if received else None,
                "currency": received.currency if received else None,
                "provider_reference": denial.provider_reference,
            }
            await connection.execute(_FACTS_KEPT, {**asked, **facts})
            if denial.evidence_raw:
                await keep_evidence(connection, [denial])
            if received is not None:
                entry = LedgerEntry(uuid4(), contest, f"mismatched {denial.reference}", ledger.held(received))
                await post(connection, [(entry, provider)])
        return moved
