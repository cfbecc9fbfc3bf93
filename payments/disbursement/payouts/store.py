"""Payouts: what a claim reads of the beneficiary, and what is booked when one arrived or did not."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.values.money import Money
from gateway.values.organiser import Deed, states_without
from payments.disbursement.answers import Observation
from payments.disbursement.rules import PAYOUT_STEPS, OutgoingState
from payments.disbursement.store import OutgoingStore, OutgoingTable
from payments.ledger import postings as ledger
from payments.ledger.book import LedgerEntry, post
from payments.lifecycle import Actor
from payments.provider import Purpose

_COLUMNS: Final = """
  t.provider as out_provider, t.beneficiary_id, t.created_at as owed_since, now() as now, b.phone_cipher, b.country,
  c.slug, null as payment_reference, null as vote_id, 0 as failures,
  (select count(*) from payout_events e where e.reference = t.reference and e.seen = 'put_off') as troubles"""
_JOINS: Final = "join beneficiaries b on b.id = t.beneficiary_id join contests c on c.id = t.contest_id"
# What is on its way is asked about, also of a frozen organiser: the money may have left.
_SENDABLE: Final = f"""exists (
  select 1 from organisers g where g.id = o.organiser_id and g.state not in ({states_without(Deed.BE_PAID)}))"""


async def _follow(
    connection: AsyncConnection,
    target: OutgoingState,
    members: Sequence[Observation],
    moved: dict[UUID, Row[Any]],
    actor: Actor,
) -> None:
    entries = []
    for one in members:
        row = moved[one.reference]
        total = Money(row.amount_minor, row.currency)
        if target is OutgoingState.DONE:
            legs = ledger.paid_out(total, from_float=one.from_float)
        elif target is OutgoingState.FAILED:
            legs = ledger.payout_returned(total)
        else:
            continue
        entries.append(
            (LedgerEntry(uuid4(), row.contest_id, f"payout {row.reference} {row.status}", legs), row.provider)
        )
    await post(connection, entries)


PAYOUTS: Final = OutgoingTable(
    "payouts",
    purpose=Purpose.PAYOUT,
    steps=PAYOUT_STEPS,
    sender="payer",
    follow=_follow,
    columns=_COLUMNS,
    joins=_JOINS,
    sendable=_SENDABLE,
)


def phone_place(beneficiary: UUID) -> str:
    """The place of the sealed number of a beneficiary."""
    return f"beneficiaries.phone.{beneficiary}"


class Payouts(OutgoingStore):
    """Payouts on their way; none of a frozen organiser is sent."""

    table = PAYOUTS

    def _asked(self, row: Row[Any]) -> dict[str, Any]:
        payee = self._vault.open(bytes(row.phone_cipher), phone_place(row.beneficiary_id))
        return {"description": f"Spotlight payout {row.slug}", "payee": payee}
