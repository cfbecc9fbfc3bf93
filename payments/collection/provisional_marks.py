"""The mark of a payment that is counted on a callback: set and taken away with the steps around it.

None of these runs a statement unless a payment is concerned that may bear the mark.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_MARK: Final = text("""
update payments set provisional = :provisional where reference = any(cast(:references as uuid[]))
""")


async def mark(connection: AsyncConnection, references: Sequence[UUID], *, provisional: bool) -> None:
    """Mark payments, whose rows are locked, as provisional or as proved."""
    if references:
        await connection.execute(_MARK, {"references": list(references), "provisional": provisional})
