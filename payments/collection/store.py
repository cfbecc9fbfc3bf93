"""Payments on their way: claimed under leases, moved by conditional updates, every step kept."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.prompting import NO_LIMITS, PromptLimits
from gateway.orders.rules import PAYMENT_URL, UNSENT_LIFE
from gateway.storage import queue_head
from gateway.storage.coalescer import Coalescer
from gateway.storage.direct import Direct, NamedRow
from gateway.storage.rows import among, document, names_of, recordset
from gateway.storage.vault import SealBroken, Vault
from gateway.values.money import Money
from payments.collection.claims import (
    CLAIM_NAMED,
    CLAIM_TO_COLLECT,
    CLAIM_TO_VERIFY,
    CLOSE_UNSENT,
    MOVE_UNSENT,
    OpenPaymentReader,
    read_secrets,
    seal_secrets,
)
from payments.collection.observations import Observation, OpenPayment
from payments.collection.payers import card_index, holder_index
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import held
from payments.lifecycle import Actor, Observed, State, guard

# How long a claimed payment is left to its worker before another one may take it.
LEASE_SECONDS: Final = 60
# What operators answer within this time is recorded in one transaction; the first answer after a pause waits for no
# other. See `gateway.runtime.owed_work.PACES` for what else a voter waits for.
APART_SECONDS: Final = 0.2
# One question a payment in this time for voters who ask: one who asks again sooner gets what is known.
NAMED_EVERY_SECONDS: Final = 5
_COLLECT_LOCK: Final = 0x5907_11_68
_COLLECT_TURN: Final = Direct(text("select pg_advisory_xact_lock(:key)"))

_FACTS: Final = """
  reference uuid, next_check_at timestamptz, accepted boolean, not_found boolean, untried boolean, reason text,
  reason_code text, provider_reference text, received_minor bigint, received_currency text, base_url text,
  secrets_cipher bytea, expires_at timestamptz, detail text, message text,
  card_index bytea, holder_index bytea
"""

_DERIVED: Final = ("received_minor", "received_currency", "secrets_cipher", "linked", "card_index", "holder_index")
_OBSERVED: Final = [name for name in names_of(_FACTS) if name not in _DERIVED]

# What is put back keeps the deadline of its order. `to_status` null: only facts are remembered and no step is taken.
# A hint that came while the operator was being asked keeps its place in the queue.
_RECORD: Final = Direct(
    text(f"""
with asked as (select * from {recordset(_FACTS)}),
locked as (
  select a.*, p.placed_at, p.status as from_status from (select * from asked order by reference) a cross join lateral (
    select placed_at, status from payments where reference = a.reference and status = any(cast(:locked as text[]))
    offset 0 for update) p),
moved as (
  update payments p set status = coalesce(cast(:to_status as text), p.status),
    next_check_at = case when p.hinted_at is not null and a.next_check_at is not null
      then least(a.next_check_at, p.next_check_at) else a.next_check_at end,
    accepted = p.accepted or a.accepted, send_tries = p.send_tries - case when a.untried then 1 else 0 end,
    not_found_count = case when a.not_found then p.not_found_count + 1 else 0 end,
    not_found_since = case when a.not_found then coalesce(p.not_found_since, now()) end,
    reason = coalesce(a.reason, p.reason), reason_code = coalesce(a.reason_code, p.reason_code),
    provider_reference = coalesce(a.provider_reference, p.provider_reference),
    received_minor = coalesce(a.received_minor, p.received_minor),
    received_currency = coalesce(a.received_currency, p.received_currency),
    base_url = coalesce(a.base_url, p.base_url), secrets_cipher = coalesce(a.secrets_cipher, p.secrets_cipher),
    card_index = coalesce(a.card_index, p.card_index), holder_index = coalesce(a.holder_index, p.holder_index),
    expires_at = case when cast(:to_status as text) = 'created' then p.placed_at + make_interval(secs => :unsent)
      else coalesce(a.expires_at, p.expires_at) end,
    confirmed_at = case when cast(:to_status as text) in ('confirmed', 'mismatched') then now() else p.confirmed_at end
  from locked a
  where {among("p.reference", "locked")} and p.reference = a.reference and p.placed_at = a.placed_at
    and a.from_status = any(cast(:froms as text[]))
  returning p.reference, p.placed_at, p.vote_id, p.contest_id, p.provider, p.method,
    a.from_status, a.detail, a.message, a.reason, a.received_minor, a.received_currency),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, from_status, cast(:to_status as text), cast(:seen as text), cast(:actor as text),
    nullif(detail, '') from moved
  where cast(:to_status as text) is not null),
