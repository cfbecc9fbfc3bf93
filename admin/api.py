"""`/api/admin/…`: what the pages show and do, for programs."""

from dataclasses import asdict
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import Field

from admin.access.auth_api import Person, person_of
from admin.access.guard import Me, api_me
from admin.approvals.asking import decide, needs_proof, read_params, request_for, status_of, visible
from admin.approvals.request_pages import OPEN_REQUESTS
from admin.desk import DESK
from admin.models import (
    Decision,
    FoundPayments,
    HeldLine,
    HeldLines,
    Listing,
    NewRequest,
    Numbers,
    Order,
    Preview,
    Reason,
    Refunds,
    Request,
    Requests,
    Search,
    WaitingAccount,
    WaitingSum,
    Waits,
    Window,
    amount_of,
    found_payment,
    order_of,
    refund_of,
    request_of,
)
from admin.money_models import (
    Balance,
    Balances,
    DifferenceGroup,
    DifferenceGroups,
    Differences,
    ImportedStatement,
    Instant,
    Resolution,
    Statements,
    Trial,
    TrialLine,
    difference_of,
)
from admin.order_pages import countries_of
from admin.refund_pages import ENDED, ON_THEIR_WAY
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import InputModel, Reply, endpoint
from gateway.http.problems import Problem
from payments.ledger.book import MoneyRefused, UnknownName
from payments.requests import Act, ActRefused, Right, reasoned

TAG: Final = "back office"
SIGNED_IN: Final = (401, 403, 503)


class OrderPath(InputModel):
    """The order that is asked about."""

    vote_id: UUID


class RequestPath(InputModel):
    """The request that is asked about."""

    request_id: UUID


class DifferencePath(InputModel):
    """The difference that is asked about."""

    number: int = Field(ge=1, lt=2**63)


def refused(error: ActRefused) -> Problem:
    """Why an act was refused."""
    return Problem(status_of(error), "Act refused", str(error), kind=f"/problems/{error.why.value}")


def _money_refused(error: MoneyRefused) -> Problem:
    status = 404 if isinstance(error, UnknownName) else 409
    return Problem(status, "Money refused", str(error), kind="/problems/money_refused")


async def _proven(request: web.Request, right: Right | None = None) -> Me:
    """Somebody who proved lately who they are. Problem 401, 403."""
    me = await api_me(request, right)
    if not me.proven:
        raise Problem(
            403,
            "Proof wanted",
            "POST a code to /api/auth/confirm, then send this again.",
            kind="/problems/proof_wanted",
        )
    return me


def _unknown(what: str) -> Problem:
    return Problem(404, f"Unknown {what}", kind=f"/problems/unknown_{what}")


@endpoint(returns={200: Person}, problems=SIGNED_IN, tag=TAG)
async def me(request: web.Request) -> Reply:
    """Tell who is signed in."""
    known = await api_me(request)
    return Reply(200, person_of(known.member, known.rights))


@endpoint(returns={200: Waits}, problems=SIGNED_IN, tag=TAG)
async def waiting(request: web.Request) -> Reply:
    """Tell what waits."""
    who = await api_me(request, Right.READ_ORDERS)
    held = await request.app[DESK].reads.waiting(who.scope)
    sums = [
        WaitingSum(status=status, count=many, amount=amount_of(money))
        for status, lines in held.refunds.items()
        for many, money in lines
    ]
    backlog = [
        WaitingAccount(provider=b.provider, counting=b.counting, counting_since=b.counting_since, asked=b.asked)
        for b in held.backlog
    ]
    told = Waits(
        requests=held.requests,
        held=held.held,
        tickets=held.tickets,
        refunds=sums,
        differences=dict(held.differences),
        backlog=backlog,
    )
    return Reply(200, told)


@endpoint(body=Search, returns={200: FoundPayments}, problems=SIGNED_IN, tag=TAG)
async def search(request: web.Request, *, body: Search) -> Reply:
    """Find payments.

    By number, receipt, order code, or the reference of a vote, payment or refund. Numbers come masked.
    """
    who = await api_me(request, Right.READ_ORDERS)
    lines = await request.app[DESK].reads.find(body.q, countries_of(request), who.scope)
    return Reply(200, FoundPayments(payments=[found_payment(line) for line in lines]))


@endpoint(path=OrderPath, returns={200: Order}, problems=(*SIGNED_IN, 404), tag=TAG)
async def order(request: web.Request, *, path: OrderPath) -> Reply:
    """Tell the whole story of an order."""
    who = await api_me(request, Right.READ_ORDERS)
    story = await request.app[DESK].reads.story(path.vote_id, who.scope)
    if story is None:
        raise _unknown("order")
    return Reply(200, order_of(story))


