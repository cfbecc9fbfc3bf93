"""The vote API: place an order, ask what became of it, and read what contests there are."""

import re
import secrets
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from aiohttp import hdrs, web
from pydantic import Field

from channels.buying import refusal_words
from channels.phrases import say
from channels.voting_service import VOTING_SERVICE, VotingService
from channels.web.models import (
    CandidateCard,
    CandidateList,
    ContestCard,
    ContestList,
    OrderPlaced,
    VoteOrder,
    VoteState,
    card_of,
)
from channels.web.order_feed import ORDER_FEED, PAYMENT_LINKS, OrderFeed, PaymentLinks
from channels.web.views import safe_link
from channels.web.vote_requests import (
    CANDIDATE,
    FIELD_OF,
    language_of,
    orderer_of,
    read_payer_for,
    read_vote_id,
    status_of,
    vote_request_of,
)
from gateway.contests.contest import Contest
from gateway.http.background import run_beside
from gateway.http.callers import DEVICES
from gateway.http.endpoint import InputModel, Reply, described, endpoint, invalid
from gateway.http.limits import LIMITS, RateLimits, StreamCap
from gateway.http.logs import bind_vote
from gateway.http.pages import unknown
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.http.problems import Problem
from gateway.orders.prompting import Orderer
from gateway.orders.rules import Channel, Refusal, least_votes
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_FRESH_KEY_BYTES: Final = 18
RETRY_AFTER_SECONDS: Final = "5"
# May be kept, but is to be asked about again.
_FRESH: Final = {"Cache-Control": "no-cache"}

STREAM_CAP: web.AppKey[StreamCap] = web.AppKey("stream_cap", StreamCap)


class VotePath(InputModel):
    """The vote that is asked about."""

    vote_id: str = Field(description="As given when the order was placed.")


class ContestPath(InputModel):
    """The contest that is asked about."""

    slug: str = Field(description="The contest's word in its address.")


class CandidateIndex:
    """Finds a candidate's contest by the candidate's id, among the contests as they are now."""

    def __init__(self, service: VotingService) -> None:
        self._service = service
        self._contests: tuple[Contest, ...] = ()
        self._places: dict[UUID, tuple[Contest, str]] = {}

    def find(self, candidate_id: UUID) -> tuple[Contest, str] | None:
        """The contest and the candidate's code in it; None when no candidate has this id."""
        contests = self._service.contests()
        if contests is not self._contests:
            self._contests = contests
            self._places = {c.id: (contest, c.code) for contest in contests for c in contest.candidates}
        return self._places.get(candidate_id)


CANDIDATES: web.AppKey[CandidateIndex] = web.AppKey("candidate_index", CandidateIndex)


def refused(
    refusal: Refusal,
    language: str,
    contest: Contest | None,
    code: str = "",
    *,
    least: int | None = None,
    payer: Msisdn | None = None,
    methods: Sequence[PaymentMethod] = (),
) -> Problem:
    """The refusal of an order as a problem, with the field that it is about. `least`, `payer`, `methods`:
    see `refusal_words`."""
    words = refusal_words(language, refusal, contest, code, least=least, payer=payer, methods=methods)
    field = FIELD_OF.get(refusal)
    errors = {} if field is None else {"errors": [{"loc": ["body", field], "msg": words}]}
    status = status_of(refusal)
    headers: dict[str, str] = {hdrs.CONTENT_LANGUAGE: language}
    if status == 503:
        headers[hdrs.RETRY_AFTER] = RETRY_AFTER_SECONDS
    title = say(language, "refusal.title")
    return Problem(status, title, words, kind=f"/problems/{refusal.value}", headers=headers, **errors)


def _key_of(request: web.Request, caller: Orderer) -> str:
    """The caller's key, which is not another caller's, or a fresh one. Problem 422 for one that is none."""
    given = request.headers.get(IDEMPOTENCY_KEY)
    if given is None:
        return secrets.token_urlsafe(_FRESH_KEY_BYTES)
    if not _KEY.fullmatch(given):
        raise invalid([{"loc": ["header", IDEMPOTENCY_KEY], "msg": "1 to 200 visible ASCII characters are wanted"}])
    return request.app[DEVICES].mark(f"{caller.kind.value} {caller.identity} {given}")


