"""Votes that look suspicious, the limits of the rules and who is listed, by page and by API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.access.moment import read_instant
from admin.answers import as_utc, staff_endpoint
from admin.approvals.api import Request, ask
from admin.approvals.pages import REQUESTS
from admin.approvals.staff_acts import APPROVALS
from admin.contests.api import API as CONTESTS_API
from admin.contests.api import ContestPath
from admin.contests.pages import PAGE as CONTESTS_PAGE
from admin.contests.store import STAFF_CONTESTS
from admin.fraud.store import ENTRY_DAYS_MAX, FRAUD, WINDOW, Entry, Limits, LimitsView, Replayed, Review
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.values.numbers import whole_number
from payments.disbursement.refunds.held import BLOCK_DAYS_MAX, REFUSE, RELEASE
from payments.requests import Act, ActRefused, Right, Why, subject_id

PAGE: Final = f"{CONTESTS_PAGE}/{{slug}}/fraud"
API: Final = f"{CONTESTS_API}/{{slug}}/fraud"
# Of a held vote that a person chose in the form, and of one that was listed in it: each with its reference.
_CHOSEN: Final = "held_"
_LISTED: Final = "listed_"


class NewLimits(InputModel):
    """The limits of a contest from now on."""

    limits: Limits
    reason: Line = Field(max_length=500)


class Trial(Limits):
    """Limits to try on a past hour; those of every contest where none is given."""

    since: Annotated[AwareDatetime, AfterValidator(as_utc)] | None = Field(
        None, description="When the hour began; without it, the last whole hour."
    )


class NewEntry(InputModel):
    """Whom to list."""

    list: Literal["deny", "allow", "own"] = Field(description="`own`: of somebody who works for the contest.")
    subject: Line = Field(max_length=60, description="A number, or an internet address; of `own` a number.")
    days: int = Field(ge=1, le=ENTRY_DAYS_MAX)
    reason: Line = Field(max_length=500)


class NamedEntry(InputModel):
    """The entry that is meant."""

    entry: UUID


class Entries(ApiModel):
    """Who is listed, those for longest first."""

    entries: list[Entry]


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: Review}, problems=(404,))
async def review(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """List votes about which fraud rules spoke.

    Held ones are decided about together by the act `decide_held`, with `step` (`release` or `refuse`), `payments`
    (their references, with commas between) and `block_days`, for which the payers of refused ones are kept out.
    """
    return Reply(200, await request.app[FRAUD].review(path.slug, me.scope))


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: LimitsView}, problems=(404,))
async def limits(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Show the limits of the fraud rules."""
    return Reply(200, await request.app[FRAUD].limits(path.slug, me.scope))


@staff_endpoint(
    Right.HANDLE_HELD,
    proof=True,
    path=ContestPath,
    body=NewLimits,
    returns={200: LimitsView, 201: Request},
    problems=(404, 409),
)
async def set_limits(request: web.Request, me: Me, *, path: ContestPath, body: NewLimits) -> Reply:
    """Set the limits of the fraud rules of a contest.

    Each change is a version; it holds for what is ordered and counted from then on. Of a contest whose votes count it
    becomes a request, and nothing changes before a second person agrees.
    """
    if (await request.app[FRAUD].limits(path.slug, me.scope)).by_two:
        return await ask(request, me, Act.FRAUD_LIMITS, path.slug, body.reason, body.limits.model_dump())
    await request.app[FRAUD].set_limits(path.slug, body.limits, me.scope, me.email, body.reason)
    return Reply(200, await request.app[FRAUD].limits(path.slug, me.scope))


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, query=Trial, returns={200: Replayed}, problems=(404, 409))
async def what_if(request: web.Request, me: Me, *, path: ContestPath, query: Trial) -> Reply:
    """Try limits on a past hour.

    The paid orders of that hour are judged again; nothing is changed.
    """
    (found,) = await request.app[FRAUD].what_if(path.slug, query.since or _last_hour(), me.scope, query)
    return Reply(200, found)


