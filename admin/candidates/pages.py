"""Candidates by pages: list, form, changes of several, import from a file, and the queue of those who wait."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web

from admin.access.guard import (
    Form,
    Me,
    ServePage,
    flash,
    form,
    page,
    query_of,
    say,
    see_done,
    see_once,
    see_other,
    show,
)
from admin.candidates.api import CandidateListing, chosen, sayer
from admin.candidates.corrections import waiting as changes_asked_for
from admin.candidates.store import CANDIDATES, Edit, FieldsRefused, Preview, Standing
from admin.videos.pages import VIDEOS
from channels.voting_service import VOTING_SERVICE
from gateway.contests.candidate_import import Fault
from gateway.contests.candidate_rules import CATEGORY_LENGTH_MAX, REASON_LENGTH_MAX, Column, look_alike, tidy
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.contests.pictures.photos import shown
from gateway.http.callers import PUBLIC_URL
from gateway.http.pages import PAGES
from gateway.values.csv_text import csv_line
from gateway.values.numbers import whole_number
from gateway.values.tables import WINDOWS
from gateway.values.time_zones import local
from payments.requests import Right

PAGE: Final = "/admin/contests/{slug}/candidates"
QUEUE: Final = "/admin/contests/{slug}/moderation"
PAGE_LINES: Final = 100
QUEUE_LINES: Final = 50
_CODE: Final = "{code:[0-9]{2,6}}"
_FIELDS: Final = {
    "code": Column.CODE,
    "name": Column.NAME,
    "category": Column.CATEGORY,
    "text": Column.TEXT,
    "photo": Column.PHOTO,
}
# What may be done with several at once.
_ACTS: Final = {
    "approve": Edit(status=CandidateStatus.APPROVED),
    "withdraw": Edit(status=CandidateStatus.WITHDRAWN),
    "reject": Edit(status=CandidateStatus.REJECTED),
    "evict": Edit(status=CandidateStatus.EVICTED),
}


def _address(request: web.Request, more: str = "") -> str:
    return PAGE.format(slug=request.match_info["slug"]) + more


async def _standing(request: web.Request, me: Me) -> Standing:
    return await request.app[CANDIDATES].standing(request.match_info["slug"], me.scope, me.as_of)


@page(Right.READ_CONTESTS)
async def list_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The candidates of a contest, those that a search finds. 404."""
    return await _list(request, me)