@endpoint(path=OrderPath, body=Reason, returns={200: Numbers}, problems=(*SIGNED_IN, 404), tag=TAG)
async def numbers(request: web.Request, *, path: OrderPath, body: Reason) -> Reply:
    """Tell the whole numbers of an order.

    The reason goes to the audit log first.
    """
    who = await _proven(request, Right.SEE_NUMBER)
    try:
        reason = reasoned(body.reason)
    except ActRefused as error:
        raise refused(error) from None
    reads = request.app[DESK].reads
    found = await reads.show_number(path.vote_id, who.scope, person=who.email, reason=reason)
    if found is None:
        raise _unknown("order")
    return Reply(200, Numbers(voter=found.get("voter"), payer=found.get("payer")))


@endpoint(query=Listing, returns={200: Requests}, problems=SIGNED_IN, tag=TAG)
async def requests(request: web.Request, *, query: Listing) -> Reply:
    """List acts that were asked for."""
    who = await api_me(request, Right.READ_ORDERS)
    held = await request.app[DESK].acts.requests.listed(statuses=() if query.all else OPEN_REQUESTS)
    seen = [request_of(one) for one in held if visible(request.app[VOTING_SERVICE], who, one)]
    return Reply(200, Requests(requests=seen))


@endpoint(path=RequestPath, returns={200: Request}, problems=(*SIGNED_IN, 404), tag=TAG)
async def one_request(request: web.Request, *, path: RequestPath) -> Reply:
    """Tell about one act that was asked for."""
    who = await api_me(request, Right.READ_ORDERS)
    return Reply(200, await _request(request, who, path.request_id))


async def _request(request: web.Request, who: Me, request_id: UUID) -> Request:
    held = await request_for(request.app[DESK], request.app[VOTING_SERVICE], who, request_id)
    if held is None:
        raise _unknown("request")
    return request_of(held)


@endpoint(body=NewRequest, returns={201: Request}, problems=(*SIGNED_IN, 404, 409), tag=TAG)
async def new_request(request: web.Request, *, body: NewRequest) -> Reply:
    """Ask for an act.

    Nothing is done before a second person agrees, but for acts that need none.
    """
    who = await (_proven(request) if needs_proof(body.act) else api_me(request))
    try:
        params = read_params(body.act, body.params)
        made = await request.app[DESK].acts.ask(body.act, body.subject.strip(), params, body.reason, who.email)
    except ActRefused as error:
        raise refused(error) from None
    location = {"Location": f"/api/admin/requests/{made}"}
    return Reply(201, await _request(request, who, made), location)


@endpoint(path=RequestPath, body=Decision, returns={200: Request}, problems=(*SIGNED_IN, 404, 409), tag=TAG)
async def decision(request: web.Request, *, path: RequestPath, body: Decision) -> Reply:
    """Agree to a request, or turn it down.

    By another person than the one who asked, within 24 hours.
    """
    who = await _proven(request, Right.DECIDE)
    try:
        await decide(request.app[DESK], request.app[VOTING_SERVICE], who, path.request_id, approve=body.approve)
    except ActRefused as error:
        raise refused(error) from None
    return Reply(200, await _request(request, who, path.request_id))


@endpoint(query=Listing, returns={200: Refunds}, problems=SIGNED_IN, tag=TAG)
async def refunds(request: web.Request, *, query: Listing) -> Reply:
    """List refunds on their way, or with `all` those that ended."""
    who = await api_me(request, Right.READ_ORDERS)
    held = await request.app[DESK].reads.refunds(who.scope, statuses=ENDED if query.all else ON_THEIR_WAY)
    return Reply(200, Refunds(refunds=[refund_of(one) for one in held]))


@endpoint(returns={200: HeldLines}, problems=SIGNED_IN, tag=TAG)
async def held(request: web.Request) -> Reply:
    """List paid orders that wait for a person."""
    who = await api_me(request, Right.READ_ORDERS)
    lines = [
        HeldLine(
            reference=one.reference,
            vote_id=one.vote_id,
            contest=one.contest,
            candidate_code=one.candidate_code,
            votes=one.votes,
            provider=one.provider,
            amount=amount_of(one.amount),
            reason=one.reason,
            confirmed_at=one.confirmed_at,
        )
        for one in await request.app[DESK].reads.held(who.scope)
    ]
    return Reply(200, HeldLines(held=lines))


@endpoint(body=Window, returns={200: Preview}, problems=(*SIGNED_IN, 404, 409), tag=TAG)
async def void_preview(request: web.Request, *, body: Window) -> Reply:
    """Tell what voiding a window would take back now."""
    who = await api_me(request, Right.VOID_WINDOW)
    contest = request.app[VOTING_SERVICE].contest(body.contest)
    if contest is None or who.scope not in (None, contest.organiser_id):
        raise _unknown("contest")
    ends = {"from": body.from_.isoformat(), "to": body.to.isoformat()}
    params = read_params(Act.VOID_WINDOW, {**ends, "channel": body.channel, "operator": body.operator})
    try:
        return Reply(200, Preview(preview=dict(await request.app[DESK].voids.preview(body.contest, params))))
    except ActRefused as error:
        raise refused(error) from None