owed as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), m.message, m.reference::text, m.reference, v.voter_index, v.language,
    jsonb_strip_nulls(jsonb_build_object('reason', m.reason)), v.chat_id
  from moved m join votes v on v.id = m.vote_id and v.placed_at = m.placed_at
  where m.message is not null and (v.voter_index is not null or v.chat_id is not null)
    and (cast(:to_status as text) is null or m.from_status in ('created', 'sent', 'pending'))
  on conflict (kind, key) do nothing)
select reference, contest_id, provider, received_minor, received_currency from moved
""")
)

_LOCK: Final = Direct(
    text("select 1 from payments where reference = any(cast(:references as uuid[])) order by reference for update")
)

_EVIDENCE: Final = """
  reference uuid, word text, source text, amount_minor bigint, currency text, provider_reference text, raw text
"""
_KEEP_EVIDENCE: Final = Direct(
    text(f"""
insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw)
select * from {recordset(_EVIDENCE)}
""")
)

_ALL_STATES: Final = [state.value for state in State]
_SECRETS: Final = text(
    "select reference, secrets_cipher from payments where reference = any(cast(:references as uuid[]))"
)

_ACCEPTED: Final = """
  reference uuid, provider_reference text, base_url text, secrets_cipher bytea, next_check_at timestamptz,
  expires_at timestamptz, linked boolean, message text
"""
_TAKEN: Final = [name for name in names_of(_ACCEPTED) if name not in _DERIVED]
# The deadline of a page comes with its address. Without one the claim's own stands for what the operator has not given
# yet. The payer is sent a link only while it may be paid.
_FILL: Final = text(f"""
with asked as (select * from {recordset(_ACCEPTED)}),
filled as (
  update payments p set accepted = true, provider_reference = coalesce(p.provider_reference, a.provider_reference),
    base_url = coalesce(p.base_url, a.base_url), secrets_cipher = coalesce(a.secrets_cipher, p.secrets_cipher),
    next_check_at = case when p.status in ('expired','failed') then coalesce(p.next_check_at, a.next_check_at)
      else p.next_check_at end,
    expires_at = case
      when p.status = 'pending' and (a.linked or p.expires_at = p.sent_at + make_interval(secs => :unsent))
      then coalesce(a.expires_at, p.expires_at) else p.expires_at end
  from asked a where {among("p.reference", "asked")} and p.reference = a.reference
  returning p.reference, p.placed_at, p.vote_id, p.status, a.message)
insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
select gen_random_uuid(), f.message, f.reference::text, f.reference, v.voter_index, v.language, '{{}}', v.chat_id
from filled f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at
where f.message is not null and f.status = 'pending' and (v.voter_index is not null or v.chat_id is not null)
on conflict (kind, key) do nothing
""")
_MARK: Final = text("""
update payments set provisional = :provisional where reference = any(cast(:references as uuid[]))
""")


class Payments:
    """Payments in PostgreSQL. `prompting`: providers that push a prompt to a handset; `limits`: how often."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        public_url: str,
        prompting: frozenset[str],
        limits: PromptLimits = NO_LIMITS,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._reader = OpenPaymentReader(vault, public_url)
        self._prompting = {"prompting": sorted(prompting), **limits.claimed()}
        self._to_collect = queue_head.QueueHead(queue_head.TO_COLLECT)
        self._to_verify = queue_head.QueueHead(queue_head.TO_VERIFY)
        self._observed: Coalescer[Observation, None] = Coalescer(
            self._record_each, batch_max=200, lanes=2, apart=APART_SECONDS
        )

    async def claim_to_collect(self, limit: int, places: Mapping[str, int] = MappingProxyType({})) -> list[OpenPayment]:
        """Take due `created` payments and move them to `sent`, at most one prompt a number and provider: of an account
        in `places` at most so many, of all others together at most `limit`. Those whose payers may not be asked any
        more, see `Withheld`, come back `failed`, with a text owed to the voter. Committed when it returns."""
        async with self._engine.begin() as connection:
            # Two collectors at once could each take one of a number's two orders.
            await _COLLECT_TURN.rows(connection, {"key": _COLLECT_LOCK})
            rows = await CLAIM_TO_COLLECT.named(
                connection,
                {
                    "since": await self._to_collect.since(connection),
                    "accounts": list(places),
                    "places": _places([*places.items(), (None, limit)]),
                    **self._prompting,
                    "lease": LEASE_SECONDS,
                    "unsent": UNSENT_LIFE.total_seconds(),
                },
            )
            return await self._reader.claimed(connection, rows)

    async def move_unsent(self, account: str, sibling: str, limit: int) -> int:
        """Move orders that no operator was asked about to another account; how many. The others stay: what was tried
        may exist there."""
        async with self._engine.begin() as connection:
            moved = await connection.execute(MOVE_UNSENT, {"account": account, "sibling": sibling, "limit": limit})
            return int(moved.scalar_one())

    async def close_unsent(self, limit: int) -> int:
        """Close orders that no operator took in time; how many. What was ever sent is asked about for a day."""
        since = await self._to_collect.since(self._engine)
        [(closed,)] = await CLOSE_UNSENT.rows(self._engine, {"since": since, "limit": limit})
        return int(closed)

    async def claim_to_verify(self, places: Mapping[str, int]) -> list[OpenPayment]:
        """Take payments that are due for a status question, under a lease, of each account in `places` at most so many:
        hinted ones first, then those never asked about, then those still open, then the rest; of each the longest
        due."""
        since = await self._to_verify.since(self._engine)
        asked = {"since": since, "places": _places(places.items()), "lease": LEASE_SECONDS}
        return await self._reader.leased(self._engine, await CLAIM_TO_VERIFY.named(self._engine, asked))

    async def claim_named(self, references: Sequence[UUID]) -> list[OpenPayment]:
        """Take these payments for a status question now, under a lease, but for those that can no longer be asked
        about or were asked about some seconds ago."""
        async with self._engine.begin() as connection:
            rows = await connection.execute(
                CLAIM_NAMED,
                {"references": list(references), "lease": LEASE_SECONDS, "every": NAMED_EVERY_SECONDS},
            )
            return await self._reader.claimed(connection, rows)

    async def observe(self, observation: Observation) -> None:
        """`record` for one. Calls that arrive during a batch join the next one."""
        await self._observed.do(observation)

    async def _record_each(self, observations: list[Observation]) -> list[None]:
        await self.record(observations)
        return [None] * len(observations)

    async def record(self, observations: Sequence[Observation]) -> int:
        """Apply what was observed, in one transaction: steps that the lifecycle allows, evidence, events, texts; how
        many payments took a step. An observation that another process was faster with is only kept as evidence."""
        if not observations:
            return 0
        groups: dict[tuple[Observed | None, Actor, bool], list[Observation]] = defaultdict(list)
        for observation in observations:
            groups[observation.observed, observation.actor, observation.provisional].append(observation)
        async with self._engine.begin() as connection:
            if len(groups) > 1:
                # Group by group they would be locked in two orders.
                await _LOCK.rows(connection, {"references": [observation.reference for observation in observations]})
            await keep_evidence(connection, [one for one in observations if one.evidence_word])
            steps = 0
            for (observed, actor, provisional), members in groups.items():
                steps += await self._step(connection, observed, actor, members, provisional=provisional)
        return steps

    async def _step(
        self,
        connection: AsyncConnection,
        observed: Observed | None,
        actor: Actor,
        members: list[Observation],
        *,
        provisional: bool,
    ) -> int:
        step = guard(observed, actor, provisional=provisional)
        before = [state.value for state in step.before]
        moved = await _RECORD.named(
            connection,
            {
                **document(map(self._facts, members)),
                "froms": before,
                "locked": _ALL_STATES if observed is Observed.ACCEPTED else before,
                "to_status": step.to.value if step.to else None,
                "seen": observed.value if observed else None,
                "actor": actor.value,
                "unsent": UNSENT_LIFE.total_seconds(),
            },
        )
        if observed is Observed.ACCEPTED and len(moved) < len(members):
            stepped = {row.reference for row in moved}
            await _fill(connection, self._vault, [one for one in members if one.reference not in stepped])
        elif observed is Observed.SUCCEEDED_OTHERWISE:
            await self._book_mismatched(connection, moved)
        elif observed is Observed.PROVED:
            await _mark(connection, [row.reference for row in moved], provisional=False)
        elif observed is Observed.SUCCEEDED and provisional:
            await _mark(connection, [row.reference for row in moved], provisional=True)
        return len(moved) if observed else 0

    @staticmethod
    async def _book_mismatched(connection: AsyncConnection, moved: Sequence[NamedRow]) -> None:
        await post(
            connection,
            [
                (
                    LedgerEntry(
                        uuid4(),
                        row.contest_id,
                        f"mismatched {row.reference}",
                        held(Money(row.received_minor, row.received_currency)),
                    ),
                    row.provider,
                )
                for row in moved
            ],
        )

    def _facts(self, observation: Observation) -> dict[str, Any]:
        otherwise = observation.received if observation.observed is Observed.SUCCEEDED_OTHERWISE else None
        facts = {name: getattr(observation, name) for name in _OBSERVED}
        facts["received_minor"] = otherwise.amount_minor if otherwise else None
        facts["received_currency"] = otherwise.currency if otherwise else None
        facts["secrets_cipher"] = seal_secrets(self._vault, observation.reference, observation.secrets)
        facts["card_index"] = card_index(self._vault, observation.card)
        facts["holder_index"] = holder_index(self._vault, observation.holder)
        return facts


