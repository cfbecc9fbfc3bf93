"""Lines of the audit log: who did what to what, and the facts of it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.schema.staff import audit_log


async def note(
    connection: AsyncConnection, *, actor: str, act: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Write one line, in the transaction of what it is about. No phone number belongs in it."""
    line = {"actor": actor, "act": act, "subject": subject, "detail": dict(detail or {})}
    # Without asking for the number that it gets: who writes for an organiser may read no line.
    await connection.execute(insert(audit_log).inline().values(line))
