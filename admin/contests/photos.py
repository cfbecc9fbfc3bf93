"""Photos of candidates, by page and by API: one at a time, or many whose files are named by code, like `07.jpg`."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Form, Me, api_call, form, page, say, see_done, show
from admin.answers import SIGNED_IN, TAG, staff_endpoint, unknown
from gateway.contests.contest import Picture
from gateway.contests.pictures.keep_photos import Photos, UnknownCandidate
from gateway.contests.pictures.photo_store import Portrayed
from gateway.contests.pictures.photos import Photo, shown
from gateway.contests.pictures.resizing import BYTES_MAX, PhotoFault, PhotoRefused
from gateway.http.endpoint import FILE, ApiModel, InputModel, Line, Reply, answer, described
from gateway.http.problems import Problem
from payments.requests import Right

FILES_MAX: Final = 100
_BODY_SECONDS: Final = 120.0
_CODE: Final = r"{code:[0-9]{2,6}}"
API: Final = f"/api/admin/contests/{{slug}}/candidates/{_CODE}/photo"
PAGE: Final = f"/admin/contests/{{slug}}/candidates/{_CODE}/photo"
MANY: Final = "/admin/contests/{slug}/photos"
# `07.jpg`, `07 Awa.png`, `7890-2.webp`: the code is what the name begins with.
_NAMED: Final = re.compile(r"([0-9]{2,6})(?![0-9])")
PHOTOS: web.AppKey[Photos] = web.AppKey("photos", Photos)


class CandidatePath(InputModel):
    """The candidate that is meant."""

    slug: Line = Field(max_length=100, description="The contest's slug.")
    code: Line = Field(max_length=6, description="The candidate's code.")


class Square(ApiModel):
    """One size of a photo."""

    side: int = Field(description="Pixels.")
    address: str = Field(description="Of a WebP file that never changes.")


class KeptPhoto(ApiModel):
    """A candidate's photo as it is kept."""

    code: str
    squares: list[Square]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. `fault`: a phrase's name, None where it was taken; `candidate`: whose photo it is."""

    file: str
    candidate: Portrayed | None
    fault: str | None = None


@described(
    path=CandidatePath,
    returns={200: KeptPhoto},
    problems=(*SIGNED_IN, 404, 408, 413, 422),
    tag=TAG,
    sends=dict.fromkeys(("image/jpeg", "image/png", "image/webp"), FILE),
)
@api_call(Right.MODERATE)
async def put_photo(request: web.Request, me: Me) -> web.Response:
    """Set a candidate's photo.

    The body is the file: JPEG, PNG or WebP by its content, at most 5 MiB and 25 megapixels. It is written anew in three
    square sizes; nothing of what the file says beside its pixels is kept.
    """
    slug, code = request.match_info["slug"], request.match_info["code"]
    data = await read_picture(request)
    try:
        photo = await request.app[PHOTOS].keep(me.scope, slug, code, data, me.email)
    except UnknownCandidate:
        raise unknown("candidate", code) from None
    except PhotoRefused as error:
        raise picture_refused(error.fault) from None
    except OSError:
        raise pictures_away() from None
    return answer(Reply(200, _kept(code, photo)))


async def read_picture(request: web.Request) -> bytes:
    """The whole body. Problem 408, 413."""
    held = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in request.content.iter_any():
                held += piece
                if len(held) > BYTES_MAX:
                    raise picture_refused(PhotoFault.TOO_LARGE)
    except TimeoutError:
        raise Problem(408, "Request timeout", "The file did not arrive in time.") from None
    return bytes(held)


def picture_refused(fault: PhotoFault, least: str = "a photo has at least 96 pixels each way") -> Problem:
    """The answer to a file that is not taken. `least`: how large one of this kind must be."""
    status = 413 if fault is PhotoFault.TOO_LARGE else 422
    why = least if fault is PhotoFault.TOO_SMALL else _WHY[fault]
    return Problem(status, "Photo refused", why, kind=f"/problems/photo_{fault.value}")


_WHY: Final = {
    PhotoFault.TOO_LARGE: "a photo has at most 5 MiB",
    PhotoFault.NO_PHOTO: "the file is neither JPEG nor PNG nor WebP",
    PhotoFault.MOVING: "a photo is one picture, and this file has several",
    PhotoFault.TOO_MANY_PIXELS: "a photo has at most 25 megapixels",
    PhotoFault.BROKEN: "the file is damaged or cut off",
}


def pictures_away() -> Problem:
    """The answer while the store of pictures does not answer."""
    return Problem(503, "Service busy", "Photos cannot be kept now.", headers={hdrs.RETRY_AFTER: "10"})


def _kept(code: str, photo: Picture) -> KeptPhoto:
    squares = [Square(side=side, address=f"{photo.address}-{side}.webp") for side in photo.sides]
    return KeptPhoto(code=code, squares=squares)


class NoPhoto(ApiModel):
    """The candidate has no uploaded photo."""

    code: str


@staff_endpoint(Right.MODERATE, path=CandidatePath, returns={200: NoPhoto}, problems=(404,))
async def delete_photo(request: web.Request, me: Me, *, path: CandidatePath) -> Reply:
    """Remove a candidate's photo.

    An address elsewhere that the contest's document names is shown again.
    """
    try:
        await request.app[PHOTOS].remove(me.scope, path.slug, path.code, me.email)
    except UnknownCandidate:
        raise unknown("candidate", path.code) from None
    return Reply(200, NoPhoto(code=path.code))


