"""Overlays as this process shows them: their state, and the figures of the last minute."""

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.contests.contest import Contest
from gateway.contests.pictures.photos import photos_of
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.scope import Scope
from leaderboard.overlay.rules import (
    FACE,
    Change,
    Figures,
    Overlay,
    Past,
    Picture,
    Say,
    earlier_round,
    figures_of,
    on_air,
    picture_of,
    remembered,
)
from leaderboard.overlay.store import Overlays
from leaderboard.routes import Published

# How old a state may be that an overlay is shown by; it asks twice a second.
STATE_SECONDS: Final = 0.3
TICK_SECONDS: Final = 0.5
_log = structlog.get_logger(__name__)


class OnAir:
    """What overlays show. `secret`: of which links are made."""

    def __init__(self, overlays: Overlays, published: Published, secret: bytes) -> None:
        self._overlays = overlays
        self._published = published
        self._secret = secret
        self._held: dict[UUID, tuple[float, Overlay]] = {}
        self._past: dict[UUID, Past] = {}
        self._faces: dict[UUID, tuple[Contest, Mapping[str, str]]] = {}

    def key(self, contest_id: UUID, number: int) -> str:
        """What opens the overlay of a contest by its link of this number."""
        made = hmac.digest(self._secret, f"{contest_id}:{number}".encode(), sha256)
        return f"{number}-{urlsafe_b64encode(made).decode().rstrip('=')}"

    async def opens(self, contest: Contest, key: str) -> bool:
        """Whether a key opens it: one that we made, of the newest link. Raises DatabaseUnavailable."""
        number = key.partition("-")[0]
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            return False
        if not hmac.compare_digest(self.key(contest.id, int(number)).encode(), key.encode("utf-8", "replace")):
            return False
        return (await self._state(contest)).link_number == int(number)

    async def read(self, contest: Contest, scope: Scope) -> Overlay:
        """The state of an overlay for its studio."""
        return await self._overlays.read(contest.id, scope)

    async def change(self, contest: Contest, change: Change, scope: Scope, person: str) -> Overlay:
        """Do what the studio asks for; what is on air in this process freezes."""
        now, before = self._published.now(), await self.read(contest, scope)
        figures = on_air(before, self._recorded(contest, before), now)
        overlay = await self._overlays.change(contest, change, figures, now, scope, person)
        self._held[contest.id] = asyncio.get_running_loop().time(), overlay
        return overlay

    async def picture(self, contest: Contest, say: Say) -> Picture:
        """What an overlay of a contest draws now. Raises DatabaseUnavailable."""
        overlay, now = await self._state(contest), self._published.now()
        figures = on_air(overlay, self._recorded(contest, overlay), now)
        earlier = earlier_round(overlay, figures)
        ranking = None if earlier is None else self._published.ranking_in(contest.slug, earlier)
        if ranking is not None:
            figures = figures_of(ranking, contest)
        return picture_of(overlay, figures, contest, now, say, self._faces_of(contest))

    async def run(self) -> None:
        """Keep the figures of the last minute where they are shown late. Runs until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for contest in self._published.contests():
                _, overlay = self._held.get(contest.id, (0.0, None))
                if overlay is not None and overlay.delay_seconds:
                    self._recorded(contest, overlay)
                else:
                    self._past.pop(contest.id, None)

    def _recorded(self, contest: Contest, overlay: Overlay) -> Past:
        """Figures of a contest until now; those of now alone where nothing is shown late."""
        past = self._past.get(contest.id, ()) if overlay.delay_seconds else ()
        figures = self._figures(contest)
        past = self._past[contest.id] = remembered(past, figures, self._published.now())
        return past

    def _figures(self, contest: Contest) -> Figures:
        return figures_of(self._published.ranking(contest.slug), contest)

    async def _state(self, contest: Contest) -> Overlay:
        """The state as it was a moment ago; as it was last while PostgreSQL is away."""
        now = asyncio.get_running_loop().time()
        read_at, overlay = self._held.get(contest.id, (0.0, None))
        if overlay is not None:
            if now - read_at < STATE_SECONDS:
                return overlay
            # One read at a time for all who watch.
            self._held[contest.id] = now, overlay
        try:
            found = await self._overlays.read(contest.id, None)
        except (SQLAlchemyError, OSError) as error:
            if overlay is None:
                raise DatabaseUnavailable from error
            _log.warning("overlay_stale", contest=contest.slug, error=type(error).__name__)
            return overlay
        self._held[contest.id] = now, found
        return found

    def _faces_of(self, contest: Contest) -> Mapping[str, str]:
        """Addresses of photos by code, made once for each change of a contest."""
        held = self._faces.get(contest.id)
        if held is None or held[0] is not contest:
            faces = {code: photo.square(FACE) for code, photo in photos_of(contest).items()}
            held = self._faces[contest.id] = contest, faces
        return held[1]
