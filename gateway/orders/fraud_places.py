"""Devices and addresses that send too many orders, also after they were refused: listed for a while, by rule."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.orders.prompting import OrdererKind
from gateway.orders.rules import VoteRequest
from gateway.storage.rows import document, recordset
from gateway.storage.vault import Vault

_PLACE: Final = "contest_id uuid, subject bytea, kind text, shown text, shared boolean"
# The third refusal within ten minutes lists a place for a quarter of an hour, each time after that within a day for
# twice as long. Behind a shared address a device may be anybody's next one: never for longer.
_LIST: Final = text(f"""
with places as (
  select contest_id, subject, kind, shown, shared, count(*) as many from {recordset(_PLACE)} group by 1, 2, 3, 4, 5),
refused as (
  insert into fraud_refusals (contest_id, subject)
  select contest_id, subject from places cross join lateral generate_series(1, many)),
listed as (
  insert into fraud_entries (id, contest_id, list, kind, origin, shown, reason, made_by, subject, until)
  select gen_random_uuid(), p.contest_id, 'deny', p.kind, 'rule', p.shown, 'too_many_here', 'rule', p.subject,
    now() + least(interval '1 day', interval '15 minutes' * case when p.shared then 1 else 1 << least(7, (
      select count(*) from fraud_entries e where e.contest_id = p.contest_id and e.subject = p.subject
        and e.origin = 'rule' and e.made_at > now() - interval '1 day')::integer) end)
  from places p
  where p.many + (select count(*) from fraud_refusals r where r.contest_id = p.contest_id and r.subject = p.subject
      and r.at > now() - interval '10 minutes') >= 3
    and not exists (select from fraud_entries e where e.contest_id = p.contest_id and e.subject = p.subject
      and e.lifted_at is null and e.until > now())
  returning id, contest_id, kind, shown, until)
insert into audit_log (actor, act, subject, detail, contest_id)
select 'rule', 'fraud.listed', c.slug,
  jsonb_build_object('entry', l.id, 'kind', l.kind, 'shown', l.shown, 'until', l.until), l.contest_id
from listed l join contests c on c.id = l.contest_id
""")


def shown_address(address: str) -> str:
    """An address as lists show it: its first half."""
    separator = ":" if ":" in address else "."
    return separator.join(address.split(separator)[:2]) + separator + "…"


def place(vault: Vault, vote_request: VoteRequest, shared: Callable[[str], bool]) -> dict[str, Any]:
    """From where an order came: the address, or the device where the address is shared by many."""
    orderer = vote_request.orderer
    if orderer is None:
        raise ValueError("an order from the web has an orderer")
    address = orderer.address or orderer.identity
    many = shared(address)
    device = many and orderer.kind is OrdererKind.DEVICE
    key = f"{orderer.kind} {orderer.identity}" if device else f"{OrdererKind.ADDRESS} {address}"
    return {
        "contest_id": vote_request.contest.id,
        "subject": vault.index(key),
        "kind": OrdererKind.DEVICE.value if device else OrdererKind.ADDRESS.value,
        "shown": "" if device else shown_address(address),
        "shared": many,
    }


async def list_places(connection: AsyncConnection, places: Sequence[dict[str, Any]]) -> None:
    """Remember refusals, and list the places that had too many of them."""
    await connection.execute(_LIST, document(places))
