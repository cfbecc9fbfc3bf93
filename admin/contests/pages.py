"""Contests by page: the list, a new one, its form, what is wrong with it, and its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from aiohttp import web

from admin.access.guard import FORM_FIELD, Form, Me, form, page, query_of, say, see_done, show
from admin.contests import preview as previews
from admin.contests import starts
from admin.contests.checking import as_published, checked, hindrances
from admin.contests.form import Fault, fields_of, free_keyword, free_slugs, read_fields
from admin.contests.store import STAFF_CONTESTS, ChangedMeanwhile, Fixed, Held, Taken
from admin.figures.evening import evening
from channels.buying import wallet_name
from channels.lint import Finding, Level
from channels.phrases import language_name, languages, languages_for
from channels.ussd.menu.session import SEPTETS_MAX
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest, ContestState, Phase
from gateway.contests.document import ContestPart, Document, OrganiserPart, contest_of
from gateway.contests.pictures.photos import shown
from gateway.contests.steps import Step
from gateway.http.callers import PUBLIC_URL
from gateway.http.pages import PAGES
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import CURRENCY_OF
from gateway.values.names import is_readable
from gateway.values.numbers import whole_number
from gateway.values.time_zones import zones
from payments.requests import ActRefused, Right, Why

PAGE: Final = "/admin/contests"
NAME_MAX: Final = 80
# The part of the form in which a finding is mended; the candidates have a page of their own.
FIELD_OF: Final[Mapping[str, str]] = {
    "times": "opens_at",
    "prices": "packs",
    "sms": "keyword",
    "ussd": "service_code",
    "numbers": "short_code",
    "language": "language",
    "rules": "rules_fr",
    "contact": "contact",
}
_IN_CANDIDATES: Final = frozenset({"candidates", "codes"})
_NAMES: Final[Mapping[str, str]] = {"name_cut": "name", "name_too_long": "name"}


@page(Right.READ_CONTESTS)
async def listed(request: web.Request, me: Me) -> web.StreamResponse:
    """Every contest, and what each waits for."""
    lines = await request.app[STAFF_CONTESTS].listed(me.scope)
    return show(request, me, "contests/contests.html", lines=lines)


@page(Right.EDIT_CONTEST)
async def new(request: web.Request, me: Me) -> web.StreamResponse:
    """What a new contest begins with."""
    return await _new(request, me, {})


async def _new(request: web.Request, me: Me, typed: Form, wrong: str = "", status: int = 200) -> web.Response:
    store = request.app[STAFF_CONTESTS]
    return show(
        request,
        me,
        "contests/contest_new.html",
        status=status,
        typed={name: typed.get(name, "") for name in ("name", "begin", "like", "country", "organiser")},
        wrong=wrong,
        starts=[*starts.starts()],
        lines=await store.listed(me.scope),
        organisers=await store.organisers(me.scope),
        countries=[*CURRENCY_OF],
        name_max=NAME_MAX,
    )


@form(Right.EDIT_CONTEST)
async def create(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Make a draft of a template or of another contest, then show what comes next."""
    store, service = request.app[STAFF_CONTESTS], request.app[VOTING_SERVICE]
    name = " ".join(fields.get("name", "").split())
    if not is_readable(name) or len(name) > NAME_MAX:
        return await _new(request, me, fields, "name", 422)
    begin, source, like = fields.get("begin", ""), fields.get("like", ""), None
    if begin == "copy" and source:
        held = await store.held(source, me.scope)
        document = starts.from_contest(held.document, name=name, now=service.now())
        like = held.contest.id
    else:
        known = {slug: owner for slug, owner in await store.organisers(me.scope)}
        owner, country = fields.get("organiser") or next(iter(known), ""), fields.get("country", "")
        if begin not in starts.starts() or country not in CURRENCY_OF or owner not in known:
            return await _new(request, me, fields, "begin", 422)
        document = starts.from_template(
            begin,
            name=name,
            country=country,
            language=request.app[PAGES].language_of(request),
            organiser=OrganiserPart(slug=owner, name=known[owner]),
            now=service.now(),
        )
    slug = (await _created(request, me, document, like)).slug
    return see_done(request, me, f"{PAGE}/{slug}", "drafted")