@endpoint(query=Instant, returns={200: Balances}, problems=(*SIGNED_IN, 404), tag=TAG)
async def balances(request: web.Request, *, query: Instant) -> Reply:
    """Tell what every account of the book holds."""
    await api_me(request, Right.READ_MONEY)
    try:
        lines = await request.app[DESK].book.balances(at=query.at, contest=query.contest)
    except MoneyRefused as error:
        raise _money_refused(error) from None
    shown = [
        Balance(contest=b.contest, provider=b.provider, account=b.account, amount=b.amount_minor, currency=b.currency)
        for b in lines
    ]
    return Reply(200, Balances(balances=shown))


@endpoint(query=Instant, returns={200: Trial}, problems=SIGNED_IN, tag=TAG)
async def trial(request: web.Request, *, query: Instant) -> Reply:
    """Tell the trial balance."""
    await api_me(request, Right.READ_MONEY)
    lines = [
        TrialLine(
            account=line.account,
            currency=line.currency,
            debit=line.debit_minor,
            credit=line.credit_minor,
            balance=line.balance_minor,
        )
        for line in await request.app[DESK].book.trial(at=query.at)
    ]
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.balance
    return Reply(200, Trial(lines=lines, balances=not any(sums.values())))


@endpoint(query=Listing, returns={200: Differences}, problems=SIGNED_IN, tag=TAG)
async def differences(request: web.Request, *, query: Listing) -> Reply:
    """List differences between statements and the book."""
    await api_me(request, Right.READ_MONEY)
    held = await request.app[DESK].reconciler.differences(open_only=not query.all)
    return Reply(200, Differences(differences=[difference_of(one) for one in held]))


@endpoint(returns={200: DifferenceGroups}, problems=SIGNED_IN, tag=TAG)
async def groups(request: web.Request) -> Reply:
    """List open differences by what is decided alike."""
    await api_me(request, Right.READ_MONEY)
    held = [
        DifferenceGroup(
            key=line.group.key,
            provider=line.group.provider,
            kind=line.group.kind.value,
            wallet=line.group.wallet,
            currency=line.group.currency,
            day=line.group.day,
            count=line.many,
            amount=line.amount_minor,
            asked=line.asked,
        )
        for line in await request.app[DESK].reconciler.groups()
    ]
    return Reply(200, DifferenceGroups(groups=held))


@endpoint(returns={200: Statements}, problems=SIGNED_IN, tag=TAG)
async def statements(request: web.Request) -> Reply:
    """List the latest statements that were imported."""
    await api_me(request, Right.READ_MONEY)
    held = [ImportedStatement(**asdict(file)) for file in await request.app[DESK].reconciler.files()]
    return Reply(200, Statements(statements=held))


@endpoint(path=DifferencePath, body=Resolution, returns={201: Request}, problems=(*SIGNED_IN, 404, 409), tag=TAG)
async def resolve(request: web.Request, *, path: DifferencePath, body: Resolution) -> Reply:
    """Ask for a decision about a difference.

    Nothing is booked before a second person agrees. A group of differences is asked about by POST
    /api/admin/requests, with its key as the subject.
    """
    who = await _proven(request)
    params = read_params(Act.RECONCILE, {"repair": body.repair.value, "operator_reference": body.operator_reference})
    try:
        made = await request.app[DESK].acts.ask(Act.RECONCILE, str(path.number), params, body.reason, who.email)
    except ActRefused as error:
        raise refused(error) from None
    return Reply(201, await _request(request, who, made), {"Location": f"/api/admin/requests/{made}"})


def setup(app: web.Application) -> None:
    """Serve `/api/admin/…`. The application needs DESK and VOTING_SERVICE."""
    router = app.router
    router.add_get("/api/admin/me", me)
    router.add_get("/api/admin/waiting", waiting)
    router.add_post("/api/admin/search", search)
    router.add_get("/api/admin/orders/{voteId}", order)
    router.add_post("/api/admin/orders/{voteId}/numbers", numbers)
    router.add_get("/api/admin/requests", requests)
    router.add_post("/api/admin/requests", new_request)
    router.add_get("/api/admin/requests/{requestId}", one_request)
    router.add_post("/api/admin/requests/{requestId}/decision", decision)
    router.add_get("/api/admin/refunds", refunds)
    router.add_get("/api/admin/held", held)
    router.add_post("/api/admin/voids/preview", void_preview)
    router.add_get("/api/admin/balances", balances)
    router.add_get("/api/admin/trial", trial)
    router.add_get("/api/admin/differences", differences)
    router.add_get("/api/admin/differences/groups", groups)
    router.add_get("/api/admin/statements", statements)
    router.add_post("/api/admin/differences/{number}", resolve)
