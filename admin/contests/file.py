"""A contest as a file by page: the document of `contest export`, downloaded, changed, looked at and saved."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import hdrs, web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from admin.access.guard import Form, Me, form, page, see_other, show
from admin.contests.api import DOCUMENT_BYTES_MAX
from admin.contests.pages import PAGE
from admin.contests.store import STAFF_CONTESTS, ChangedMeanwhile, Held
from channels.voting_service import VOTING_SERVICE
from gateway.contests.changes import Plan
from gateway.contests.document import Document
from gateway.values.numbers import whole_number
from payments.requests import ActRefused, Right, Why

FILE: Final = f"{PAGE}/{{slug}}/file"
FAULTS_SHOWN: Final = 20
# The phrase for each kind of fault that pydantic finds; others are "wrong". Source: docs.pydantic.dev, "Validation
# Errors".
_KINDS: Final = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    **dict.fromkeys(("string_type", "string_unicode"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "whole"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "yes_or_no"),
    "list_type": "list",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "object"),
    **dict.fromkeys(
        (
            "datetime_type",
            "datetime_parsing",
            "datetime_from_date_parsing",
            "datetime_object_invalid",
            "timezone_aware",
        ),
        "instant",
    ),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), "id"),
    **dict.fromkeys(("enum", "literal_error"), "choice"),
    "greater_than": "above",
    "greater_than_equal": "least",
    "less_than_equal": "most",
    **dict.fromkeys(("too_short", "string_too_short"), "short"),
    **dict.fromkeys(("too_long", "string_too_long"), "long"),
    "string_pattern_mismatch": "form",
    "strange_sign": "strange_sign",
}
_LINE: Final = re.compile(r"line (\d+) column (\d+)$")


@dataclass(frozen=True, slots=True)
class FileFault:
    """What is wrong in a file. `place`: the names that lead to it, as the file has them; `kind`: of `_KINDS`,
    unreadable, wrong or refused; `facts`: what its phrase names; `detail`: a sentence in English where only the rule
    knows it."""

    place: str
    kind: str
    detail: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def read_document(text: str) -> Document | list[FileFault]:
    """The document in a file, or what is wrong with it."""
    try:
        return Document.model_validate_json(text)
    except ValidationError as error:
        return [_fault(found) for found in error.errors(include_url=False, include_input=False)]


def _fault(found: ErrorDetails) -> FileFault:
    place = " › ".join(str(part + 1) if isinstance(part, int) else part for part in found["loc"])
    kind, facts = _KINDS.get(found["type"]), found.get("ctx", {})
    if found["type"] == "json_invalid":
        line, column = at.groups() if (at := _LINE.search(found["msg"])) else ("1", "1")
        return FileFault(place, "unreadable_at", facts={"line": line, "column": column})
    if kind is None:
        return FileFault(place, "wrong", found["msg"].removeprefix("Value error, "))
    if kind == "choice":
        # Written as `'shared' or 'earliest'`.
        facts = {"expected": ", ".join(re.findall(r"'([^']+)'", facts["expected"]))}
    elif kind == "long" and facts.get("field_type") == "List":
        kind = "many"
    elif kind == "form":
        kind = f"form_{found['loc'][-1]}"
    return FileFault(place, kind, facts=facts)


@page(Right.READ_CONTESTS)
async def download(request: web.Request, me: Me) -> web.StreamResponse:
    """The file."""
    held = await _held(request, me)
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{held.contest.slug}.json"'}
    return web.Response(text=_text(held), content_type="application/json", headers=headers)


@page(Right.EDIT_CONTEST)
async def shown(request: web.Request, me: Me) -> web.StreamResponse:
    """The document, to be changed in place or sent as a file."""
    held = await _held(request, me)
    return _show(request, me, held, _text(held))


@form(Right.EDIT_CONTEST, file=True)
async def upload(request: web.Request, me: Me, _: Form, __: str, data: bytes) -> web.StreamResponse:
    """What a file that was sent would change; nothing is saved yet."""
    held = await _held(request, me)
    try:
        return await _checked(request, me, held, data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return _show(request, me, held, _text(held), faults=[FileFault("", "unreadable")], status=422)


@form(Right.EDIT_CONTEST, document=DOCUMENT_BYTES_MAX)
async def save(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Show what the document would change, or save it when that was asked for."""
    held = await _held(request, me)
    text = fields.get("document", "")
    if fields.get("act") != "save":
        return await _checked(request, me, held, text)
    document = read_document(text)
    if not isinstance(document, Document):
        return _show(request, me, held, text, faults=document, status=422)
    read = whole_number(fields.get("version", "")) or -1
    try:
        await request.app[STAFF_CONTESTS].save(held.contest.slug, document, me.scope, me.email, read)
    except ChangedMeanwhile:
        return _show(request, me, held, text, conflict=True, status=409)
    except ActRefused as refused:
        return _refused(request, me, held, text, refused)
    return see_other(f"{PAGE}/{held.contest.slug}")


async def _checked(request: web.Request, me: Me, held: Held, text: str) -> web.Response:
    document = read_document(text)
    if not isinstance(document, Document):
        return _show(request, me, held, text, faults=document, status=422)
    try:
        plan = await request.app[STAFF_CONTESTS].changes(held.contest.slug, document, me.scope)
    except ActRefused as refused:
        return _refused(request, me, held, text, refused)
    return _show(request, me, held, text, plan=plan)


def _refused(request: web.Request, me: Me, held: Held, text: str, refused: ActRefused) -> web.Response:
    if refused.why is not Why.IMPOSSIBLE:
        raise refused
    faults = [FileFault("", "refused", sentence) for sentence in str(refused).splitlines()]
    return _show(request, me, held, text, faults=faults, status=409)


def _show(
    request: web.Request,
    me: Me,
    held: Held,
    text: str,
    *,
    faults: Sequence[FileFault] = (),
    plan: Plan | None = None,
    conflict: bool = False,
    status: int = 200,
) -> web.Response:
    contest = held.contest
    return show(
        request,
        me,
        "contests/contest_file.html",
        status=status,
        contest=contest,
        phase=contest.phase_at(request.app[VOTING_SERVICE].now()),
        text=text,
        faults=faults[:FAULTS_SHOWN],
        more_faults=len(faults[FAULTS_SHOWN:]),
        plan=plan,
        conflict=conflict,
    )


def _text(held: Held) -> str:
    return json.dumps(held.document.model_dump(mode="json"), ensure_ascii=False, indent=2)


async def _held(request: web.Request, me: Me) -> Held:
    return await request.app[STAFF_CONTESTS].held(request.match_info["slug"], me.scope)


def setup(app: web.Application) -> None:
    """Serve them. The application needs STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    router = app.router
    router.add_get(FILE, shown)
    router.add_post(FILE, save)
    router.add_get(f"{FILE}.json", download)
    router.add_post(f"{FILE}/upload", upload)
    # Where a form leads whose sender had to sign in again.
    router.add_get(f"{FILE}/upload", shown)