async def _created(request: web.Request, me: Me, document: Document, like: UUID | None) -> Contest:
    """The draft, at the first address of its name that is free. It has no short code before somebody types one: voters
    of the contests that have it would have to write a keyword from then on."""
    part = document.contest
    for slug in free_slugs(part.name):
        wanted = document.model_copy(update={"contest": part.model_copy(update={"slug": slug})})
        try:
            return await request.app[STAFF_CONTESTS].create(wanted, me.scope, me.email, like)
        except Taken:
            continue
    raise ActRefused(Why.IMPOSSIBLE, "thirty contests have this name: choose another one")


def _keyword(request: web.Request, name: str, short_code: str, tried: set[str]) -> str:
    return free_keyword(name, request.app[VOTING_SERVICE].contests_by_short_code(short_code), tried)


@page(Right.READ_CONTESTS)
async def overview(request: web.Request, me: Me) -> web.StreamResponse:
    """A contest: where it stands, and what can be done next."""
    held = await _held(request, me)
    return await _overview(request, me, held)


async def _overview(request: web.Request, me: Me, held: Held) -> web.Response:
    found = await checked(request, held.contest)
    errors = [finding for finding in found if finding.level is Level.ERROR]
    has_opened = held.contest.opens_at < request.app[VOTING_SERVICE].now()
    sold = has_opened and held.contest.state is not ContestState.DRAFT and me.may(Right.READ_ORDERS)
    return _show(
        request,
        me,
        "contests/contest.html",
        held,
        errors=len(errors),
        warnings=len(found) - len(errors),
        has_opened=has_opened,
        pictured=sum(1 for one in held.contest.eligible if shown(one.photo, one.photo_url) is not None),
        public_url=request.app.get(PUBLIC_URL, ""),
        evening=await evening(request, me, [held.contest]) if sold else None,
        contests=[held.contest],
        waits=None,
    )


@page(Right.EDIT_CONTEST)
async def edit(request: web.Request, me: Me) -> web.StreamResponse:
    """The form of a contest."""
    held = await _held(request, me)
    return _form(request, me, held, fields_of(held.document.contest, _written_in(held.contest)))