@staff_endpoint(Right.READ_ORDERS, path=ContestPath, returns={200: Entries}, problems=(404,))
async def entries(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """List numbers, devices and addresses that are kept out or let in."""
    return Reply(200, Entries(entries=await request.app[FRAUD].entries(path.slug, me.scope)))


@staff_endpoint(
    Right.HANDLE_HELD, proof=True, path=ContestPath, body=NewEntry, returns={201: Entries}, problems=(404, 409)
)
async def add_entry(request: web.Request, me: Me, *, path: ContestPath, body: NewEntry) -> Reply:
    """Keep a number or an address out, or always let it in."""
    fraud = request.app[FRAUD]
    await fraud.add(path.slug, body.list, body.subject, body.days, me.scope, me.email, body.reason)
    return Reply(201, Entries(entries=await fraud.entries(path.slug, me.scope)))


@staff_endpoint(
    Right.HANDLE_HELD, proof=True, path=ContestPath, body=NamedEntry, returns={200: Entries}, problems=(404, 409)
)
async def lift_entry(request: web.Request, me: Me, *, path: ContestPath, body: NamedEntry) -> Reply:
    """End an entry before its time."""
    await request.app[FRAUD].lift(path.slug, body.entry, me.scope, me.email)
    return Reply(200, Entries(entries=await request.app[FRAUD].entries(path.slug, me.scope)))


@page(Right.READ_ORDERS)
async def review_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Held votes with what the rules saw, to be chosen from, and flagged ones. 404."""
    slug = request.match_info["slug"]
    found = await request.app[FRAUD].review(slug, me.scope)
    return await _show(request, me, "fraud/review.html", review=found, days_max=BLOCK_DAYS_MAX)


@form(Right.HANDLE_HELD, proof=True)
async def decide(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Ask that the chosen votes, or all that were listed, count or go back; another person agrees."""
    these = _LISTED if "all" in fields else _CHOSEN
    payments = [name.removeprefix(these) for name in fields if name.startswith(these)]
    params: dict[str, Any] = {"step": fields.get("step", ""), "payments": " ".join(payments)}
    if params["step"] == REFUSE and (days := _number(fields, "block_days")):
        params["block_days"] = days
    reason = fields.get("reason", "")
    made = await request.app[APPROVALS].ask(Act.DECIDE_HELD, request.match_info["slug"], params, reason, me.email)
    return see_other(f"{REQUESTS}/{made}")


@page(Right.READ_ORDERS)
async def limits_page(request: web.Request, me: Me) -> web.StreamResponse:
    """The limits, what they would have found in a past hour, and every change of them. 404."""
    slug, fraud = request.match_info["slug"], request.app[FRAUD]
    view = await fraud.limits(slug, me.scope)
    tried, wrong, replayed, today = view.limits, "", None, None
    since = _last_hour()
    if "since" in request.query:
        try:
            tried = _limits(request.query)
            since = read_instant(request.query["since"], me.zone) or since
            replayed, today = await fraud.what_if(slug, since, me.scope, tried, view.limits)
        except (ValueError, OverflowError):
            wrong = "unreadable"
    return await _show(
        request,
        me,
        "fraud/limits.html",
        status=422 if wrong else 200,
        view=view,
        tried=tried,
        since=since,
        until=since + WINDOW,
        replayed=replayed,
        today=today,
        wrong=wrong,
        bounds=_BOUNDS,
    )


@form(Right.HANDLE_HELD, proof=True)
async def save_limits(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Set the limits, as a new version, or ask for them where votes count by them."""
    slug = await _known(request, me)
    try:
        wanted = _limits(fields)
    except ValueError:
        raise ActRefused(Why.IMPOSSIBLE, "each limit is a whole number within its bounds") from None
    reason = fields.get("reason", "")
    if (await request.app[FRAUD].limits(slug, me.scope)).by_two:
        made = await request.app[APPROVALS].ask(Act.FRAUD_LIMITS, slug, wanted.model_dump(), reason, me.email)
        return see_other(f"{REQUESTS}/{made}")
    await request.app[FRAUD].set_limits(slug, wanted, me.scope, me.email, reason)
    return see_other(f"{PAGE.format(slug=slug)}/limits")


@page(Right.READ_ORDERS)
async def entries_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Who is kept out or let in, until when, by whom and why. 404."""
    found = await request.app[FRAUD].entries(request.match_info["slug"], me.scope)
    return await _show(request, me, "fraud/entries.html", entries=found, days_max=ENTRY_DAYS_MAX)


@form(Right.HANDLE_HELD, proof=True)
async def change_entries(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Add an entry, or lift one."""
    slug, fraud = await _known(request, me), request.app[FRAUD]
    if "lift" in fields:
        await fraud.lift(slug, subject_id(fields["lift"], "entry"), me.scope, me.email)
    else:
        to = fields.get("list", "")
        days, reason = _number(fields, "days"), fields.get("reason", "")
        await fraud.add(slug, to, fields.get("subject", "")[:60], days, me.scope, me.email, reason)
    return see_other(f"{PAGE.format(slug=slug)}/entries")


# Name, least and most of each limit, in the order of the form.
_BOUNDS: Final = [
    (name, *(next(getattr(one, bound) for one in field.metadata if hasattr(one, bound)) for bound in ("ge", "le")))
    for name, field in Limits.model_fields.items()
]


def _limits(fields: Any) -> Limits:  # noqa: ANN401 - a form's fields or an address's
    """Raises ValueError."""
    try:
        return Limits.model_validate({name: fields.get(name, "").strip() for name in Limits.model_fields})
    except ValidationError as error:
        raise ValueError(str(error)) from None


def _last_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


async def _known(request: web.Request, me: Me) -> str:
    """The contest that an address names, before anything that was sent is read. Raises ActRefused."""
    return (await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)).contest.slug


def _number(fields: Form, name: str) -> int:
    """A whole number; 0 for none. Raises ActRefused."""
    typed = fields.get(name, "").strip()
    if not typed:
        return 0
    if (number := whole_number(typed, 5)) is None:
        raise ActRefused(Why.IMPOSSIBLE, f"{typed!r} is no number of days")
    return number


async def _show(request: web.Request, me: Me, template: str, *, status: int = 200, **values: object) -> web.Response:
    contest = (await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)).contest
    phase = contest.phase_at(request.app[VOTING_SERVICE].now())
    steps = (RELEASE, REFUSE)
    return show(request, me, template, status=status, contest=contest, phase=phase, steps=steps, **values)


def setup(app: web.Application) -> None:
    """Serve them. The application needs APPROVALS, FRAUD, STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    router = app.router
    router.add_get(API, review)
    router.add_get(f"{API}/limits", limits)
    router.add_put(f"{API}/limits", set_limits)
    router.add_get(f"{API}/what-if", what_if)
    router.add_get(f"{API}/entries", entries)
    router.add_post(f"{API}/entries", add_entry)
    router.add_post(f"{API}/entries/lift", lift_entry)
    router.add_get(PAGE, review_page)
    router.add_post(PAGE, decide)
    router.add_get(f"{PAGE}/limits", limits_page)
    router.add_post(f"{PAGE}/limits", save_limits)
    router.add_get(f"{PAGE}/entries", entries_page)
    router.add_post(f"{PAGE}/entries", change_entries)
