"""Statements of overlays."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Row, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.contests.contest import Contest
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import overlays
from gateway.values.scope import Scope
from leaderboard.overlay.rules import SETTINGS, Change, Figures, Frozen, Overlay, View, changed, steps_between

_FIGURES: Final = TypeAdapter(Figures)


class Overlays:
    """What the studio chose for each contest."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def read(self, contest_id: UUID, scope: Scope) -> Overlay:
        """The overlay of a contest; as every one begins where nothing was chosen."""
        async with scoped(self._engine, scope) as connection:
            row = (await connection.execute(select(overlays).where(overlays.c.contest_id == contest_id))).one_or_none()
        return Overlay() if row is None else _overlay(row)

    async def change(
        self, contest: Contest, change: Change, figures: Figures, now: datetime, scope: Scope, person: str
    ) -> Overlay:
        """Change the overlay of a contest within the scope, see `changed`."""
        async with scoped(self._engine, scope) as connection:
            await connection.execute(upsert(overlays).values(contest_id=contest.id).on_conflict_do_nothing())
            mine = overlays.c.contest_id == contest.id
            held = _overlay((await connection.execute(select(overlays).where(mine).with_for_update())).one())
            new = changed(held, change, figures, now)
            if new == held:
                return held
            await connection.execute(update(overlays).where(mine).values(_values(new)))
            for step in steps_between(held, new):
                detail = {"changes": _differing(held, new)} if step == "settings" else {}
                act, slug = f"overlay.{step}", contest.slug
                await note(connection, actor=person, act=act, subject=slug, detail=detail, contest=contest.id)
        return new


def _differing(held: Overlay, new: Overlay) -> list[Mapping[str, str]]:
    pairs = [(name, getattr(held, name), getattr(new, name)) for name in SETTINGS]
    return [
        {"what": f"overlay_{name}", "before": str(before or "–"), "after": str(after or "–")}
        for name, before, after in pairs
        if before != after
    ]


def _values(overlay: Overlay) -> Mapping[str, Any]:
    frozen = overlay.frozen
    return {
        "view": overlay.view.value,
        "places": overlay.places,
        "category": overlay.category,
        "round": overlay.round,
        "delay_seconds": overlay.delay_seconds,
        "frozen_at": None if frozen is None else frozen.at,
        "frozen_figures": null() if frozen is None else _FIGURES.dump_python(frozen.figures, mode="json"),
        "blackout_since": overlay.blackout_since,
        "link_number": overlay.link_number,
    }


def _overlay(row: Row[Any]) -> Overlay:
    frozen = None if row.frozen_at is None else Frozen(row.frozen_at, _FIGURES.validate_python(row.frozen_figures))
    return Overlay(
        View(row.view),
        row.places,
        row.category,
        row.round,
        row.delay_seconds,
        frozen,
        row.blackout_since,
        row.link_number,
    )
