"""Pages for voters: a candidate with the form, and an order in progress.

They work without script. With it, the price follows the number of votes, the wallet the number that
is typed, and an order's page follows the order.
"""

from dataclasses import replace

from aiohttp import web
from markupsafe import Markup

from channels.buying import QUANTITY_DIGITS_MAX, is_mistyped, refusal_words
from channels.phrases import neighbours
from channels.voting_service import VOTING_SERVICE
from channels.web import own_orders, share
from channels.web.views import form_values, message, no_candidate, shared, show_order
from channels.web.vote_requests import (
    FORM_TYPE,
    Form,
    first_form,
    fresh_nonce,
    from_elsewhere,
    orderer_of,
    read_form,
    read_vote_id,
    read_vote_request,
    status_of,
    with_quantity,
)
from gateway.contests.contest import Candidate, Contest
from gateway.contests.pictures.keep_brands import Brands
from gateway.contests.pictures.photos import photo_of
from gateway.contests.sharing import page_path
from gateway.contests.videos import Delivery
from gateway.http.callers import DEVICES, PUBLIC_URL
from gateway.http.endpoint import read_body
from gateway.http.limits import LIMITS
from gateway.http.logs import bind_vote
from gateway.http.pages import PAGES, Pages, render
from gateway.http.problems import Problem
from gateway.orders.routing import Rails
from gateway.orders.rules import Refusal, check_window, least_votes
from gateway.values.numbers import whole_number
from leaderboard.routes import CONTEST_PARTS
from payments.collection.order_views import OrderView

DELIVERY: web.AppKey[Delivery | None] = web.AppKey("delivery")


def contest_form(contest: Contest, language: str, pages: Pages, rails: Rails) -> Markup:
    """The form on a contest's page. The page is sent to many, so its form has no nonce: the
    script makes one, and without script the voter sees everything once more before it is sent."""
    if not contest.eligible:
        return Markup("")
    values = form_values(contest, None, first_form(contest), rails.open_methods(contest.country), language)
    return pages.fragment("contest_form.html", language, values)


async def candidate_page(request: web.Request) -> web.Response:
    """A candidate, and the form to vote. 404."""
    contest, candidate = share.find(request) or (None, None)
    if contest is None or candidate is None:
        return no_candidate(request)
    waiting = own_orders.waiting(await own_orders.kept(request, contest))
    form, quantity = first_form(contest, fresh_nonce()), request.query.get("votes", "")
    if (number := whole_number(quantity, QUANTITY_DIGITS_MAX)) is not None:
        form = with_quantity(form, contest, str(number))
    return _show_candidate(request, contest, candidate, replace(form, again=waiting is not None), waiting=waiting)


async def place_order(request: web.Request) -> web.Response:
    """Sell what the form asks for: 303 to the order, or the form again with what is wrong."""
    service, code = request.app[VOTING_SERVICE], request.match_info.get("code")
    contest = service.contest(request.match_info["slug"])
    if contest is None or (code is not None and contest.candidate(code) is None):
        return no_candidate(request)
    if from_elsewhere(request):
        return message(request, 403, "elsewhere", contest)
    try:
        await request.app[LIMITS].web_vote(request)
        form = read_form(await read_body(request, FORM_TYPE))
    except Problem as fault:
        about = "too_many" if fault.status == 429 else "unreadable"
        return message(request, fault.status, about, contest, fault.headers)
    except ValueError:
        return message(request, 400, "unreadable", contest)
    candidate = contest.candidate(code or form.code)
    if candidate is None:
        return message(request, 422, "mistyped" if is_mistyped(contest, form.code) else "choose", contest)
    return await _sell(request, contest, candidate, form)