@page(Right.MODERATE)
async def photo_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The photo of a candidate, and the form that sets another one. 404."""
    return await _photo_page(request, me)


async def _photo_page(request: web.Request, me: Me, outcome: Outcome | None = None) -> web.Response:
    slug, code = request.match_info["slug"], request.match_info["code"]
    try:
        candidate = await request.app[PHOTOS].candidate(me.scope, slug, code)
    except UnknownCandidate:
        return say(request, 404, "no_candidate", me)
    photo = shown(candidate.photo, candidate.photo_url)
    people = await request.app[PHOTOS].portrayed(me.scope, slug)
    bare = [one for one in people if shown(one.photo, one.photo_url) is None and one.code != code]
    return show(
        request,
        me,
        "contests/photo.html",
        status=200 if outcome is None else 422,
        pictures=() if photo is None else (photo.origin,),
        slug=slug,
        candidate=candidate,
        following=next((one for one in bare if one.code > code), bare[0] if bare else None),
        photo=photo,
        outcomes=[] if outcome is None else [outcome],
    )


@form(Right.MODERATE, files=BYTES_MAX)
async def set_by_page(
    request: web.Request, me: Me, _: Form, files: AsyncIterator[tuple[str, bytes]]
) -> web.StreamResponse:
    """Make the file that was sent the candidate's photo."""
    slug, code = request.match_info["slug"], request.match_info["code"]
    async for name, data in files:
        outcome = await _take(request.app[PHOTOS], me, slug, code, name, data)
        if outcome.fault == "unknown_code":
            return say(request, 404, "no_candidate", me)
        if outcome.fault is not None:
            return await _photo_page(request, me, outcome)
        return see_done(request, me, request.path, "photo", name=outcome.candidate.name if outcome.candidate else "")
    return await _photo_page(request, me, Outcome("", None, "no_file"))


@form(Right.MODERATE)
async def remove_by_page(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """The candidate has no uploaded photo any more."""
    try:
        await request.app[PHOTOS].remove(me.scope, request.match_info["slug"], request.match_info["code"], me.email)
    except UnknownCandidate:
        return say(request, 404, "no_candidate", me)
    return see_done(request, me, request.path.removesuffix("/remove"), "photo_removed")


@page(Right.MODERATE)
async def photos_page(request: web.Request, me: Me) -> web.StreamResponse:
    """All candidates of a contest with their photos, and the form that sets many at once. 404."""
    return await _photos_page(request, me, [])


@form(Right.MODERATE, files=BYTES_MAX)
async def set_many(
    request: web.Request, me: Me, _: Form, files: AsyncIterator[tuple[str, bytes]]
) -> web.StreamResponse:
    """Make each file the photo of the candidate by whose code it is named; what became of each."""
    slug, outcomes = request.match_info["slug"], list[Outcome]()
    async for name, data in files:
        named = _NAMED.match(name)
        if len(outcomes) == FILES_MAX:
            outcomes.append(Outcome(name, None, "too_many_files"))
            break
        if named is None:
            outcomes.append(Outcome(name, None, "no_code"))
        else:
            outcomes.append(await _take(request.app[PHOTOS], me, slug, named[1], name, data))
    return await _photos_page(request, me, outcomes or [Outcome("", None, "no_file")])


async def _photos_page(request: web.Request, me: Me, outcomes: list[Outcome]) -> web.Response:
    slug = request.match_info["slug"]
    people = await request.app[PHOTOS].portrayed(me.scope, slug)
    if not people:
        return say(request, 404, "no_candidate", me)
    lines: list[tuple[Portrayed, Photo | None]] = [(one, shown(one.photo, None)) for one in people]
    return show(
        request,
        me,
        "contests/photos.html",
        status=422 if outcomes and all(one.fault for one in outcomes) else 200,
        pictures={photo.origin for _, photo in lines if photo is not None},
        slug=slug,
        lines=lines,
        outcomes=outcomes,
    )


async def _take(photos: Photos, me: Me, slug: str, code: str, name: str, data: bytes) -> Outcome:
    """What became of a file."""
    try:
        candidate = await photos.candidate(me.scope, slug, code)
    except UnknownCandidate:
        return Outcome(name, None, "unknown_code")
    if not data:
        return Outcome(name, candidate, "no_file")
    try:
        await photos.keep(me.scope, slug, code, data, me.email)
    except PhotoRefused as error:
        return Outcome(name, candidate, error.fault.value)
    except OSError:
        return Outcome(name, candidate, "away")
    return Outcome(name, candidate)


def setup(app: web.Application) -> None:
    """Serve them. The application needs PHOTOS and mounted pages."""
    router = app.router
    router.add_put(API, put_photo)
    router.add_delete(API, delete_photo)
    router.add_get(PAGE, photo_page)
    router.add_post(PAGE, set_by_page)
    router.add_post(f"{PAGE}/remove", remove_by_page)
    # Where a form leads whose sender had to sign in again.
    router.add_get(f"{PAGE}/remove", photo_page)
    router.add_get(MANY, photos_page)
    router.add_post(MANY, set_many)