async def _list(
    request: web.Request, me: Me, *, faults: Mapping[str, str] | None = None, typed: Form | None = None
) -> web.Response:
    standing, query = await _standing(request, me), query_of(request)
    status = query.get("status", "")
    listing = CandidateListing(
        status=CandidateStatus(status) if status in set(CandidateStatus) else None,
        category=query.get("category", "")[:CATEGORY_LENGTH_MAX] or None,
        q=query.get("q", "")[:100] or None,
    )
    found = chosen(standing, listing)
    pages = max(1, -(-len(found) // PAGE_LINES))
    current = min(pages, max(1, whole_number(query.get("page", "")) or 1))
    closing = standing.contest.nominations_close_at
    asked = {name: value for name, value in query.items() if name in ("status", "category", "q") and value}
    return show(
        request,
        me,
        "contests/candidates.html",
        status=422 if faults else 200,
        contest=standing.contest,
        phase=standing.contest.phase_at(request.app[VOTING_SERVICE].now()),
        votes=standing.votes,
        people=found[(current - 1) * PAGE_LINES : current * PAGE_LINES],
        found=len(found),
        waiting=_waiting(standing)
        + len(await changes_asked_for(request, me, standing.contest))
        + len(await request.app[VIDEOS].store.waiting(me.scope, standing.contest.slug)),
        listing=listing,
        public_url=request.app.get(PUBLIC_URL, ""),
        statuses=list(CandidateStatus),
        current=current,
        pages=pages,
        further=lambda page: "?" + urlencode({**asked, "page": page}),
        faults=faults or {},
        typed=typed,
        until="" if closing is None else f"{local(closing, standing.contest.time_zone):%Y-%m-%dT%H:%M}",
    )


def _waiting(standing: Standing) -> int:
    return sum(person.status is CandidateStatus.SUBMITTED for person in standing.contest.candidates)


@page(Right.MODERATE)
async def new_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The form for a new candidate. 404."""
    return await _form_page(request, me, None, {})


@form(Right.MODERATE, lines=True)
async def add(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Add a candidate, or show the form with what is wrong."""
    typed = {column: fields.get(name, "") for name, column in _FIELDS.items()}
    try:
        made = await request.app[CANDIDATES].add(request.match_info["slug"], me.scope, typed, me.email)
    except FieldsRefused as error:
        return await _form_page(request, me, None, fields, error)
    return see_done(request, me, _address(request, f"/{made.code}"), "candidate_added", name=made.name, code=made.code)


@page(Right.READ_CONTESTS)
async def candidate_page(request: web.Request, me: Me) -> web.StreamResponse:
    """A candidate: fields, state and history. 404."""
    standing = await _standing(request, me)
    return await _form_page(request, me, standing.named(request.match_info["code"]), {})


@form(Right.MODERATE, lines=True)
async def edit(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Change the fields of a candidate, or show the form with what is wrong."""
    wanted = Edit(fields.get("name", ""), fields.get("category", ""), fields.get("text", ""), fields.get("photo", ""))
    standing, code = await _standing(request, me), request.match_info["code"]
    held, why = standing.named(code), " ".join(fields.get("why", "").split())[:REASON_LENGTH_MAX]
    if (
        not why
        and tidy(Column.NAME, wanted.name or "") not in ("", held.name)
        and _why_wanted(request, standing.contest, held)
    ):
        refused = FieldsRefused([Fault(1, "why", "why_missing")])
        return await _form_page(request, me, held, fields, refused)
    return await _edited(request, me, replace(wanted, reason=why), fields)


def _why_wanted(request: web.Request, contest: Contest, held: Candidate) -> bool:
    """Whether everybody reads why this candidate comes to another name."""
    return held.public and contest.has_opened(request.app[VOTING_SERVICE].now())


@form(Right.MODERATE)
async def decide(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Approve, reject, withdraw, evict or reinstate a candidate."""
    act = _ACTS.get(fields.get("act", ""))
    if act is None:
        return say(request, 422, "unreadable", me)
    return await _edited(request, me, replace(act, reason=_reason(fields)), fields)


@form(Right.MODERATE)
async def new_link(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Make a new private link, and show it once."""
    slug, code = request.match_info["slug"], request.match_info["code"]
    address = await request.app[CANDIDATES].new_link(slug, code, me.scope, me.email)
    return see_once(request, me, _address(request, f"/{code}"), link=request.app.get(PUBLIC_URL, "") + address)


def _reason(fields: Form) -> str:
    return " ".join(fields.get("reason", "").split())[:REASON_LENGTH_MAX]


async def _edited(request: web.Request, me: Me, wanted: Edit, fields: Form) -> web.StreamResponse:
    slug, code = request.match_info["slug"], request.match_info["code"]
    try:
        edited = await request.app[CANDIDATES].edit(slug, code, me.scope, wanted, me.email)
    except FieldsRefused as error:
        standing = await _standing(request, me)
        return await _form_page(request, me, standing.named(code), fields, error)
    address = QUEUE.format(slug=slug) if fields.get("back") == "queue" else _address(request, f"/{edited.code}")
    act = fields.get("act", "")
    return see_done(request, me, address, act if act in _ACTS else "saved", name=edited.name, code=edited.code)


async def _form_page(
    request: web.Request,
    me: Me,
    candidate: Candidate | None,
    typed: Form,
    refused: FieldsRefused | None = None,
) -> web.Response:
    standing, say_fault = await _standing(request, me), sayer(request)
    faults = {} if refused is None else {fault.column: say_fault(fault) for fault in refused.faults}
    past, standings, contact, guardian = [], [], None, None
    if candidate is not None and Right.MODERATE in me.rights:
        contact = await request.app[CANDIDATES].contact(standing.contest.slug, candidate.code, me.scope)
        guardian = (await request.app[CANDIDATES].guardians(standing.contest, me.scope)).get(candidate.id)
    if candidate is not None:
        past = await request.app[CANDIDATES].history(standing.contest.slug, candidate.code, me.scope, me.as_of)
        standings = await request.app[CANDIDATES].changes_of_state(
            standing.contest.slug, candidate.code, me.scope, me.as_of
        )
    values = {
        "code": "" if candidate is None else candidate.code,
        "name": "" if candidate is None else candidate.name,
        "category": "" if candidate is None else candidate.category,
        "text": "" if candidate is None else candidate.text,
        "photo": "" if candidate is None else candidate.photo_url or "",
    }
    photo = None if candidate is None else shown(candidate.photo, candidate.photo_url)
    others = [] if candidate is None else [one for one in standing.contest.candidates if one.id != candidate.id]
    return show(
        request,
        me,
        "contests/candidate.html",
        status=200 if refused is None else 422,
        pictures=() if photo is None else (photo.origin,),
        photo=photo,
        contest=standing.contest,
        candidate=candidate,
        votes=0 if candidate is None else standing.votes[candidate.code],
        typed={name: typed.get(name, value) for name, value in values.items()} | {"why": typed.get("why", "")},
        why_wanted=candidate is not None and _why_wanted(request, standing.contest, candidate),
        faults=faults,
        reason=typed.get("reason", ""),
        past=past,
        standings=standings,
        contact=contact,
        guardian=guardian,
        link=flash(request, me).get("link"),
        alike=None if candidate is None else look_alike(candidate.name, others),
        may_edit=me.may(Right.MODERATE),
    )


@form(Right.MODERATE, lines=True)
async def change_many(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """What would change of those who were chosen; once that was seen, change it."""
    slug, codes = request.match_info["slug"], fields.get("code", "").split()
    act = Edit(category=fields.get("category", "")) if fields.get("act") == "category" else None
    act = act or _ACTS.get(fields.get("act", ""))
    if not codes or act is None:
        return say(request, 422, "nobody_chosen", me)
    wanted, sure = replace(act, reason=_reason(fields)), fields.get("sure") == "1"
    changes, fault = [], None
    try:
        changes = [*await request.app[CANDIDATES].edit_many(slug, codes, me.scope, wanted, me.email, dry_run=not sure)]
    except FieldsRefused as error:
        fault = sayer(request)(error.faults[0])
    if sure and fault is None:
        return see_done(request, me, _address(request), "saved")
    standing = await _standing(request, me)
    return show(
        request,
        me,
        "contests/candidates_change.html",
        status=200 if fault is None else 422,
        contest=standing.contest,
        people=[standing.named(code) for code in dict.fromkeys(codes)],
        act=fields["act"],
        category=fields.get("category", ""),
        reason=wanted.reason,
        changes=changes,
        fault=fault,
    )


@form(Right.EDIT_CONTEST, lines=True)
async def settle(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Set the categories, and whether people may propose themselves."""
    slug, categories = request.match_info["slug"], fields.get("categories", "").split("\n")
    zone = (await _standing(request, me)).contest.time_zone
    try:
        until = _instant(fields.get("until", ""), zone)
        await request.app[CANDIDATES].settle(
            slug, me.scope, categories, me.email, nominations=fields.get("nominations") == "1", until=until
        )
    except FieldsRefused as error:
        fault = error.faults[0]
        faults = {"until" if fault.column == "until" else "categories": sayer(request)(fault)}
        return await _list(request, me, faults=faults, typed=fields)
    return see_done(request, me, _address(request), "saved")


def _instant(typed: str, zone: str) -> datetime | None:
    """An instant as the clocks of a zone show it; None for an empty field. Raises FieldsRefused."""
    if not typed:
        return None
    try:
        read = datetime.fromisoformat(typed)
    except ValueError:
        raise FieldsRefused([Fault(1, "until", "instant")]) from None
    return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


@page(Right.MODERATE)
async def import_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The form that takes a file. 404."""
    return await _import_page(request, me)


@form(Right.MODERATE, file=True)
async def preview(request: web.Request, me: Me, fields: Form, _: str, data: bytes) -> web.StreamResponse:
    """What a file would do, with every fault by line. Nothing is written."""
    encoding = WINDOWS if fields.get("encoding") == WINDOWS else None
    slug = request.match_info["slug"]
    shown = await request.app[CANDIDATES].preview_file(slug, me.scope, data, encoding, me.email, keep=True)
    return await _import_page(request, me, shown)


@form(Right.MODERATE)
async def apply(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Write what a preview showed."""
    slug = request.match_info["slug"]
    done = await request.app[CANDIDATES].apply_preview(slug, me.scope, fields.get("word", ""), me.email)
    if done is None:
        return await _import_page(request, me, stale=True)
    return await _import_page(request, me, done=done)


async def _import_page(
    request: web.Request, me: Me, shown: Preview | None = None, done: Preview | None = None, *, stale: bool = False
) -> web.Response:
    standing, say_fault = await _standing(request, me), sayer(request)
    return show(
        request,
        me,
        "contests/candidates_import.html",
        status=409 if stale else 422 if shown is not None and not shown.read.lines else 200,
        contest=standing.contest,
        waiting=_waiting(standing),
        shown=shown,
        done=done,
        stale=stale,
        faults=[] if shown is None else [(fault, say_fault(fault)) for fault in shown.read.faults],
    )


@page(Right.MODERATE)
async def model_file(request: web.Request, me: Me) -> web.StreamResponse:
    """A file to fill in, with the names of the columns and an example. 404."""
    await _standing(request, me)
    pages = request.app[PAGES]
    language = pages.language_of(request)

    def row(kind: str) -> list[str]:
        return [pages.say(language, f"admin_candidate_file.{kind}_{column}") for column in ("name", "category", "text")]

    headers = {
        hdrs.CONTENT_TYPE: "text/csv; charset=utf-8",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{pages.say(language, "admin_candidate_file.file")}"',
        hdrs.CACHE_CONTROL: "no-store",
    }
    # The mark by which spreadsheets know UTF-8.
    return web.Response(text="\ufeff" + csv_line(row("head")) + csv_line(row("example")), headers=headers)


def _alike(contest: Contest, person: Candidate, name: str) -> Candidate | None:
    """Another candidate whose name looks like this one's."""
    return look_alike(name, [other for other in contest.candidates if other.id != person.id])


@page(Right.MODERATE)
async def queue_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Those who wait for a decision, with whom their names look alike. 404."""
    standing = await _standing(request, me)
    contest = standing.contest
    waiting = [person for person in contest.candidates if person.status is CandidateStatus.SUBMITTED]
    lines = [
        (
            person,
            _alike(contest, person, person.name),
            shown(person.photo, person.photo_url),
        )
        for person in waiting[:QUEUE_LINES]
    ]
    asked = [
        (
            person,
            correction,
            shown(person.photo, person.photo_url),
            shown(correction.photo, None),
            None if correction.name is None else _alike(contest, person, correction.name),
        )
        for person, correction in (await changes_asked_for(request, me, contest))[:QUEUE_LINES]
    ]
    photos = [photo for _, _, photo in lines] + [photo for _, _, *both, _ in asked for photo in both]
    return show(
        request,
        me,
        "contests/moderation.html",
        pictures={photo.origin for photo in photos if photo is not None},
        contest=contest,
        lines=lines,
        waiting=len(waiting),
        guardians=await request.app[CANDIDATES].guardians(contest, me.scope),
        asked=asked,
        filmed=await request.app[VIDEOS].store.waiting(me.scope, contest.slug),
    )


def _back_to(address: str) -> ServePage:
    """Where a form leads whose sender had to sign in again."""

    async def back(request: web.Request, _: Me) -> web.StreamResponse:
        """The page on which the form stands."""
        return see_other(address.format(**request.match_info))

    return back


def setup(app: web.Application) -> None:
    """Serve them. The application needs CANDIDATES and mounted pages."""
    router = app.router
    router.add_get(PAGE, list_page)
    router.add_get(f"{PAGE}/new", new_page)
    router.add_post(f"{PAGE}/new", add)
    router.add_get(f"{PAGE}/import", import_page)
    router.add_post(f"{PAGE}/import", preview)
    router.add_get(f"{PAGE}/model.csv", model_file)
    router.add_get(f"{PAGE}/{_CODE}", candidate_page)
    router.add_post(f"{PAGE}/{_CODE}", edit)
    router.add_get(QUEUE, queue_page)
    for address, serve, back, right in (
        (f"{PAGE}/import/apply", apply, f"{PAGE}/import", Right.MODERATE),
        (f"{PAGE}/change", change_many, PAGE, Right.MODERATE),
        (f"{PAGE}/settings", settle, PAGE, Right.EDIT_CONTEST),
        (f"{PAGE}/{_CODE}/link", new_link, f"{PAGE}/{{code}}", Right.MODERATE),
        (f"{PAGE}/{_CODE}/decide", decide, f"{PAGE}/{{code}}", Right.MODERATE),
    ):
        router.add_post(address, serve)
        router.add_get(address, page(right)(_back_to(back)))