def _choice(request: web.Request, body: VoteOrder) -> tuple[Contest, str]:
    """The contest and the code that an order names. Problem 404, 422."""
    if body.candidate_id is None:
        contest = request.app[VOTING_SERVICE].contest(body.contest or "")
        if contest is None:
            raise refused(Refusal.UNKNOWN_CONTEST, language_of(request, DEFAULT_LANGUAGE), None)
        return contest, (body.candidate_code or "").strip()
    place = request.app[CANDIDATES].find(body.candidate_id)
    if place is None:
        language = language_of(request, DEFAULT_LANGUAGE)
        raise refused(Refusal.UNKNOWN_CANDIDATE, language, None, str(body.candidate_id))
    contest, code = place
    if body.contest not in (None, contest.slug) or body.candidate_code not in (None, code):
        raise invalid([{"loc": ["body", CANDIDATE], "msg": "candidateId is another candidate's"}])
    return place


async def _limit_writes(request: web.Request) -> None:
    await request.app[LIMITS].write(request)


@endpoint(
    body=VoteOrder,
    headers={
        IDEMPOTENCY_KEY: "1 to 200 visible ASCII characters. The same key from the same caller is the same order."
    },
    returns={201: OrderPlaced},
    problems=(403, 404, 409, 429, 503),
    tag="votes",
    guard=_limit_writes,
)
async def initiate(request: web.Request, *, body: VoteOrder) -> Reply:
    """Place an order of votes.

    It is stored when this answers; the payer is asked at once after. Where the payer approves on a page of
    the operator, the answer waits a second for its address at most. The same Idempotency-Key gives the same
    answer again, and 409 with another request behind it.
    """
    caller = orderer_of(request)
    key = _key_of(request, caller)
    contest, code = _choice(request, body)
    language = language_of(request, contest.language)
    payer = read_payer_for(body.voter_phone, body.payment_method, contest)
    if isinstance(payer, Refusal):
        raise refused(payer, language, contest, code)
    method, rails = body.payment_method, request.app[VOTING_SERVICE].rails
    vote_request = vote_request_of(
        Channel.API, key, contest, code, body.quantity, method, payer, language, rails, caller
    )
    placed = await request.app[VOTING_SERVICE].place_order(vote_request)
    if isinstance(placed, Refusal):
        least = least_votes(contest, vote_request.method, rails)
        methods = rails.open_for(payer) if payer is not None else ()
        raise refused(placed, language, contest, code, least=least, payer=payer, methods=methods)
    bind_vote(placed.vote_id, placed.payment_reference)
    if placed.conflicting:
        raise Problem(
            409,
            "Idempotency key in use",
            "This key placed another order before. Nothing was changed.",
            kind="/problems/idempotency_conflict",
        )
    by_page = vote_request.method is not None and request.app[VOTING_SERVICE].rails.by_page(
        contest.country, vote_request.method
    )
    link = await request.app[PAYMENT_LINKS].of(placed.vote_id) if by_page else None
    # The first answer, and so each later one: later states are read by GET.
    answer = OrderPlaced(
        vote_id=placed.vote_id,
        transaction_id=placed.payment_reference,
        status=PublicStatus.PENDING,
        amount=placed.amount.amount_minor,
        currency=placed.amount.currency,
        payment_url=safe_link(link),
    )
    return Reply(201, answer, {"Location": f"/api/votes/{placed.vote_id}"})


@endpoint(path=VotePath, returns={200: VoteState}, problems=(404, 503), tag="votes")
async def vote(request: web.Request, *, path: VotePath) -> Reply:
    """Tell what became of an order.

    PENDING until the operator has decided; ask again every two seconds, or follow its events.
    """
    return Reply(200, VoteState.model_validate(await _order_of(request, path.vote_id)))


