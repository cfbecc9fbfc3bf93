"""The video of a candidate, by page and by API: sign an upload, watch it, approve, reject or remove it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

from aiohttp import hdrs, web
from pydantic import Field, model_validator

from admin.access.guard import Form, Me, api_me, form, page, problem_of_frozen, problem_of_quota, say, see_other, show
from admin.answers import SIGNED_IN, TAG, AsOf, model_of, problem_of, staff_endpoint
from admin.videos.keep import Videos
from admin.videos.store import Decision, Filmed, TooMany, UploadLine
from channels.web.nominations import NOMINATIONS
from gateway.contests.corrections import may_change
from gateway.contests.nominations import ACTOR
from gateway.contests.quotas import QuotaReached
from gateway.contests.videos import BYTES_MAX, OVER, SECONDS_MAX, Film, Video, VideoState, origin_of
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, endpoint
from gateway.http.limits import LIMITS
from gateway.http.problems import Problem
from gateway.storage.engine import ReadOnly
from payments.requests import ActRefused, Right, Why, reasoned

VIDEOS: web.AppKey[Videos] = web.AppKey("videos", Videos)
SIGNATURE: Final = "/api/upload/signature"
_WHOSE: Final = "/contests/{slug}/candidates/{code:[0-9]{2,6}}/video"
API: Final = f"/api/admin{_WHOSE}"
PAGE: Final = f"/admin{_WHOSE}"


class NewUpload(InputModel):
    """Whose video is uploaded."""

    contest: Line = Field("", max_length=100, description="The contest's slug.")
    candidate_code: Line = Field("", max_length=6)
    nomination: Line = Field("", max_length=64, description="The token of a candidate's own link, in place of both.")

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if bool(self.nomination) == bool(self.contest and self.candidate_code):
            raise ValueError("name the contest and the candidate's code, or give a nomination's token")
        return self


class Signature(ApiModel):
    """An upload that Cloudinary takes."""

    upload_url: str = Field(description="Where the browser posts `multipart/form-data`: all `fields`, and `file`.")
    fields: dict[str, str] = Field(description="To be sent as they are.")
    expires_at: datetime


class CandidatePath(InputModel):
    """The candidate that is meant."""

    slug: Line = Field(max_length=100, description="The contest's slug.")
    code: Line = Field(max_length=6, description="The candidate's code.")


class UploadedVideo(ApiModel):
    """An upload, and what became of it."""

    public_id: str = Field(description="Its name at Cloudinary.")
    state: VideoState | None = Field(description="Null as of a moment at which nobody had decided about it.")
    issued_at: datetime
    issued_by: str
    bytes: int | None
    milliseconds: int | None
    fault: str | None = Field(description="Why a rule rejected it.")
    reason: str | None = Field(description="Why a person rejected or removed it.")
    decided_by: str | None
    decided_at: datetime | None
    video: str | None = Field(None, description="Where it is played.")
    poster: str | None = None


class UploadedVideos(ApiModel):
    """Uploads of a candidate, the newest first."""

    videos: list[UploadedVideo]


class NewDecision(InputModel):
    """What a person decides about a video."""

    public_id: Line = Field(max_length=255)
    status: Decision
    reason: Line = Field("", max_length=500, description="For `rejected` and `removed`.")


def film_of(videos: Videos, line: UploadLine) -> Film | None:
    """What can be watched of an upload."""
    cloudinary = videos.cloudinary
    if cloudinary is None or line.version is None or line.state is None or VideoState(line.state) in OVER:
        return None
    return cloudinary.delivery.film(Video(line.public_id, line.version, line.width or 0, line.height or 0))


@endpoint(body=NewUpload, returns={200: Signature}, problems=(*SIGNED_IN, 404, 409, 429), tag=TAG)
async def sign(request: web.Request, *, body: NewUpload) -> Reply:
    """Sign the upload of a candidate's video.

    For staff who are signed in, and for a candidate by the token of their own link, until they left or the contest is
    over. The browser sends the file to Cloudinary by itself. An MP4 or MOV of at most 60 seconds and 50 MiB is kept,
    and shown to voters as MP4 once a person approved it.
    """
    try:
        candidate, actor = await _whose(request, body)
        issued = await request.app[VIDEOS].issue(candidate, actor)
    except ActRefused as error:
        raise problem_of(error) from None
    except QuotaReached as error:
        raise problem_of_quota(error) from None
    except ReadOnly:
        raise problem_of_frozen() from None
    except TooMany:
        raise Problem(
            429,
            "Too many requests",
            "Too many uploads were signed for this contest or candidate within an hour.",
            kind="/problems/too_many_requests",
            headers={hdrs.RETRY_AFTER: "600"},
        ) from None
    upload = issued.upload
    return Reply(200, Signature(upload_url=upload.url, fields={**upload.fields}, expires_at=issued.expires_at))


async def _whose(request: web.Request, body: NewUpload) -> tuple[Filmed, str]:
    """The candidate, and who uploads. Problem 401, 403, 429; raises ActRefused."""
    store = request.app[VIDEOS].store
    if not body.nomination:
        me = await api_me(request, Right.MODERATE)
        return await store.candidate(me.scope, body.contest, body.candidate_code), me.email
    await request.app[LIMITS].nomination(request)
    found = await request.app[NOMINATIONS].find(body.nomination)
    if found is None:
        raise ActRefused(Why.UNKNOWN, "there is no such nomination")
    if not may_change(found.contest, found.candidate, request.app[VIDEOS].now()):
        raise ActRefused(Why.DECIDED, "the candidate does not stand any more, or the contest is over")
    return await store.candidate(found.contest.organiser_id, found.contest.slug, found.candidate.code), ACTOR


@staff_endpoint(Right.READ_CONTESTS, path=CandidatePath, query=AsOf, returns={200: UploadedVideos}, problems=(404,))
async def listed(request: web.Request, me: Me, *, path: CandidatePath, query: AsOf) -> Reply:
    """List the latest uploads of a candidate's video.

    As of an earlier moment, what persons had decided by then; where it is played is of the present alone.
    """
    return await _listed(request, me, path, query.as_of)


async def _listed(request: web.Request, me: Me, path: CandidatePath, at: datetime | None = None) -> Reply:
    _, lines = await request.app[VIDEOS].store.listed(me.scope, path.slug, path.code, at)
    found = []
    for line in lines:
        film = film_of(request.app[VIDEOS], line) if at is None else None
        shown = {"video": film.played, "poster": film.poster} if film else {}
        found.append(model_of(UploadedVideo, line).model_copy(update=shown))
    return Reply(200, UploadedVideos(videos=found))


@staff_endpoint(
    Right.MODERATE, path=CandidatePath, body=NewDecision, returns={200: UploadedVideos}, problems=(404, 409)
)
async def decide(request: web.Request, me: Me, *, path: CandidatePath, body: NewDecision) -> Reply:
    """Approve, reject or remove a candidate's video.

    An approved one takes the place of the one before. The file of a video that is rejected, removed or replaced is
    deleted.
    """
    await _decide(request, me, path.slug, path.code, body.public_id, body.status, body.reason)
    return await _listed(request, me, path)


async def _decide(
    request: web.Request, me: Me, slug: str, code: str, public_id: str, decision: Decision, reason: str
) -> None:
    why = "" if decision is Decision.APPROVED else reasoned(reason)
    await request.app[VIDEOS].decide(me.scope, slug, code, public_id, decision, why, me.email, request.app[NOMINATIONS])


@page(Right.READ_CONTESTS)
async def video_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The videos of a candidate, and the form that uploads one. 404."""
    slug, code = request.match_info["slug"], request.match_info["code"]
    candidate, lines = await request.app[VIDEOS].store.listed(me.scope, slug, code, me.as_of)
    return _video_page(request, me, candidate, lines)


