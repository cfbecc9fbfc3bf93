"""Pages of people who propose themselves: the form of a contest, and the private link of a candidate."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler
from markupsafe import Markup

from channels.voting_service import VOTING_SERVICE
from channels.web.views import NO_REFERRER, message, no_candidate
from channels.web.vote_requests import FORM_TYPE, fresh_nonce, from_elsewhere
from gateway.contests.candidate_rules import LENGTH_MAX, REASON_LENGTH_MAX, Column
from gateway.contests.contest import Contest
from gateway.contests.corrections import Corrections, FieldRefused, Fixed, may_change, may_leave
from gateway.contests.nominations import Nominated, NominationRefused, Nominations, NominationsOver, Nominee
from gateway.contests.pictures.keep_photos import Photos
from gateway.contests.pictures.photos import shown
from gateway.contests.pictures.resizing import BYTES_MAX, PhotoRefused
from gateway.http.endpoint import read_body
from gateway.http.forms import parts_of, read_start
from gateway.http.limits import LIMITS
from gateway.http.pages import PAGES, render
from gateway.http.problems import Problem

NOMINATIONS: web.AppKey[Nominations] = web.AppKey("nominations", Nominations)
CORRECTIONS: web.AppKey[Corrections] = web.AppKey("corrections", Corrections)
OWN_PAGE: Final = "/nominations/{token}"
FIELDS_MAX: Final = 20
# A field that people do not see, and that programs fill in.
TRAP: Final = "website"
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_UPLOAD_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class OwnPart:
    """A part of the private page that another package brings. `pictures`, `videos`, `calls`: origins, see
    `gateway.http.pages`."""

    html: Markup
    pictures: Collection[str] = ()
    videos: Collection[str] = ()
    calls: Collection[str] = ()


MakeOwnPart = Callable[[web.Request, Nominated, str], Awaitable[OwnPart]]
"""Makes a part of the private page of a candidate, in a language."""
NOMINATION_PARTS: web.AppKey[list[MakeOwnPart]] = web.AppKey("nomination_parts", list)


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
        minor=fields.get("minor") == "1" or bool(fields.get("guardian", "").strip()),
        guardian=fields.get("guardian", ""),
        guardian_phone=fields.get("guardian_phone", ""),
        guardian_consent=fields.get("guardian_consent") == "1",
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


async def _private(
    request: web.Request,
    fault: str | None = None,
    status: int = 200,
    *,
    typed: Mapping[str, str] = MappingProxyType({}),
) -> web.Response:
    """The page, with what is wrong with a form of it. `typed`: what was refused, by field."""
    try:
        await request.app[LIMITS].receipt_check(request)
    except Problem as problem:
        return message(request, problem.status, "too_many", None, problem.headers)
    found = await request.app[NOMINATIONS].find(request.match_info["token"])
    if found is None:
        return message(request, 404, "no_nomination")
    contest, candidate, service = found.contest, found.candidate, request.app[VOTING_SERVICE]
    language = request.app[PAGES].language_of(request, contest.language)
    open_ = may_change(contest, candidate, service.now())
    asked = await request.app[CORRECTIONS].of(candidate)
    parts = [await made(request, found, language) for made in request.app[NOMINATION_PARTS]] if open_ else []
    photo = shown(candidate.photo, candidate.photo_url)
    wanted = None if asked is None else shown(asked.photo, None)
    ranking = service.ranking(contest.slug)
    response = render(
        request,
        "nomination.html",
        status=status,
        default_language=contest.language,
        pictures={one.origin for one in (photo, wanted) if one is not None}.union(*(part.pictures for part in parts)),
        videos=set[str]().union(*(part.videos for part in parts)),
        calls=set[str]().union(*(part.calls for part in parts)),
        contest=contest,
        candidate=candidate,
        votes=found.votes,
        place=ranking.by_code.get(candidate.code),
        hidden=ranking.hidden,
        photo=photo,
        asked=asked,
        wanted=wanted,
        presentation=typed.get("text") or (asked and asked.text) or candidate.text,
        name=typed.get("name") or (asked and asked.name) or candidate.name,
        why=typed.get("why") or (asked and asked.why) or "",
        why_wanted=candidate.eligible and contest.has_opened(service.now()),
        name_most=LENGTH_MAX[Column.NAME],
        why_most=REASON_LENGTH_MAX,
        parts=[part.html for part in parts],
        most=LENGTH_MAX[Column.TEXT],
        fault=fault,
        open=open_,
        may_leave=may_leave(contest, candidate, service.now()),
        suspended=contest.suspended and not open_,
        here=f"/nominations/{request.match_info['token']}",
    )
    response.headers["Referrer-Policy"] = NO_REFERRER
    response.headers["X-Robots-Tag"] = "noindex"
    return response


Act = Callable[[web.Request, Nominated], Awaitable[None]]


def own_form(read: Callable[[web.Request], Awaitable[Act]]) -> Handler:
    """A form of the private page, which is shown again once it is done. `read`: reads the form, before anything is
    looked up."""

    async def send(request: web.Request) -> web.StreamResponse:
        if from_elsewhere(request):
            return message(request, 403, "elsewhere")
        try:
            await request.app[LIMITS].nomination(request)
            act = await read(request)
        except Problem as problem:
            about = "too_many" if problem.status == 429 else "unreadable"
            return message(request, problem.status, about, None, problem.headers)
        except ValueError:
            return message(request, 400, "unreadable")
        found = await request.app[NOMINATIONS].find(request.match_info["token"])
        if found is None:
            return message(request, 404, "no_nomination")
        try:
            await act(request, found)
        except Fixed:
            return await _private(request, "decided", 409)
        except PhotoRefused as refused:
            return await _private(request, refused.fault.value, 422)
        except OSError:
            return await _private(request, "away", 503)
        except OwnRefused as refused:
            return await _private(request, refused.fault, 422, typed=refused.typed)
        raise web.HTTPSeeOther(f"/nominations/{request.match_info['token']}")

    return send


class OwnRefused(Exception):
    """A form of the private page that is not taken, and why: a phrase of `nomination_fault_own`. `typed`: by field."""

    def __init__(self, fault: str, **typed: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.typed = typed


async def _photo(request: web.Request) -> Act:
    data = await _read_file(request)

    async def act(request: web.Request, found: Nominated) -> None:
        await request.app[CORRECTIONS].set_photo(found.contest, found.candidate, data)

    return act


async def _name(request: web.Request) -> Act:
    fields = await own_fields(request)
    typed, why = fields.get("name", ""), fields.get("why", "")

    async def act(request: web.Request, found: Nominated) -> None:
        try:
            await request.app[CORRECTIONS].set_name(found.contest, found.candidate, typed, why)
        except FieldRefused as refused:
            raise OwnRefused(refused.fault.kind, name=typed, why=why) from None

    return act


async def _text(request: web.Request) -> Act:
    typed = (await own_fields(request)).get("text", "")

    async def act(request: web.Request, found: Nominated) -> None:
        try:
            await request.app[CORRECTIONS].set_text(found.contest, found.candidate, typed)
        except FieldRefused as refused:
            raise OwnRefused(f"text_{refused.fault.kind}", text=typed) from None

    return act


async def _leave(request: web.Request) -> Act:
    sure = (await own_fields(request)).get("sure") == "1"

    async def act(request: web.Request, found: Nominated) -> None:
        if not sure:
            raise OwnRefused("not_sure")
        await request.app[CORRECTIONS].leave(found.contest, found.candidate)

    return act


async def own_fields(request: web.Request) -> Mapping[str, str]:
    """The fields of a form of the private page. Problem 400, 408, 413, 415; ValueError for too many."""
    return _read(await read_body(request, FORM_TYPE))


async def _read_file(request: web.Request) -> bytes:
    """The file of a form, and one byte more of one that is too long. Problem 400, 408, 415."""
    try:
        async with asyncio.timeout(_UPLOAD_SECONDS):
            part = await anext(parts_of(request), None)
            if part is None:
                raise Problem(400, "Unreadable form")
            return await read_start(part, BYTES_MAX + 1)
    except TimeoutError:
        raise Problem(408, "Request timeout", "The file did not arrive in time.") from None


def setup(app: web.Application, nominations: Nominations, photos: Photos) -> None:
    """Serve them. The application needs VOTING_SERVICE, LIMITS and the voters' pages."""
    app[NOMINATIONS], app[NOMINATION_PARTS] = nominations, []
    app[CORRECTIONS] = Corrections(nominations, photos)
    app.router.add_get("/c/{slug}/nominate", form_page)
    app.router.add_post("/c/{slug}/nominate", nominate)
    app.router.add_get(OWN_PAGE, private_page)
    for name, read in (("name", _name), ("photo", _photo), ("text", _text), ("leave", _leave)):
        app.router.add_post(f"{OWN_PAGE}/{name}", own_form(read))
        app.router.add_get(f"{OWN_PAGE}/{name}", private_page)
