"""Lines of the audit log: who did what to what, and the facts of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.schema.staff import audit_log


async def note(
    connection: AsyncConnection,
    *,
    actor: str,
    act: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    contest: UUID | None = None,
) -> None:
    """Write one line, in the transaction of what it is about. No phone number belongs in it. `contest`: the one that it
    is about, whose staff read the line; None: it is about none, or about many."""
    line = {"actor": actor, "act": act, "subject": subject, "detail": dict(detail or {}), "contest_id": contest}
    # Without asking for the number that it gets: who writes for an organiser may not read every line.
    await connection.execute(insert(audit_log).inline().values(line))
