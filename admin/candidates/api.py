"""Candidates by the API: list, add, edit, import, and their history."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, Field

from admin.access.guard import Me
from admin.answers import AsOf, model_of, staff_endpoint
from admin.candidates.store import CANDIDATES, Edit, FieldsRefused, Preview, Standing
from gateway.contests.candidate_import import CSV_BYTES_MAX, XLSX_BYTES_MAX, Fault
from gateway.contests.candidate_rules import REASON_LENGTH_MAX, Column
from gateway.contests.contest import Candidate, CandidateStatus
from gateway.http.endpoint import FILE, ApiModel, InputModel, Line, Reply, read_body
from gateway.http.pages import PAGES
from gateway.http.problems import Problem
from gateway.values.names import same_name
from payments.requests import Right

API: Final = "/api/admin/contests/{slug}/candidates"
CSV_TYPE: Final = "text/csv"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_UPLOAD_SECONDS: Final = 60.0
_ENCODINGS: Final = frozenset({"utf-8", "cp1252", "windows-1252", "iso-8859-1", "latin-1", "utf-16"})


def _storable(typed: str) -> str:
    if "\0" in typed:
        raise ValueError("no text may hold the character NUL")
    return typed


Typed = Annotated[str, AfterValidator(_storable)]


class ContestPath(InputModel):
    """The contest that is meant."""

    slug: Line = Field(max_length=100)


class CandidatePath(ContestPath):
    """The candidate that is meant."""

    code: Line = Field(max_length=20)


class CandidateListing(AsOf):
    """Which candidates."""

    status: CandidateStatus | None = Field(None, description="Only those in this state.")
    category: Line | None = Field(None, max_length=100, description="Only those of this category.")
    q: Line | None = Field(None, max_length=100, description="Only those with this in their name or code.")


class StaffCandidate(ApiModel):
    """A candidate as staff see them."""

    id: UUID
    code: str = Field(description="Begins with 00 while it is the number of a nomination that has no code yet.")
    name: str
    status: CandidateStatus
    category: str
    text: str
    reason: str = Field(description="Why they were rejected, withdrawn or evicted.")
    evicted_at: datetime | None
    photo_url: str | None
    votes: int


class StaffCandidates(ApiModel):
    """Candidates of a contest, by code."""

    contest: str
    categories: list[str]
    nominations: bool = Field(description="Whether people may propose themselves.")
    nominations_close_at: datetime | None = Field(description="Until when; null: until the contest closes.")
    candidates: list[StaffCandidate]


class NewCandidate(InputModel):
    """A new candidate. Without a code, the next free one."""

    name: Typed = Field(max_length=1_000)
    code: Typed = Field("", max_length=20)
    category: Typed = Field("", max_length=1_000)
    text: Typed = Field("", max_length=10_000)
    photo_url: Typed = Field("", max_length=4_000)


class CandidateEdit(InputModel):
    """What changes; what is not named stays as it is."""

    status: CandidateStatus | None = Field(
        None,
        description="`approved`, `rejected` with a reason, `withdrawn`, or `evicted` with a reason. `approved` with a"
        " reason reinstates who was evicted.",
    )
    reason: Line = Field("", max_length=REASON_LENGTH_MAX)
    name: Typed | None = Field(None, max_length=1_000)
    category: Typed | None = Field(None, max_length=1_000)
    text: Typed | None = Field(None, max_length=10_000)
    photo_url: Typed | None = Field(None, max_length=4_000)


class ManyEdits(InputModel):
    """What changes of several candidates, all or none."""

    codes: list[Line] = Field(min_length=1, max_length=5_000)
    status: CandidateStatus | None = None
    category: Typed | None = Field(None, max_length=1_000)
    reason: Line = Field("", max_length=REASON_LENGTH_MAX)


class DryRun(InputModel):
    """Whether anything is written."""

    dry_run: bool = Field(False, description="Only tell what would change.")


class CandidateChange(ApiModel):
    """One thing that changes; `before` null: it is new."""

    what: str
    before: str | None
    after: str


class CandidateChanges(ApiModel):
    """What changed, or would change."""

    changes: list[CandidateChange]


class ImportFault(ApiModel):
    """What is wrong with a line of a file. `line`: from 1; `column`: as the file names it."""

    line: int
    column: str
    problem: str


class ImportResult(ApiModel):
    """What a file did or would do. `rows`: lines of candidates in it."""

    rows: int
    faults: list[ImportFault]
    added: int
    changed: int
    submitted: int = Field(description="New ones whose name looks like another's: a person decides about them.")
    ignored: list[str] = Field(description="Columns that we do not know.")


class PastEvent(ApiModel):
    """One thing that happened to a candidate."""

    at: datetime
    actor: str
    act: str
    reason: str
    what: str
    before: str | None
    after: str


class StandingChange(ApiModel):
    """A candidate came to another state; `before` null: they were added in it."""

    at: datetime
    by: str
    before: CandidateStatus | None
    after: CandidateStatus
    reason: str


class CandidateHistory(ApiModel):
    """What happened to a candidate, the latest first. `standing`: the states they were in."""

    events: list[PastEvent]
    standing: list[StandingChange]


class PrivateLink(ApiModel):
    """The private link of a candidate, shown once."""

    address: str = Field(description="Behind our public address.")


class Settled(InputModel):
    """In which categories candidates stand, and whether people may propose themselves."""

    categories: list[Typed] = Field(max_length=200)
    nominations: bool
    nominations_close_at: AwareDatetime | None = Field(None, description="Null: until the contest closes.")


Say = Callable[[Fault], str]


def sayer(request: web.Request) -> Say:
    """Says faults in the caller's language."""
    pages = request.app[PAGES]
    say = partial(pages.say, pages.language_of(request))
    return lambda fault: say(f"admin_candidate_fault.{fault.kind}", about=fault.about)


