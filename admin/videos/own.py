"""The video of a candidate on their own page: a form that uploads one, and what became of those before."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from admin.videos.keep import Videos
from admin.videos.store import UploadLine
from channels.web.nominations import (
    NOMINATION_PARTS,
    OWN_PAGE,
    Act,
    OwnPart,
    own_fields,
    own_form,
    private_page,
)
from gateway.contests.nominations import Nominated
from gateway.contests.videos import BYTES_MAX, SECONDS_MAX, Film, VideoState, origin_of
from gateway.http.pages import PAGES

ADDRESS: Final = f"{OWN_PAGE}/video"
_SHOWN_MAX: Final = 3


def setup(app: web.Application, videos: Videos, film: Callable[[Videos, UploadLine], Film | None]) -> None:
    """Serve it, where the application has pages of candidates. `film`: what can be watched of an upload."""
    if NOMINATION_PARTS not in app:
        return

    async def part(request: web.Request, found: Nominated, language: str) -> OwnPart:
        """The form, and the latest uploads with their states in words."""
        _, lines = await videos.store.listed(found.contest.organiser_id, found.contest.slug, found.candidate.code)
        # What is issued and was never uploaded says nothing to a person once it is over.
        shown = [(line, film(videos, line)) for line in lines if line.state != VideoState.GONE][:_SHOWN_MAX]
        cloudinary = videos.cloudinary
        html = request.app[PAGES].fragment(
            "contests/own_video.html",
            language,
            {
                "uploads": shown,
                "possible": cloudinary is not None,
                "waiting": any(line.state in (VideoState.ISSUED, VideoState.UPLOADED) for line in lines[:1]),
                "token": request.match_info["token"],
                "name": found.candidate.name,
                "bytes_max": BYTES_MAX,
                "seconds_max": SECONDS_MAX,
            },
        )
        delivered = {one.origin for _, one in shown if one is not None}
        calls = () if cloudinary is None else (origin_of(cloudinary.upload_url),)
        # A file that was chosen is measured in the browser before it is sent.
        return OwnPart(html, pictures=delivered, videos={"blob:", *delivered}, calls=calls)

    async def read(request: web.Request) -> Act:
        """Have Cloudinary asked about an upload that arrived just now."""
        public_id = (await own_fields(request)).get("public_id", "")

        async def act(_: web.Request, found: Nominated) -> None:
            candidate = await videos.store.candidate(
                found.contest.organiser_id, found.contest.slug, found.candidate.code
            )
            await videos.ask_now(candidate, public_id)

        return act

    app[NOMINATION_PARTS].append(part)
    app.router.add_post(ADDRESS, own_form(read))
    app.router.add_get(ADDRESS, private_page)
