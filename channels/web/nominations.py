"""Pages of people who propose themselves: the form of a contest, and the private link of a candidate."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from channels.voting_service import VOTING_SERVICE
from channels.web.views import NO_REFERRER, message, no_candidate
from channels.web.vote_requests import FORM_TYPE, fresh_nonce, from_elsewhere
from gateway.contests.candidate_rules import LENGTH_MAX, Column
from gateway.contests.contest import CandidateStatus, Contest
from gateway.contests.keep_photos import Photos, UnknownCandidate
from gateway.contests.nominations import (
    ACTOR,
    NominationRefused,
    Nominations,
    NominationsOver,
    Nominee,
)
from gateway.contests.photos import shown
from gateway.contests.resizing import BYTES_MAX, PhotoRefused
from gateway.http.endpoint import read_body
from gateway.http.limits import LIMITS
from gateway.http.pages import PAGES, render
from gateway.http.problems import Problem

NOMINATIONS: web.AppKey[Nominations] = web.AppKey("nominations", Nominations)
NOMINEES_PHOTOS: web.AppKey[Photos] = web.AppKey("nominees_photos", Photos)
FIELDS_MAX: Final = 20
# A field that people do not see, and that programs fill in.
TRAP: Final = "website"
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_UPLOAD_SECONDS: Final = 60.0


async def form_page(request: web.Request) -> web.Response:
    """The form of a contest that takes nominations. 404."""
    contest = _contest(request)
    return _over(request, contest) or _form(request, contest, Nominee("", ""))


def _contest(request: web.Request) -> Contest | None:
    return request.app[VOTING_SERVICE].contest(request.match_info["slug"])


def _over(request: web.Request, contest: Contest | None) -> web.Response | None:
    """The page for a contest that takes no nominations now; None for one that does."""
    if contest is None:
        return no_candidate(request)
    if contest.nominated_at(request.app[VOTING_SERVICE].now()):
        return None
    return message(request, 404, "no_nominations", contest)


def _form(
    request: web.Request,
    contest: Contest | None,
    typed: Nominee,
    *,
    nonce: str = "",
    refused: NominationRefused | None = None,
) -> web.Response:
    pages = request.app[PAGES]
    language = pages.language_of(request, "fr" if contest is None else contest.language)
    say = partial(pages.say, language)
    faults = () if refused is None else refused.faults
    alike = None if refused is None else refused.alike
    reached = refused is not None and refused.reached
    return render(
        request,
        "nominate.html",
        status=200 if refused is None else 409 if alike is not None or reached else 422,
        default_language=language,
        contest=contest,
        typed=typed,
        nonce=nonce or fresh_nonce(),
        faults={fault.column: say(f"nomination_fault.{fault.kind}", about=fault.about) for fault in faults},
        alike=alike,
        reached=reached,
        most=LENGTH_MAX,
        name_column=Column.NAME,
        text_column=Column.TEXT,
    )


async def nominate(request: web.Request) -> web.Response:
    """Take a nomination: 303 to its private link, or the form again with what is wrong."""
    contest = _contest(request)
    if (over := _over(request, contest)) is not None or contest is None:
        return over or no_candidate(request)
    if from_elsewhere(request):
        return message(request, 403, "elsewhere", contest)
    try:
        await request.app[LIMITS].nomination(request)
        fields = _read(await read_body(request, FORM_TYPE))
    except Problem as fault:
        return message(
            request, fault.status, "too_many" if fault.status == 429 else "unreadable", contest, fault.headers
        )
    except ValueError:
        return message(request, 400, "unreadable", contest)
    nonce = fields.get("nonce", "")
    if fields.get(TRAP) or _NONCE.fullmatch(nonce) is None:
        return message(request, 422, "unreadable", contest)
    typed = Nominee(
        name=fields.get("name", ""),
        contact=fields.get("contact", ""),
        category=fields.get("category", ""),
        text=fields.get("text", ""),
        consent=fields.get("consent") == "1",
        sure=fields.get("sure") == "1",
    )
    language = request.app[PAGES].language_of(request, contest.language)
    try:
        token = await request.app[NOMINATIONS].nominate(contest.slug, typed, nonce, language)
    except NominationRefused as refused:
        return _form(request, contest, replace(typed, sure=False), nonce=nonce, refused=refused)
    except NominationsOver:
        return message(request, 409, "nominations_full", contest)
    raise web.HTTPSeeOther(f"/nominations/{token}")


def _read(body: bytes) -> Mapping[str, str]:
    """The fields; ValueError for too many."""
    sent = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    return {name: value[:10_000] for name, value in sent}


async def private_page(request: web.Request) -> web.Response:
    """How a candidate stands, by their private link. 404."""
    return await _private(request)


async def _private(request: web.Request, fault: str | None = None, status: int = 200) -> web.Response:
    try:
        await request.app[LIMITS].receipt_check(request)
    except Problem as problem:
        return message(request, problem.status, "too_many", None, problem.headers)
    found = await request.app[NOMINATIONS].find(request.match_info["token"])
    if found is None:
        return message(request, 404, "no_nomination")
    candidate = found.candidate
    photo = shown(candidate.photo, candidate.photo_url)
    response = render(
        request,
        "nomination.html",
        status=status,
        default_language=found.contest.language,
        pictures=() if photo is None else (photo.origin,),
        contest=found.contest,
        candidate=candidate,
        votes=found.votes,
        photo=photo,
        fault=fault,
        waits=candidate.status is CandidateStatus.SUBMITTED,
        here=request.path.removesuffix("/photo"),
    )
    response.headers["Referrer-Policy"] = NO_REFERRER
    response.headers["X-Robots-Tag"] = "noindex"
    return response


async def set_photo(request: web.Request) -> web.Response:
    """Make the file that was sent the photo of a candidate who still waits: one that comes later is not examined."""
    if from_elsewhere(request):
        return message(request, 403, "elsewhere")
    try:
        await request.app[LIMITS].nomination(request)
        data = await _read_file(request)
    except Problem as problem:
        about = "too_many" if problem.status == 429 else "unreadable"
        return message(request, problem.status, about, None, problem.headers)
    found = await request.app[NOMINATIONS].find(request.match_info["token"])
    if found is None:
        return message(request, 404, "no_nomination")
    if found.candidate.status is not CandidateStatus.SUBMITTED:
        return await _private(request, "decided", 409)
    try:
        await request.app[NOMINEES_PHOTOS].keep(None, found.contest.slug, found.candidate.code, data, ACTOR)
    except PhotoRefused as refused:
        return await _private(request, refused.fault.value, 422)
    except UnknownCandidate:
        return message(request, 404, "no_nomination")
    raise web.HTTPSeeOther(request.path.removesuffix("/photo"))


async def _read_file(request: web.Request) -> bytes:
    """The file of a form, and one byte more of one that is too long. Problem 400, 408, 415."""
    if request.content_type != "multipart/form-data":
        raise Problem(415, "Unsupported media type", "Send multipart/form-data.")
    held = bytearray()
    try:
        async with asyncio.timeout(_UPLOAD_SECONDS):
            part = await (await request.multipart()).next()
            if not isinstance(part, BodyPartReader):
                raise Problem(400, "Unreadable form")
            while len(held) <= BYTES_MAX and (piece := await part.read_chunk()):
                held += piece
    except ValueError:
        raise Problem(400, "Unreadable form") from None
    except TimeoutError:
        raise Problem(408, "Request timeout", "The file did not arrive in time.") from None
    return bytes(held)


def setup(app: web.Application, nominations: Nominations, photos: Photos) -> None:
    """Serve them. The application needs VOTING_SERVICE, LIMITS and the voters' pages."""
    app[NOMINATIONS], app[NOMINEES_PHOTOS] = nominations, photos
    app.router.add_get("/c/{slug}/nominate", form_page)
    app.router.add_post("/c/{slug}/nominate", nominate)
    app.router.add_get("/nominations/{token}", private_page)
    app.router.add_post("/nominations/{token}/photo", set_photo)
    app.router.add_get("/nominations/{token}/photo", private_page)