def chosen(standing: Standing, query: CandidateListing) -> list[Candidate]:
    """The candidates that a list is asked for."""
    words = same_name(query.q or "").split()
    return [
        person
        for person in standing.contest.candidates
        if query.status in (None, person.status)
        and query.category in (None, person.category)
        and (person.code == query.q or all(word in same_name(person.name) for word in words))
    ]


def _line(person: Candidate, votes: int) -> StaffCandidate:
    names = (name for name in StaffCandidate.model_fields if name != "votes")
    return StaffCandidate(**{name: getattr(person, name) for name in names}, votes=votes)


def _refused(request: web.Request, error: FieldsRefused) -> Problem:
    say = sayer(request)
    errors = [{"loc": ["body", fault.column], "msg": say(fault)} for fault in error.faults]
    status = 409 if any(fault.kind.startswith("move_has") for fault in error.faults) else 422
    detail = str(errors[0]["msg"])
    return Problem(status, "Invalid candidate", detail, kind="/problems/invalid_candidate", errors=errors)


@staff_endpoint(
    Right.READ_CONTESTS, path=ContestPath, query=CandidateListing, returns={200: StaffCandidates}, problems=(404,)
)
async def candidates(request: web.Request, me: Me, *, path: ContestPath, query: CandidateListing) -> Reply:
    """List the candidates of a contest, whatever their state.

    As of an earlier moment, who stood then and how. A photo that was taken off since is not known any more.
    """
    return Reply(200, _list(await request.app[CANDIDATES].standing(path.slug, me.scope, query.as_of), query))


def _list(standing: Standing, query: CandidateListing) -> StaffCandidates:
    contest = standing.contest
    return StaffCandidates(
        contest=contest.slug,
        categories=[*contest.categories],
        nominations=contest.nominations,
        nominations_close_at=contest.nominations_close_at,
        candidates=[_line(person, standing.votes[person.code]) for person in chosen(standing, query)],
    )


