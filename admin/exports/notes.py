"""What was exported, by whom: lines of the audit log."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.audit_log import note


class ExportNotes:
    """Notes what is exported."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def made(self, person: str, slug: str, contest: UUID, detail: Mapping[str, Any]) -> None:
        """Note an export before it is sent. As the service: who only reads, takes files away, too."""
        async with self._engine.begin() as connection:
            await note(connection, actor=person, act="export.made", subject=slug, detail=detail, contest=contest)


EXPORTS: Final[web.AppKey[ExportNotes]] = web.AppKey("exports", ExportNotes)