def _video_page(request: web.Request, me: Me, candidate: Filmed, lines: Sequence[UploadLine]) -> web.Response:
    cloudinary = request.app[VIDEOS].cloudinary
    # What is issued and was never uploaded says nothing to a person once it is over.
    filmed = [
        (line, None if me.as_of else film_of(request.app[VIDEOS], line))
        for line in lines
        if line.state != VideoState.GONE or line.version
    ]
    delivered = {film.origin for _, film in filmed if film is not None}
    return show(
        request,
        me,
        "contests/video.html",
        pictures=delivered,
        # A file that was chosen is measured in the browser before it is sent.
        videos={"blob:", *delivered},
        calls=() if cloudinary is None else (origin_of(cloudinary.upload_url),),
        candidate=candidate,
        uploads=filmed,
        waiting=not me.as_of and any(line.state in (VideoState.ISSUED, VideoState.UPLOADED) for line in lines[:1]),
        possible=cloudinary is not None,
        bytes_max=BYTES_MAX,
        seconds_max=SECONDS_MAX,
    )


@form(Right.MODERATE)
async def act(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Do what a form of the page asks for: `approved`, `rejected`, `removed`, or ask Cloudinary again."""
    slug, code, public_id = request.match_info["slug"], request.match_info["code"], fields.get("public_id", "")
    asked, videos = fields.get("act", ""), request.app[VIDEOS]
    candidate = await videos.store.candidate(me.scope, slug, code)
    try:
        if asked == "ask":
            await videos.ask_now(candidate, public_id)
        elif asked in [*Decision]:
            await _decide(request, me, slug, code, public_id, Decision(asked), fields.get("reason", ""))
        else:
            return say(request, 400, "unreadable", me)
    except ActRefused as error:
        # The page shows what became of it meanwhile.
        if error.why is not Why.IMPOSSIBLE:
            raise
    return see_other(request.path)


def setup(app: web.Application) -> None:
    """Serve them. The application needs VIDEOS and mounted pages."""
    router = app.router
    router.add_post(SIGNATURE, sign)
    router.add_get(API, listed)
    router.add_patch(API, decide)
    router.add_get(PAGE, video_page)
    router.add_post(PAGE, act)
