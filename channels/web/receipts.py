"""What a receipt proves: a page for people, JSON for programs, and the proof as a file."""

from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from aiohttp import hdrs, web
from pydantic import Field
from yarl import URL

from channels.buying import why_taken_back
from channels.voting_service import VOTING_SERVICE
from channels.web.models import Verified
from channels.web.views import NO_REFERRER, language_in, message
from gateway.http.endpoint import ApiModel, InputModel, check, described
from gateway.http.limits import LIMITS
from gateway.http.pages import PAGES, render
from gateway.http.problems import Problem
from gateway.orders.receipt import read_receipt
from gateway.values.time_zones import FALLBACK
from leaderboard.log.inclusion import Inclusion
from leaderboard.log.proof_file import SUFFIX
from leaderboard.witness.rules import WitnessAddress
from payments.collection.order_views import ReceiptView
from payments.lifecycle import PublicStatus

WITNESSES: web.AppKey[tuple[WitnessAddress, ...]] = web.AppKey("witnesses")
"""Whom the page of a receipt asks for the checkpoints that they have."""
PROOF_TYPE: Final = "text/plain"
MALFORMED: Final = "malformed_receipt"
_LARGEST: Final = 2**53 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN: Final = "unknown_receipt"
NOT_LOGGED: Final = "not_logged"


class ReceiptPath(InputModel):
    """The receipt that is checked."""

    receipt: str = Field(description="As on the receipt; spaces, dashes and case do not matter.")


class ProofQuery(ApiModel):
    """Which proof."""

    tree_size: int | None = Field(
        None, ge=1, le=_LARGEST, description="Of the checkpoint that the proof leads to. Absent: the newest one."
    )


@described(path=ReceiptPath, query=ProofQuery, returns={200: Verified}, problems=(404, 422, 429, 503), tag="receipts")
async def check_receipt(request: web.Request) -> web.Response:
    """Check a receipt.

    The counted vote behind it, and the proof that the contest's log has it: a page for people, JSON when `Accept`
    asks for it alone. 404 also where the order is not counted; `type` then says why.
    """
    accepted = request.headers.get(hdrs.ACCEPT, "")
    as_json = "application/json" in accepted and "text/html" not in accepted
    try:
        await request.app[LIMITS].receipt_check(request)
    except Problem as fault:
        if as_json:
            raise
        return message(request, fault.status, "too_many", None, fault.headers)
    size = check(ProofQuery, "query", dict(request.query)).tree_size
    found = await _find(request, size)
    if isinstance(found, str):
        return _problem(request, found).response() if as_json else message(request, 404, found)
    view, inclusion = found
    if as_json:
        body = Verified.of(view, inclusion).model_dump_json(by_alias=True).encode()
        headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: hdrs.ACCEPT}
        return web.Response(body=body, content_type="application/json", headers=headers)
    contest = request.app[VOTING_SERVICE].contest(view.contest_slug)
    response = render(
        request,
        "receipt.html",
        default_language=language_in(contest),
        contest=contest,
        zone=FALLBACK if contest is None else contest.time_zone,
        proof=view,
        log=inclusion,
        sealed=contest is not None and contest.sealed_at(request.app[VOTING_SERVICE].now()),
        withheld=contest is not None and contest.withheld_at(request.app[VOTING_SERVICE].now()),
        given="" if inclusion is None else _given(request, view, inclusion),
        calls={str(URL(witness.url).origin()) for witness in request.app[WITNESSES]},
        why=why_taken_back,
    )
    response.headers["Referrer-Policy"] = NO_REFERRER
    return response


@described(path=ReceiptPath, returns={200: None}, problems=(404, 429, 503), tag="receipts", media=PROOF_TYPE)
async def proof_file(request: web.Request) -> web.Response:
    """Download the proof of a receipt.

    That the contest's log has the vote, as C2SP's tlog-proof writes it. 404 until a checkpoint has it.
    """
    await request.app[LIMITS].receipt_check(request)
    found = await _find(request)
    if isinstance(found, str):
        return _problem(request, found).response()
    view, inclusion = found
    if inclusion is None:
        return _problem(request, NOT_LOGGED).response()
    name = f"{view.receipt}{SUFFIX}"
    headers = {hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"'}
    return web.Response(text=inclusion.file, content_type=PROOF_TYPE, charset="utf-8", headers=headers)


def _given(request: web.Request, vote: ReceiptView, inclusion: Inclusion) -> str:
    """What the page's script checks: the proof, and that its leaf says what the page says."""
    facts = {
        "kind": "vote",
        "contest": vote.contest_slug,
        "candidate": vote.candidate_code,
        "votes": vote.quantity,
        "amount": vote.amount.amount_minor,
        "currency": vote.amount.currency,
        "seq": vote.tally_number,
        "time": (vote.counted_at - _EPOCH) // timedelta(milliseconds=1),
    }
    parts = {"receipt", "salt", "log", "leaf_key"}
    proved = Verified.of(vote, inclusion).model_dump(mode="json", by_alias=True, include=parts)
    keys = [key for key in inclusion.keys if key.startswith(f"{inclusion.origin}+")]
    witnesses = [{"address": one.url, "key": one.key.text} for one in request.app[WITNESSES]]
    return orjson.dumps(
        {**proved, "facts": facts, "origin": inclusion.origin, "keys": keys, "witnesses": witnesses}
    ).decode()


async def _find(request: web.Request, size: int | None = None) -> tuple[ReceiptView, Inclusion | None] | str:
    """The counted vote, with what shows that the log has it; else what is wrong, as the last part of a phrase."""
    service, code = request.app[VOTING_SERVICE], read_receipt(request.match_info["receipt"])
    if code is None:
        return MALFORMED
    found = await service.receipt(code)
    if found is None:
        return UNKNOWN
    if isinstance(found, PublicStatus):
        return f"receipt_{found.value.lower()}"
    return found, await service.inclusion(code, size)


def _problem(request: web.Request, kind: str) -> Problem:
    pages = request.app[PAGES]
    language = pages.language_of(request)
    title, detail = (pages.say(language, f"voter.{kind}_{part}") for part in ("title", "text"))
    return Problem(404, title, detail, kind=f"/problems/{kind}", headers={hdrs.CONTENT_LANGUAGE: language})


def setup(app: web.Application, witnesses: tuple[WitnessAddress, ...] = ()) -> None:
    """Serve them. The application needs VOTING_SERVICE, LIMITS and mounted pages. `witnesses`: see WITNESSES."""
    app[WITNESSES] = witnesses
    app.router.add_get(f"/verify/{{receipt:[^/]+}}{SUFFIX}", proof_file)
    app.router.add_get("/verify/{receipt}", check_receipt)
