"""Changes that candidates ask for by their private link: read and decided, by page and by API."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from aiohttp import web
from pydantic import Field

from admin.access.guard import Form, Me, form, page, see_other
from admin.answers import staff_endpoint, unknown
from admin.candidates.api import API, CandidatePath, ContestPath
from admin.candidates.store import CANDIDATES
from channels.web.nominations import CORRECTIONS
from gateway.contests.candidate_rules import REASON_LENGTH_MAX
from gateway.contests.contest import Candidate, Contest
from gateway.contests.corrections import Correction, NothingWaits
from gateway.contests.pictures.keep_photos import UnknownCandidate
from gateway.contests.pictures.photos import shown
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply
from gateway.http.problems import Problem
from payments.requests import ActRefused, Right, Why

PAGE: Final = "/admin/contests/{slug}/candidates/{code:[0-9]{2,6}}/correction"
QUEUE: Final = "/admin/contests/{slug}/moderation"


class Decision(StrEnum):
    """What a person decides about a change."""

    APPROVED = "approved"
    REJECTED = "rejected"


class WaitingCorrection(ApiModel):
    """A change that waits; null: that stays as it is."""

    code: str
    name: str
    name_wanted: str | None
    why: str | None = Field(description="Why the name changes; everybody reads it once it is agreed to.")
    text_now: str
    text: str | None
    photo_now: str | None = Field(description="Address of the photo that is shown.")
    photo: str | None = Field(description="Address of the photo that is asked for.")
    made_at: datetime


class WaitingCorrections(ApiModel):
    """Changes of approved candidates that wait, the oldest first."""

    corrections: list[WaitingCorrection]


class CorrectionDecision(InputModel):
    """What a person decides about the change of a candidate."""

    status: Decision
    reason: Line = Field("", max_length=REASON_LENGTH_MAX, description="For `rejected`: the candidate reads it.")


class DecidedCorrection(ApiModel):
    """A change was decided."""

    code: str
    status: Decision


async def waiting(request: web.Request, me: Me, contest: Contest) -> list[tuple[Candidate, Correction]]:
    """Changes that wait, each with the candidate as they are."""
    people = {person.id: person for person in contest.candidates}
    found = await request.app[CORRECTIONS].waiting(me.scope, contest)
    return [(people[correction.candidate_id], correction) for correction in found]


@staff_endpoint(Right.MODERATE, path=ContestPath, returns={200: WaitingCorrections}, problems=(404,))
async def listed(request: web.Request, me: Me, *, path: ContestPath) -> Reply:
    """List the changes that candidates ask for."""
    standing = await request.app[CANDIDATES].standing(path.slug, me.scope)
    lines = []
    for person, asked in await waiting(request, me, standing.contest):
        now, wanted = shown(person.photo, person.photo_url), shown(asked.photo, None)
        lines.append(
            WaitingCorrection(
                code=person.code,
                name=person.name,
                name_wanted=asked.name,
                why=asked.why or None,
                text_now=person.text,
                text=asked.text,
                photo_now=now.square(480) if now else None,
                photo=wanted.square(480) if wanted else None,
                made_at=asked.made_at,
            )
        )
    return Reply(200, WaitingCorrections(corrections=lines))


@staff_endpoint(
    Right.MODERATE,
    path=CandidatePath,
    body=CorrectionDecision,
    returns={200: DecidedCorrection},
    problems=(404, 409),
)
async def decide(request: web.Request, me: Me, *, path: CandidatePath, body: CorrectionDecision) -> Reply:
    """Agree to the change that a candidate asks for, or refuse it with a reason."""
    reason = " ".join(body.reason.split())
    if body.status is Decision.REJECTED and not reason:
        raise Problem(422, "Reason missing", "Give a reason: the candidate reads it.", kind="/problems/reason_missing")
    refused = reason if body.status is Decision.REJECTED else ""
    try:
        await request.app[CORRECTIONS].decide(me.scope, path.slug, path.code, me.email, reason=refused)
    except UnknownCandidate:
        raise unknown("candidate", path.code) from None
    except NothingWaits:
        raise Problem(409, "Decided", "No change of this candidate waits.", kind="/problems/nothing_waits") from None
    return Reply(200, DecidedCorrection(code=path.code, status=body.status))


@form(Right.MODERATE)
async def act(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Agree to a change, or refuse it; then the queue, which shows what became of it meanwhile."""
    slug, code = request.match_info["slug"], request.match_info["code"]
    reason = " ".join(fields.get("reason", "").split())[:REASON_LENGTH_MAX]
    agreed = fields.get("act") == "approve"
    if agreed or reason:
        try:
            await request.app[CORRECTIONS].decide(me.scope, slug, code, me.email, reason="" if agreed else reason)
        except UnknownCandidate:
            raise ActRefused(Why.UNKNOWN, f"there is no candidate {code!r} in {slug}") from None
        except NothingWaits:
            return see_other(QUEUE.format(slug=slug))
    return see_other(QUEUE.format(slug=slug))


@page(Right.MODERATE)
async def back(request: web.Request, _: Me) -> web.StreamResponse:
    """The page on which the form stands: its sender had to sign in again."""
    return see_other(QUEUE.format(slug=request.match_info["slug"]))


def setup(app: web.Application) -> None:
    """Serve them. The application needs CANDIDATES, CORRECTIONS and mounted pages."""
    app.router.add_get("/api/admin/contests/{slug}/corrections", listed)
    app.router.add_patch(f"{API}/{{code}}/correction", decide)
    app.router.add_post(PAGE, act)
    app.router.add_get(PAGE, back)