@staff_endpoint(Right.MODERATE, path=ContestPath, body=NewCandidate, returns={201: StaffCandidate}, problems=(404, 409))
async def add(request: web.Request, me: Me, *, path: ContestPath, body: NewCandidate) -> Reply:
    """Add a candidate.

    A code stays with its candidate for ever. One whose name looks like another's is only submitted.
    """
    typed = {
        Column.CODE: body.code,
        Column.NAME: body.name,
        Column.CATEGORY: body.category,
        Column.TEXT: body.text,
        Column.PHOTO: body.photo_url,
    }
    try:
        made = await request.app[CANDIDATES].add(path.slug, me.scope, typed, me.email)
    except FieldsRefused as error:
        raise _refused(request, error) from None
    return Reply(201, _line(made, 0))


@staff_endpoint(Right.READ_CONTESTS, path=CandidatePath, query=AsOf, returns={200: StaffCandidate}, problems=(404,))
async def candidate(request: web.Request, me: Me, *, path: CandidatePath, query: AsOf) -> Reply:
    """Read a candidate."""
    return await _shown(request, me, path.slug, path.code, query.as_of)


@staff_endpoint(
    Right.MODERATE, path=CandidatePath, body=CandidateEdit, returns={200: StaffCandidate}, problems=(404, 409)
)
async def edit(request: web.Request, me: Me, *, path: CandidatePath, body: CandidateEdit) -> Reply:
    """Change a candidate: approve, reject, withdraw, evict, reinstate, or correct a field.

    No candidate is deleted, and a code never changes. Who proposed themselves has a number that begins with 00 until
    they are approved, and then a code. One with votes is withdrawn or evicted, not rejected. A vote that waits for its
    money when its candidate withdraws is given back; one that was placed before an eviction counts.
    """
    wanted = Edit(body.name, body.category, body.text, body.photo_url, body.status, " ".join(body.reason.split()))
    try:
        edited = await request.app[CANDIDATES].edit(path.slug, path.code, me.scope, wanted, me.email)
    except FieldsRefused as error:
        raise _refused(request, error) from None
    return await _shown(request, me, path.slug, edited.code)


async def _shown(request: web.Request, me: Me, slug: str, code: str, at: datetime | None = None) -> Reply:
    standing = await request.app[CANDIDATES].standing(slug, me.scope, at)
    return Reply(200, _line(standing.named(code), standing.votes[code]))


@staff_endpoint(
    Right.MODERATE,
    path=ContestPath,
    query=DryRun,
    body=ManyEdits,
    returns={200: CandidateChanges},
    problems=(404, 409),
)
async def edit_many(request: web.Request, me: Me, *, path: ContestPath, query: DryRun, body: ManyEdits) -> Reply:
    """Change several candidates alike: approve, withdraw, evict, or give a category.

    All of them or none. With `?dryRun=true` nothing is written.
    """
    wanted = Edit(category=body.category, status=body.status, reason=" ".join(body.reason.split()))
    store = request.app[CANDIDATES]
    try:
        changes = await store.edit_many(path.slug, body.codes, me.scope, wanted, me.email, dry_run=query.dry_run)
    except FieldsRefused as error:
        raise _refused(request, error) from None
    return Reply(200, CandidateChanges(changes=[model_of(CandidateChange, change) for change in changes]))


@staff_endpoint(
    Right.MODERATE,
    path=ContestPath,
    query=DryRun,
    returns={200: ImportResult},
    problems=(404, 409),
    sends={CSV_TYPE: FILE, XLSX_TYPE: FILE},
)
async def import_file(request: web.Request, me: Me, *, path: ContestPath, query: DryRun) -> Reply:
    """Import candidates from a file.

    The body is text/csv, UTF-8 or as its charset declares, or an XLSX file. Its first line names the columns, in French
    or English: `name`, and if wanted `code`, `category`, `text`, `photo`, `status`. With `?dryRun=true` nothing is
    written. A file with a fault is answered with 422 and all of its faults, and nothing is written.
    """
    data = await read_body(
        request,
        XLSX_TYPE if request.content_type == XLSX_TYPE else CSV_TYPE,
        XLSX_BYTES_MAX if request.content_type == XLSX_TYPE else CSV_BYTES_MAX,
        _UPLOAD_SECONDS,
    )
    encoding, store = _encoding(request), request.app[CANDIDATES]
    if query.dry_run:
        result = _result(request, await store.preview_file(path.slug, me.scope, data, encoding, me.email))
    else:
        result = _result(request, await store.import_file(path.slug, me.scope, data, encoding, me.email))
        if result.faults:
            raise _faulty(result)
    return Reply(200, result)


