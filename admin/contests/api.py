"""Contests by the API: the document of `contest export`, and the steps from a draft to the archive."""

import re
from datetime import datetime
from typing import Final

from aiohttp import hdrs, web
from pydantic import Field

from admin.access.guard import Me
from admin.answers import model_of, staff_endpoint
from admin.contests.checking import checked, hindrances
from admin.contests.store import STAFF_CONTESTS, ChangedMeanwhile
from gateway.contests.contest import Contest
from gateway.contests.document import Document
from gateway.contests.steps import Step
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.http.problems import Problem
from payments.requests import Right

API: Final = "/api/admin/contests"
DOCUMENT_BYTES_MAX: Final = 4 * 1024 * 1024
_ETAG: Final = re.compile(r'(?:W/)?"(\d{1,9})"')


class ContestPath(InputModel):
    """The contest that is meant."""

    slug: Line = Field(max_length=100)


class StaffContest(ApiModel):
    """A contest in the list. `phase`: draft, coming, open, closed or archived."""

    slug: str
    name: str
    organiser: str
    phase: str
    opens_at: datetime
    closes_at: datetime
    time_zone: str
    candidates: int = Field(description="How many can be voted for.")
    waiting: int = Field(description="How many wait to be looked at.")


class StaffContestList(ApiModel):
    """Contests, the one that opens last first."""

    contests: list[StaffContest]


class ContestSaved(ApiModel):
    """A contest after a change."""

    slug: str
    state: str
    version: int
    opens_at: datetime
    closes_at: datetime


class LintFinding(ApiModel):
    """One fault. `level`: an `error` keeps the contest from being published, a `warning` asks for a look."""

    level: str
    about: str
    text: str


class Lint(ApiModel):
    """What is wrong with a contest."""

    findings: list[LintFinding]


class Discarded(ApiModel):
    """There is no such draft any more."""

    discarded: bool = True


@staff_endpoint(Right.READ_CONTESTS, returns={200: StaffContestList})
async def contests(request: web.Request, me: Me) -> Reply:
    """List contests, drafts too."""
    lines = await request.app[STAFF_CONTESTS].listed(me.scope)
    return Reply(200, StaffContestList(contests=[model_of(StaffContest, line) for line in lines]))


@staff_endpoint(
    Right.EDIT_CONTEST,
    body=Document,
    returns={201: ContestSaved},
    problems=(404, 409),
    bytes_max=DOCUMENT_BYTES_MAX,
)
async def create(request: web.Request, me: Me, *, body: Document) -> Reply:
    """Make a contest.

    It is a draft, which only staff see, until it is published. The document is that of `contest export`.
    """
    contest = await request.app[STAFF_CONTESTS].create(body, me.scope, me.email)
    return _reply(contest, 201)


@staff_endpoint(Right.READ_CONTESTS, path=ContestPath, returns={200: Document}, problems=(404,))
async def read(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Read a contest as a document.

    The ETag is its version: send it back as `If-Match` with a change.
    """
    held = await request.app[STAFF_CONTESTS].held(path.slug, me.scope)
    return Reply(200, held.document, {hdrs.ETAG: _etag(held.contest)})


@staff_endpoint(
    Right.EDIT_CONTEST,
    path=ContestPath,
    body=Document,
    headers={"If-Match": "The ETag of the document that was read: 412 when somebody saved another one meanwhile."},
    returns={200: ContestSaved},
    problems=(404, 409, 412),
    bytes_max=DOCUMENT_BYTES_MAX,
)
async def save(request: web.Request, me: Me, *, path: ContestPath, body: Document) -> Reply:
    """Change a contest.

    It becomes what the document says. Codes of candidates are never changed, and no candidate is deleted.
    """
    try:
        contest = await request.app[STAFF_CONTESTS].save(path.slug, body, me.scope, me.email, _if_match(request))
    except ChangedMeanwhile as error:
        raise Problem(412, "Changed meanwhile", str(error), kind="/problems/changed_meanwhile") from None
    return _reply(contest)


@staff_endpoint(Right.READ_CONTESTS, path=ContestPath, returns={200: Lint}, problems=(404,))
async def lint(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Tell what is wrong with a contest."""
    held = await request.app[STAFF_CONTESTS].held(path.slug, me.scope)
    return Reply(200, Lint(findings=[model_of(LintFinding, one) for one in await checked(request, held.contest)]))


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, returns={200: ContestSaved}, problems=(404, 409))
async def publish(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Publish a draft.

    It is open between its times. 409 with `errors` while there is a fault that keeps it from selling votes.
    """
    held = await request.app[STAFF_CONTESTS].held(path.slug, me.scope)
    if faults := await hindrances(request, held.contest):
        errors = [{"loc": [one.about], "msg": one.text} for one in faults]
        kind = "/problems/contest_has_faults"
        raise Problem(409, "The contest has faults", faults[0].text, kind=kind, errors=errors)
    return _reply(await request.app[STAFF_CONTESTS].step(path.slug, Step.PUBLISH, me.scope, me.email))


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, returns={200: ContestSaved}, problems=(404, 409))
async def close(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Close a contest that has opened now, between two rounds too.

    Votes that were ordered before still count when they are paid in time.
    """
    return _reply(await request.app[STAFF_CONTESTS].step(path.slug, Step.CLOSE, me.scope, me.email))


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, returns={200: ContestSaved}, problems=(404, 409))
async def archive(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Take a contest that is closed, or has not opened, off the lists.

    Its page, its result and its receipts stay.
    """
    return _reply(await request.app[STAFF_CONTESTS].step(path.slug, Step.ARCHIVE, me.scope, me.email))


def _reply(contest: Contest, status: int = 200) -> Reply:
    return Reply(status, model_of(ContestSaved, contest), {hdrs.ETAG: _etag(contest)})


def _etag(contest: Contest) -> str:
    return f'"{contest.version}"'


def _if_match(request: web.Request) -> int | None:
    """The version that must still be there; None: any. Problem 412 for what is no version of ours."""
    given = request.headers.get(hdrs.IF_MATCH, "*").strip()
    if given == "*":
        return None
    read = _ETAG.fullmatch(given)
    if read is None:
        raise Problem(412, "Changed meanwhile", "Send If-Match as GET gave it.", kind="/problems/changed_meanwhile")
    return int(read[1])


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, returns={200: Discarded}, problems=(404, 409))
async def discard(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """Discard a draft with all that only it has.

    What was published stays: whoever voted can check it.
    """
    await request.app[STAFF_CONTESTS].discard(path.slug, me.scope, me.email)
    return Reply(200, Discarded())


def setup(app: web.Application) -> None:
    """Serve them. The application needs STAFF_CONTESTS and VOTING_SERVICE."""
    router = app.router
    router.add_get(API, contests)
    router.add_post(API, create)
    router.add_get(f"{API}/{{slug}}", read)
    router.add_put(f"{API}/{{slug}}", save)
    router.add_delete(f"{API}/{{slug}}", discard)
    router.add_get(f"{API}/{{slug}}/lint", lint)
    for name, step in (("publish", publish), ("close", close), ("archive", archive)):
        router.add_post(f"{API}/{{slug}}/{name}", step)