def _places(places: Iterable[tuple[str | None, int]]) -> str:
    return orjson.dumps([{"account": account, "free": free} for account, free in places]).decode()


async def _fill(connection: AsyncConnection, vault: Vault, accepted: Sequence[Observation]) -> None:
    """Add what acceptances say to payments, whose rows are locked, that are not `sent` any more: gaps are filled, no
    value that is there is overwritten, and no state changes."""
    references = [observation.reference for observation in accepted]
    rows = await connection.execute(_SECRETS, {"references": references})
    held = {row.reference: row.secrets_cipher for row in rows}
    facts = [_accepted(vault, observation, held.get(observation.reference)) for observation in accepted]
    await connection.execute(_FILL, {**document(facts), "unsent": UNSENT_LIFE.total_seconds()})


def _accepted(vault: Vault, observation: Observation, held: bytes | None) -> dict[str, Any]:
    reference, new = observation.reference, dict(observation.secrets or {})
    try:
        known = read_secrets(vault, reference, held)
    except SealBroken:
        # It is kept as it is; the next reader logs it.
        known = new
    more = new.keys() - known.keys()
    facts = {name: getattr(observation, name) for name in _TAKEN}
    facts["secrets_cipher"] = seal_secrets(vault, reference, {**new, **known} if more else None)
    facts["linked"] = PAYMENT_URL in more
    return facts


async def _mark(connection: AsyncConnection, references: Sequence[UUID], *, provisional: bool) -> None:
    """Mark payments, whose rows are locked, as provisional or as proved."""
    if references:
        await connection.execute(_MARK, {"references": list(references), "provisional": provisional})


async def keep_evidence(connection: AsyncConnection, known: Sequence[Observation]) -> None:
    """Keep what operators answered."""
    rows = [
        {
            "reference": one.reference,
            "word": one.evidence_word,
            "source": one.evidence_source,
            "amount_minor": one.received.amount_minor if one.received else None,
            "currency": one.received.currency if one.received else None,
            "provider_reference": one.provider_reference,
            "raw": one.evidence_raw,
        }
        for one in known
    ]
    if rows:
        await _KEEP_EVIDENCE.rows(connection, document(rows))