def _encoding(request: web.Request) -> str | None:
    declared = (request.charset or "").lower()
    if declared and declared not in _ENCODINGS:
        raise Problem(415, "Unsupported media type", f"Send {CSV_TYPE} in UTF-8 or cp1252.")
    return None if declared in ("", "utf-8") else declared


def _result(request: web.Request, preview: Preview) -> ImportResult:
    say, read = sayer(request), preview.read
    return ImportResult(
        rows=read.rows,
        faults=[ImportFault(line=fault.line, column=fault.column, problem=say(fault)) for fault in read.faults],
        added=preview.added,
        changed=preview.changed,
        submitted=sum(bool(line.alike) for line in read.lines),
        ignored=[*read.ignored],
    )


def _faulty(result: ImportResult) -> Problem:
    faults = [fault.model_dump() for fault in result.faults]
    errors = [{"loc": ["body", fault.line, fault.column], "msg": fault.problem} for fault in result.faults]
    detail = f"{result.faults[0].line}: {result.faults[0].problem}"
    kind = "/problems/faulty_file"
    return Problem(422, "Faulty file", detail, kind=kind, rows=result.rows, faults=faults, errors=errors)


@staff_endpoint(Right.READ_CONTESTS, path=CandidatePath, query=AsOf, returns={200: CandidateHistory}, problems=(404,))
async def history(request: web.Request, me: Me, *, path: CandidatePath, query: AsOf) -> Reply:
    """Tell what happened to a candidate, and who did it."""
    store = request.app[CANDIDATES]
    events = await store.history(path.slug, path.code, me.scope, query.as_of)
    standing = await store.changes_of_state(path.slug, path.code, me.scope, query.as_of)
    return Reply(
        200,
        CandidateHistory(
            events=[model_of(PastEvent, event) for event in events],
            standing=[model_of(StandingChange, change) for change in standing],
        ),
    )


@staff_endpoint(Right.MODERATE, path=CandidatePath, returns={201: PrivateLink}, problems=(404, 409))
async def new_link(request: web.Request, me: Me, *, path: CandidatePath) -> Reply:
    """Make a new private link for a candidate.

    By it they read how they stand. It is shown this once, and the one before ends.
    """
    address = await request.app[CANDIDATES].new_link(path.slug, path.code, me.scope, me.email)
    return Reply(201, PrivateLink(address=address))


@staff_endpoint(Right.EDIT_CONTEST, path=ContestPath, body=Settled, returns={200: StaffCandidates}, problems=(404, 409))
async def settle(request: web.Request, me: Me, *, path: ContestPath, body: Settled) -> Reply:
    """Set the categories of a contest, and whether people may propose themselves.

    A category that candidates have stays.
    """
    try:
        await request.app[CANDIDATES].settle(
            path.slug,
            me.scope,
            body.categories,
            me.email,
            nominations=body.nominations,
            until=body.nominations_close_at,
        )
    except FieldsRefused as error:
        raise _refused(request, error) from None
    return Reply(200, _list(await request.app[CANDIDATES].standing(path.slug, me.scope), CandidateListing()))


def setup(app: web.Application) -> None:
    """Serve them. The application needs CANDIDATES and mounted pages."""
    router = app.router
    router.add_get(API, candidates)
    router.add_post(API, add)
    router.add_patch(API, edit_many)
    router.add_put(f"{API}/settings", settle)
    router.add_post(f"{API}/import", import_file)
    router.add_get(f"{API}/{{code}}", candidate)
    router.add_patch(f"{API}/{{code}}", edit)
    router.add_get(f"{API}/{{code}}/history", history)
    router.add_post(f"{API}/{{code}}/link", new_link)