@form(Right.EDIT_CONTEST)
async def save(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Save the form, or show it again with what is wrong in it; nothing that was typed is lost."""
    held = await _held(request, me)
    part, faults = read_fields(fields, held.document.contest, languages())
    if faults:
        return _form(request, me, held, fields, faults=faults, status=422)
    document = held.document.model_copy(update={"contest": part, "candidates": []})
    try:
        await request.app[STAFF_CONTESTS].save(
            held.contest.slug,
            document,
            me.scope,
            me.email,
            whole_number(fields.get("version", "")) or -1,
        )
    except Taken as taken:
        free = _keyword(request, part.name, part.short_code, {part.keyword})
        faults = [Fault(taken.what, f"{taken.what}_taken", {"free": free})]
        return _form(request, me, held, fields, faults=faults, status=409)
    except Fixed as fixed:
        name = "jury_percent" if fixed.rule == "formula" else fixed.rule
        return _form(request, me, held, fields, faults=[Fault(name, "counted")], status=409)
    except ChangedMeanwhile:
        now = await _held(request, me)
        return _form(request, me, now, fields, conflict=True, status=409)
    return see_done(request, me, f"{PAGE}/{held.contest.slug}", "saved")


def _form(
    request: web.Request,
    me: Me,
    held: Held,
    typed: Form,
    *,
    faults: Sequence[Fault] = (),
    conflict: bool = False,
    status: int = 200,
) -> web.Response:
    written = _written_in(held.contest)
    saved = fields_of(held.document.contest, written)
    shown = {**saved, **typed}
    if "has_check_digits" in typed:
        shown["check_digits"] = typed.get("check_digits", "")
    differing = {name: saved[name] for name in saved if conflict and shown[name] != saved[name]}
    return _show(
        request,
        me,
        "contests/contest_edit.html",
        held,
        status=status,
        typed=shown,
        faults={fault.name: fault for fault in faults},
        conflict=conflict,
        differing=differing,
        written=written,
        spoken={code: language_name(code) for code in languages()},
        zones=[(zone, zone) for zone in _zones(held.document.contest)],
        countries=sorted({*CURRENCY_OF, held.contest.country}),
    )


def _zones(part: ContestPart) -> list[str]:
    """Those of the contest's country, then the other ones of Africa."""
    near = zones().get(part.country, ())
    every = sorted({zone for names in zones().values() for zone in names if zone.startswith("Africa/")} - set(near))
    return [*dict.fromkeys((*near, part.time_zone, *every))]


def _written_in(contest: Contest) -> tuple[str, ...]:
    """The languages in which rules are written: those that its voters may choose, and any in which there are some."""
    return tuple(dict.fromkeys((*languages_for(contest), *contest.rules)))


@page(Right.READ_CONTESTS)
async def lint(request: web.Request, me: Me) -> web.StreamResponse:
    """What is wrong with a contest, in plain words."""
    held = await _held(request, me)
    return _lint(request, me, held, await checked(request, held.contest))


def _lint(
    request: web.Request, me: Me, held: Held, found: Sequence[Finding], *, refused: bool = False, status: int = 200
) -> web.Response:
    errors = [finding for finding in found if finding.level is Level.ERROR]
    return _show(
        request,
        me,
        "contests/contest_lint.html",
        held,
        status=status,
        groups=[("errors", errors), ("warnings", [finding for finding in found if finding not in errors])],
        refused=refused,
        mended=_mended,
        words=partial(_words, request, held.contest.time_zone),
    )


def _words(request: web.Request, zone: str, finding: Finding) -> dict[str, object]:
    """What a finding's sentence is filled with, in the reader's language."""
    pages = request.app[PAGES]
    language = pages.language_of(request)
    filled: dict[str, object] = {}
    for name, value in finding.values.items():
        if isinstance(value, PaymentMethod):
            filled[name] = wallet_name(language, value)
        elif isinstance(value, datetime):
            filled[name] = pages.moment(value, zone, language=language)
        else:
            filled[name] = pages.say(language, f"admin_speech.{value}") if name == "speech" else value
    return filled


def _mended(slug: str, finding: Finding) -> str:
    """Where a finding is mended; empty where only we can."""
    field = _NAMES.get(finding.kind) or FIELD_OF.get(finding.about)
    if finding.about in _IN_CANDIDATES or finding.kind in ("name_unreadable", "names_alike"):
        return f"{PAGE}/{slug}/candidates"
    if finding.kind in ("no_account", "no_wallet", "wrong_currency", "phrases_to_review") or field is None:
        return ""
    return f"{PAGE}/{slug}/edit#{field}"


@page(Right.READ_CONTESTS)
async def preview(request: web.Request, me: Me) -> web.StreamResponse:
    """The screens of a vote on a handset; what is typed leads on."""
    held = await _held(request, me)
    asked = query_of(request)
    typed = [text[: previews.INPUT_MAX] for text in asked.get("typed", "").split("*") if text]
    if further := asked.get("further", "").strip().removesuffix("#"):
        typed.extend(text[: previews.INPUT_MAX] for text in further.split("*") if text)
    return _preview(request, me, held, held.contest, typed[: previews.INPUTS_MAX] or None, asked.get("speech", ""))


@form(Right.EDIT_CONTEST)
async def preview_unsaved(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """The same of what stands in the form, which is not saved."""
    held = await _held(request, me)
    part, faults = read_fields(fields, held.document.contest, languages())
    if faults:
        return _form(request, me, held, fields, faults=faults, status=422)
    shown = contest_of(part, held.contest.organiser_id, held.contest.state)
    contest = replace(shown, candidates=held.contest.candidates, _by_code={})
    return _preview(request, me, held, contest, None, fields.get("language", ""), unsaved=fields)


def _preview(
    request: web.Request,
    me: Me,
    held: Held,
    contest: Contest,
    typed: Sequence[str] | None,
    speech: str,
    unsaved: Form | None = None,
) -> web.Response:
    service = request.app[VOTING_SERVICE]
    now = service.now()
    others = [other for other in service.contests() if other.id != contest.id and other.closes_at > now]
    voted = previews.with_people(as_published(contest, others, now))
    language = speech if speech in languages_for(contest) else languages_for(contest)[0]
    inputs = previews.whole_vote(voted) if typed is None else typed
    return _show(
        request,
        me,
        "contests/contest_preview.html",
        held,
        screens=previews.screens(voted, language, inputs, service.rails, now),
        receipt=previews.receipt(voted, language, request.app.get(PUBLIC_URL, "")),
        speech=language,
        spoken={code: language_name(code) for code in languages_for(contest)},
        dialled=voted.dial_code,
        unsaved={name: value for name, value in (unsaved or {}).items() if name != FORM_FIELD},
        invented=not contest.eligible,
        most=SEPTETS_MAX,
    )


@form(Right.EDIT_CONTEST)
async def publish(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Publish a draft in which nothing is wrong."""
    held = await _held(request, me)
    if held.contest.phase_at(request.app[VOTING_SERVICE].now()) is Phase.DRAFT and await hindrances(
        request, held.contest
    ):
        return _lint(request, me, held, await checked(request, held.contest), refused=True, status=409)
    return await _stepped(request, me, Step.PUBLISH)


@form(Right.EDIT_CONTEST)
async def close(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Close an open contest now, once its name was typed."""
    held = await _held(request, me)
    if not _is_named(held.contest, fields):
        return say(request, 422, "name_wanted", me)
    return await _stepped(request, me, Step.CLOSE)


@form(Right.EDIT_CONTEST)
async def archive(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """Take a contest that is closed, or has not opened, off the lists."""
    return await _stepped(request, me, Step.ARCHIVE)


@form(Right.EDIT_CONTEST)
async def discard(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Discard a draft, once its name was typed."""
    held = await _held(request, me)
    if not _is_named(held.contest, fields):
        return say(request, 422, "name_wanted", me)
    await request.app[STAFF_CONTESTS].discard(held.contest.slug, me.scope, me.email)
    return see_done(request, me, PAGE, "discarded")


def _is_named(contest: Contest, fields: Form) -> bool:
    return " ".join(fields.get("name", "").split()).casefold() == contest.name.casefold()


async def _stepped(request: web.Request, me: Me, step: Step) -> web.Response:
    slug = request.match_info["slug"]
    await request.app[STAFF_CONTESTS].step(slug, step, me.scope, me.email)
    return see_done(request, me, f"{PAGE}/{slug}", step.value)


async def _held(request: web.Request, me: Me) -> Held:
    return await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)


def _show(
    request: web.Request, me: Me, template: str, held: Held, *, status: int = 200, **values: object
) -> web.Response:
    contest = held.contest
    return show(
        request,
        me,
        template,
        status=status,
        contest=contest,
        organiser=held.organiser[1],
        phase=contest.phase_at(request.app[VOTING_SERVICE].now()),
        **values,
    )


def setup(app: web.Application) -> None:
    """Serve them. The application needs STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    router = app.router
    router.add_get(PAGE, listed)
    router.add_get(f"{PAGE}/new", new)
    router.add_post(f"{PAGE}/new", create)
    router.add_get(f"{PAGE}/{{slug}}", overview)
    router.add_get(f"{PAGE}/{{slug}}/edit", edit)
    router.add_post(f"{PAGE}/{{slug}}/edit", save)
    router.add_get(f"{PAGE}/{{slug}}/lint", lint)
    router.add_get(f"{PAGE}/{{slug}}/preview", preview)
    router.add_post(f"{PAGE}/{{slug}}/preview", preview_unsaved)
    for name, step in (("publish", publish), ("close", close), ("archive", archive), ("discard", discard)):
        router.add_post(f"{PAGE}/{{slug}}/{name}", step)
        # Where a form leads whose sender had to sign in again.
        router.add_get(f"{PAGE}/{{slug}}/{name}", overview)
