"""What an operator accepted, kept also when its payment moved on while it was being asked: gaps are filled, no value
that is there is overwritten, and no state changes."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.orders.rules import PAYMENT_URL, UNSENT_LIFE
from gateway.orders.store import secrets_place
from gateway.storage.rows import document, recordset
from gateway.storage.vault import SealBroken, Vault
from payments.collection.port import Observation

_HELD: Final = text("select reference, secrets_cipher from payments where reference = any(cast(:references as uuid[]))")

_FACTS: Final = (
    ("reference", "uuid"),
    ("provider_reference", "text"),
    ("base_url", "text"),
    ("secrets_cipher", "bytea"),
    ("next_check_at", "timestamptz"),
    ("expires_at", "timestamptz"),
    ("linked", "boolean"),
    ("message", "text"),
)
# The deadline of a page comes with its address. Without one the claim's own stands for what the operator has not given
# yet. The payer is sent a link only while it may be paid.
_FILL: Final = text(f"""
with asked as (select * from {recordset(_FACTS)}),
filled as (
  update payments p set accepted = true, provider_reference = coalesce(p.provider_reference, a.provider_reference),
    base_url = coalesce(p.base_url, a.base_url), secrets_cipher = coalesce(a.secrets_cipher, p.secrets_cipher),
    next_check_at = case when p.status in ('expired','failed') then coalesce(p.next_check_at, a.next_check_at)
      else p.next_check_at end,
    expires_at = case
      when p.status = 'pending' and (a.linked or p.expires_at = p.sent_at + make_interval(secs => :unsent))
      then coalesce(a.expires_at, p.expires_at) else p.expires_at end
  from asked a where p.reference = a.reference
  returning p.reference, p.placed_at, p.vote_id, p.status, a.message)
insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
select gen_random_uuid(), f.message, f.reference::text, f.reference, v.voter_index, v.language, '{{}}', v.chat_id
from filled f join votes v on v.id = f.vote_id and v.placed_at = f.placed_at
where f.message is not null and f.status = 'pending' and (v.voter_index is not null or v.chat_id is not null)
on conflict (kind, key) do nothing
""")


async def fill(connection: AsyncConnection, vault: Vault, accepted: Sequence[Observation]) -> None:
    """Add what acceptances say to payments, whose rows are locked, that are not `sent` any more."""
    references = [seen.reference for seen in accepted]
    rows = await connection.execute(_HELD, {"references": references})
    held = {row.reference: row.secrets_cipher for row in rows}
    facts = [_facts(vault, seen, held.get(seen.reference)) for seen in accepted]
    await connection.execute(_FILL, {**document(facts), "unsent": UNSENT_LIFE.total_seconds()})


def _facts(vault: Vault, seen: Observation, held: bytes | None) -> dict[str, Any]:
    place, new = secrets_place(seen.reference), dict(seen.secrets or {})
    try:
        known: dict[str, str] = {} if held is None else orjson.loads(vault.open(bytes(held), place))
    except SealBroken:
        # It is kept as it is: whoever opens it next reports it.
        known = new
    more = new.keys() - known.keys()
    return {
        "reference": seen.reference,
        "provider_reference": seen.provider_reference,
        "base_url": seen.base_url,
        "secrets_cipher": vault.seal(orjson.dumps({**new, **known}).decode(), place) if more else None,
        "next_check_at": seen.next_check_at,
        "expires_at": seen.expires_at,
        "linked": PAYMENT_URL in more,
        "message": seen.message,
    }