async def _sell(request: web.Request, contest: Contest, candidate: Candidate, form: Form) -> web.Response:
    language = request.app[PAGES].language_of(request, contest.language)
    devices = request.app[DEVICES]
    device = devices.read(request) or devices.fresh()
    vote_request = read_vote_request(
        form, contest, candidate, language, request.app[VOTING_SERVICE].rails, orderer_of(request, device)
    )
    if isinstance(vote_request, Refusal):
        return _show_candidate(request, contest, candidate, _ready(form), refusal=vote_request)
    if not form.again and (same := await own_orders.like_one_waiting(request, vote_request)):
        # Who left the page and came back, and sends the same once more, has ordered already.
        raise web.HTTPSeeOther(f"/votes/{same.vote_id}")
    if form.price not in ("", str(contest.price.amount_minor)):
        return _show_candidate(request, contest, candidate, _ready(form), check="price_changed")
    if not form.nonce:
        return _show_candidate(request, contest, candidate, _ready(form), check="check")
    placed = await request.app[VOTING_SERVICE].place_order(vote_request)
    if isinstance(placed, Refusal):
        least = least_votes(contest, vote_request.method, request.app[VOTING_SERVICE].rails)
        return _show_candidate(request, contest, candidate, form, refusal=placed, least=least)
    bind_vote(placed.vote_id, placed.payment_reference)
    address = f"/votes/{placed.vote_id}"
    if placed.conflicting:
        again = replace(form, nonce=fresh_nonce())
        return _show_candidate(request, contest, candidate, again, earlier=address)
    found = web.HTTPSeeOther(address)
    own_orders.keep(request, found, placed.vote_id)
    devices.keep(request, found, device)
    raise found


async def order_page(request: web.Request) -> web.Response:
    """An order as it stands now. 404."""
    service, vote_id = request.app[VOTING_SERVICE], read_vote_id(request.match_info["vote_id"])
    order = None if vote_id is None else await service.order(vote_id)
    if order is None:
        return message(request, 404, "no_vote")
    return show_order(request, order)


def _show_candidate(
    request: web.Request,
    contest: Contest,
    candidate: Candidate,
    form: Form,
    *,
    refusal: Refusal | None = None,
    least: int | None = None,
    earlier: str | None = None,
    check: str = "",
    waiting: OrderView | None = None,
) -> web.Response:
    """The candidate's page. `refusal`, `least`: what was wrong with the form; `earlier`: the address of the
    other order that this form has placed before; `check`: why to look at it and send it again;
    `waiting`: an order of this reader that waits for its payment."""
    service, language = request.app[VOTING_SERVICE], request.app[PAGES].language_of(request, contest.language)
    methods = service.rails.open_methods(contest.country)
    ranking = service.ranking(contest.slug)
    place = ranking.by_code.get(candidate.code)
    evicted = next((e for e in ranking.evicted if e.code == candidate.code), None)
    window, photo = check_window(contest, service.now()), photo_of(candidate)
    delivery = request.app[DELIVERY]
    film = delivery.film(candidate.video) if delivery and candidate.video and candidate.eligible else None
    return render(
        request,
        "candidate.html",
        status=409 if earlier else 200 if refusal is None else status_of(refusal),
        default_language=contest.language,
        pictures={shown.origin for shown in (photo, film) if shown is not None},
        videos=() if film is None else (film.origin,),
        photo=photo,
        film=film,
        place=place,
        evicted=evicted,
        hidden=ranking.hidden,
        closed=None if window is None else refusal_words(language, window, contest),
        earlier=earlier,
        check=check,
        waiting=waiting,
        share=shared(request, contest, candidate, language),
        qr=share.qr_inline(request.app.get(PUBLIC_URL, "") + page_path(contest, candidate)),
        **form_values(contest, candidate, form, methods, language, refusal, least),
    )


def _ready(form: Form) -> Form:
    """The form with a nonce, so that it can be sent from here."""
    return form if form.nonce else replace(form, nonce=fresh_nonce())


def setup(app: web.Application, pages: Pages, delivery: Delivery | None = None, brands: Brands | None = None) -> None:
    """Serve the voters' pages. The application needs VOTING_SERVICE, LIMITS and mounted `pages`. `delivery`: where
    videos are shown from; None: none is shown. `brands`: has the logos for pictures of pages."""
    app[DELIVERY] = delivery
    pages.add("channels.web")
    pages.add_neighbours(neighbours())
    own_orders.setup(app)
    service = app[VOTING_SERVICE]
    app[CONTEST_PARTS].append(lambda contest, language: contest_form(contest, language, pages, service.rails))
    app.router.add_post("/c/{slug}", place_order)
    app.router.add_get("/c/{slug}/{code:[0-9]{2,6}}", candidate_page)
    app.router.add_post("/c/{slug}/{code:[0-9]{2,6}}", place_order)
    app.router.add_get("/votes/{vote_id}", order_page)
    share.setup(app, brands)
