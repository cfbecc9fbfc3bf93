"""The mark of a payment that is counted on a callback: set and taken away with the steps around it.

None of these runs a statement unless a payment is concerned that may bear the mark.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from payments.lifecycle import Actor, Observed, State, advance

_MARK: Final = text("""
update payments set provisional = :provisional where reference = any(cast(:references as uuid[]))
""")
# Nothing is booked for a confirmed payment yet, so it needs no more than a step back.
_ASK_FIRST: Final = text("""
with f as (
  update payments set status = cast(:to_status as text), provisional = false, confirmed_at = null,
    next_check_at = now()
  where reference = any(cast(:references as uuid[])) and provisional and status = 'confirmed'
  returning reference),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor)
  select reference, 'confirmed', cast(:to_status as text), cast(:seen as text), cast(:actor as text) from f)
select reference from f
""")


async def mark(connection: AsyncConnection, references: Sequence[UUID], *, provisional: bool) -> None:
    """Mark payments, whose rows are locked, as provisional or as proved."""
    if references:
        await connection.execute(_MARK, {"references": list(references), "provisional": provisional})


async def ask_first(connection: AsyncConnection, references: Sequence[UUID]) -> frozenset[UUID]:
    """Which of these confirmed payments, that will not count, are so on a callback alone: those are asked about
    before anything is owed to anybody."""
    after = advance(State.CONFIRMED, Observed.UNPROVED, Actor.SETTLER)
    if not references or not isinstance(after, State):
        return frozenset()
    said = {"to_status": after.value, "seen": Observed.UNPROVED.value, "actor": Actor.SETTLER.value}
    return frozenset((await connection.execute(_ASK_FIRST, {**said, "references": list(references)})).scalars())