async def _order_of(request: web.Request, typed: str) -> OrderView:
    """The order with this id. Problem 404."""
    vote_id = read_vote_id(typed)
    order = None if vote_id is None else await request.app[VOTING_SERVICE].order(vote_id)
    if order is None:
        raise unknown(request, "vote")
    bind_vote(order.vote_id)
    return order


@described(
    path=VotePath,
    returns={200: VoteState, 204: None},
    headers={"Last-Event-ID": "Id of the last event seen: 204 when it was the last one."},
    problems=(404, 503),
    tag="votes",
    media="text/event-stream",
)
async def vote_events(request: web.Request) -> web.StreamResponse:
    """Follow an order.

    A stream of `vote:state` events, each with the whole state: one at once, one for each change. It
    ends with the first state that is no longer PENDING. 503 when as many follow as can be served, or too
    many from one address: ask for the state itself meanwhile.
    """
    feed = request.app[ORDER_FEED]
    order = await _order_of(request, request.match_info["voteId"])
    if feed.full:
        raise Problem(
            503, "Too many streams", "Ask for the state itself.", headers={"Retry-After": RETRY_AFTER_SECONDS}
        )
    with request.app[STREAM_CAP].place(request):
        return await feed.follow(request, order)


@endpoint(returns={200: ContestList}, tag="contests")
async def contests(request: web.Request) -> Reply:
    """List the contests."""
    service = request.app[VOTING_SERVICE]
    now = service.now()
    listed = [contest for contest in service.contests() if contest.listed]
    return Reply(200, ContestList(contests=[card_of(contest, now) for contest in listed]), _FRESH)


@endpoint(path=ContestPath, returns={200: ContestCard}, problems=(404,), tag="contests")
async def contest(request: web.Request, *, path: ContestPath) -> Reply:
    """Tell about one contest."""
    service = request.app[VOTING_SERVICE]
    found = service.contest(path.slug)
    if found is None:
        raise unknown(request, "contest")
    return Reply(200, card_of(found, service.now()), _FRESH)


@endpoint(path=ContestPath, returns={200: CandidateList}, problems=(404,), tag="contests")
async def candidates(request: web.Request, *, path: ContestPath) -> Reply:
    """List the candidates of a contest."""
    found = request.app[VOTING_SERVICE].contest(path.slug)
    if found is None:
        raise unknown(request, "contest")
    ranking = [CandidateCard.model_validate(candidate) for candidate in found.eligible]
    return Reply(200, CandidateList(contest=found.slug, candidates=ranking), _FRESH)


def setup(
    app: web.Application,
    limits: RateLimits,
    feed: OrderFeed | None = None,
    cap: StreamCap | None = None,
    links: PaymentLinks | None = None,
) -> None:
    """Serve the vote API. Needs VOTING_SERVICE and mounted PAGES; it lets go of the limits when it ends.
    `feed`: follows orders for the streams; by default one that asks once a second. `cap`: counts the streams
    of each address; `links`: waits for operators' pages."""
    app[LIMITS] = limits
    app[STREAM_CAP] = cap or StreamCap()
    app[ORDER_FEED] = feed or OrderFeed(app[VOTING_SERVICE])
    run_beside(app, app[ORDER_FEED].run, app[ORDER_FEED].close)
    app[CANDIDATES] = CandidateIndex(app[VOTING_SERVICE])
    app[PAYMENT_LINKS] = links or PaymentLinks(app[VOTING_SERVICE])
    app.on_cleanup.extend((limits.close, app[PAYMENT_LINKS].close))
    app.router.add_post("/api/votes/initiate", initiate)
    app.router.add_get("/api/votes/{voteId:[0-9A-Fa-f-]{36}}", vote)
    app.router.add_get("/api/votes/{voteId:[0-9A-Fa-f-]{36}}/events", vote_events, allow_head=False)
    app.router.add_get("/api/contests", contests)
    app.router.add_get("/api/contests/{slug}", contest)
    app.router.add_get("/api/contests/{slug}/candidates", candidates)
