"""What is done with videos of candidates: an upload is signed, and a worker asks Cloudinary what became of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from admin.videos.cloudinary import Away, Cloudinary, SignedUpload
from admin.videos.store import Claimed, Decision, Filmed, VideoStore
from gateway.contests.nominations import Nominations
from gateway.contests.videos import (
    OVER,
    SIGNED_FOR,
    Asset,
    Next,
    VideoState,
    after_asking,
    after_destroying,
    pause,
)
from gateway.storage.doorbell import Doorbell, Work
from gateway.values.scope import Scope
from payments.requests import ActRefused, Why

AT_ONCE: Final = 5
# Files without a row of ours are younger than this only while a backup is being restored, or by mistake.
STRAY_AGE: Final = timedelta(days=1)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed upload, and until when Cloudinary takes it."""

    public_id: str
    upload: SignedUpload
    expires_at: datetime


class Videos:
    """`cloudinary`: None where no account is set up. `now`: the clock."""

    def __init__(
        self, store: VideoStore, cloudinary: Cloudinary | None, doorbell: Doorbell, clock: Callable[[], datetime]
    ) -> None:
        self.store: Final = store
        self.cloudinary: Final = cloudinary
        self._doorbell = doorbell
        self.now: Final = clock

    async def issue(self, candidate: Filmed, actor: str) -> Issued:
        """Sign the upload of one video. `actor`: who uploads, of the staff or the candidate. Raises ActRefused,
        TooMany."""
        if self.cloudinary is None:
            raise ActRefused(Why.IMPOSSIBLE, "videos are not set up: CLOUDINARY_CLOUD_NAME, _API_KEY and _API_SECRET")
        now = self.now()
        public_id = await self.store.issue(candidate, actor, self.cloudinary.folder, now)
        upload = self.cloudinary.sign_upload(public_id, contest=candidate.slug, code=candidate.code, now=now)
        return Issued(public_id, upload, now + SIGNED_FOR)

    async def decide(
        self,
        scope: Scope,
        slug: str,
        code: str,
        public_id: str,
        decision: Decision,
        reason: str,
        actor: str,
        nominations: Nominations,
    ) -> None:
        """Approve, reject or remove a video; of one that is not approved the file is destroyed. Raises ActRefused."""
        await self.store.decide(scope, slug, code, public_id, decision, reason, actor, nominations)
        self._doorbell.ring(Work.VIDEOS)

    async def ask_now(self, candidate: Filmed, public_id: str) -> None:
        """Have Cloudinary asked about an upload of a candidate."""
        await self.store.ask_now(candidate, public_id)
        self._doorbell.ring(Work.VIDEOS)

    async def notified(self, kind: str, key: str, body: str, public_ids: list[str]) -> None:
        """Keep a notification that is Cloudinary's own, and have it asked about what it names."""
        if await self.store.notified(kind, key, body, public_ids):
            self._doorbell.ring(Work.VIDEOS)

    async def step(self) -> int:
        """Ask about some of the uploads that are due; how many."""
        if self.cloudinary is None:
            return 0
        claimed = await self.store.claim(AT_ONCE)
        await asyncio.gather(*(self._check(self.cloudinary, one) for one in claimed))
        return len(claimed)

    async def sweep(self) -> int:
        """Destroy files under our names that no upload knows, as a backup that was restored leaves them; how many."""
        if self.cloudinary is None:
            return 0
        before = self.now() - STRAY_AGE
        try:
            old = [name async for name, since in self.cloudinary.names() if since < before]
            strays = await self.store.unknown(old)
            for name in strays:
                await self.cloudinary.destroy(name, self.now())
                _log.warning("stray_video_destroyed", video=name)
        except Away as error:
            _log.warning("cloudinary_says_nothing", why=str(error))
            return 0
        return len(strays)

    async def _check(self, cloudinary: Cloudinary, claimed: Claimed) -> None:
        try:
            result, asset = await self._asked(cloudinary, claimed)
        except Away as error:
            log = _log.error if error.alarm else _log.warning
            log("cloudinary_says_nothing", video=claimed.public_id, why=str(error))
            await self.store.later(claimed, self.now() + pause(claimed.upload.checks))
            return
        if claimed.upload.state is VideoState.APPROVED and result.state is not VideoState.APPROVED:
            _log.error("approved_video_lost", video=claimed.public_id, fault=result.fault)
        await self.store.record(claimed, result, asset)

    async def _asked(self, cloudinary: Cloudinary, claimed: Claimed) -> tuple[Next, Asset | None]:
        if claimed.upload.state in OVER:
            await cloudinary.destroy(claimed.public_id, self.now())
            return after_destroying(claimed.upload, self.now()), None
        asset = await cloudinary.ask(claimed.public_id)
        return after_asking(claimed.upload, asset, self.now()), asset

    async def aclose(self) -> None:
        """Close connections."""
        if self.cloudinary is not None:
            await self.cloudinary.aclose()
