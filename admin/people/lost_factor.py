"""A lost second factor, by page and by API: one person asks, another agrees, and its owner may stop it by a link."""

from typing import Final

from aiohttp import web
from pydantic import Field

from admin.access.auth_api import TAG, from_ours
from admin.access.guard import Form, Me, form, from_elsewhere, say, see_other, show, without_referrer
from admin.access.tokens import AUTH_PATH
from admin.answers import staff_endpoint
from admin.people.factor_resets import FactorResets
from admin.people.links_api import LinkPath
from admin.people.people import API as PEOPLE_API
from admin.people.people import PAGE as PEOPLE_PAGE
from admin.people.people import PEOPLE, PersonPath, answered, meant, people_page, people_shown
from admin.people.rules import PeopleRefused
from admin.people.store import PersonLine
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, endpoint
from payments.requests import Right

PAGE: Final = f"{PEOPLE_PAGE}/{{person}}/factor"
API: Final = f"{PEOPLE_API}/{{person}}/factor-reset"
LINK: Final = "/admin/factor-reset/{token}"
LINK_API: Final = f"{AUTH_PATH}/factor-reset/{{token}}"
FACTOR_RESETS: web.AppKey[FactorResets] = web.AppKey("factor_resets", FactorResets)


class LostFactor(InputModel):
    """Why a second factor is taken away."""

    reason: Line = Field(max_length=500)


class FactorKept(ApiModel):
    """The second factor stays as it is."""

    stopped: bool = True


@staff_endpoint(
    Right.MANAGE_STAFF,
    proof=True,
    path=PersonPath,
    body=LostFactor,
    returns={201: PersonLine},
    problems=(404, 409, 422),
)
async def ask(request: web.Request, me: Me, *, path: PersonPath, body: LostFactor) -> Reply:
    """Ask that a lost second factor is taken away.

    By an owner or administrator of the platform, or by an owner of the person's organiser. Nothing happens before
    another one agrees, within 24 hours.
    """
    await answered(request.app[FACTOR_RESETS].ask(me.email, path.person, body.reason))
    return Reply(201, await answered(request.app[PEOPLE].person(path.person, me.scope)))


@staff_endpoint(Right.MANAGE_STAFF, proof=True, path=PersonPath, returns={200: PersonLine}, problems=(404, 409))
async def agree(request: web.Request, me: Me, *, path: PersonPath) -> Reply:
    """Agree that a lost second factor is taken away.

    By another person than the one who asked. Whose factor it is gets a mail at once; it is taken away 24 hours later,
    unless they stop it by the link of the mail or sign in with the factor. All their sessions end then.
    """
    await answered(request.app[FACTOR_RESETS].agree(me.email, path.person))
    return Reply(200, await answered(request.app[PEOPLE].person(path.person, me.scope)))


@staff_endpoint(Right.MANAGE_STAFF, proof=True, path=PersonPath, returns={200: PersonLine}, problems=(404,))
async def stop(request: web.Request, me: Me, *, path: PersonPath) -> Reply:
    """Leave a second factor as it is, though it was asked to be taken away."""
    await answered(request.app[FACTOR_RESETS].stop(me.email, path.person))
    return Reply(200, await answered(request.app[PEOPLE].person(path.person, me.scope)))


@endpoint(path=LinkPath, returns={200: FactorKept}, problems=(403, 404, 503), tag=TAG, guard=from_ours)
async def stop_by_api(request: web.Request, *, path: LinkPath) -> Reply:
    """Keep one's own second factor, by the link of a mail."""
    await answered(request.app[FACTOR_RESETS].stop_by_link(path.token))
    return Reply(200, FactorKept())


@form(Right.MANAGE_STAFF, proof=True)
async def change_by_page(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Ask, agree, or leave the second factor as it is."""
    resets, step = request.app[FACTOR_RESETS], fields.get("step")
    try:
        person = meant(request, "person")
        if step == "agree":
            await resets.agree(me.email, person)
        elif step == "stop":
            await resets.stop(me.email, person)
        else:
            await resets.ask(me.email, person, fields.get("reason", ""))
    except PeopleRefused as error:
        return await people_shown(request, me, fault=error.fault)
    return see_other(PEOPLE_PAGE)


async def link_page(request: web.Request) -> web.StreamResponse:
    """Where the link of the mail leads. 404 for one that is over."""
    held = await request.app[FACTOR_RESETS].find(request.match_info["token"])
    if held is None:
        return _over(request)
    return without_referrer(show(request, None, "access/factor_reset.html", held=held, stopped=False))


async def stop_by_link(request: web.Request) -> web.StreamResponse:
    """Keep one's own second factor. Reading the page alone does nothing."""
    if from_elsewhere(request):
        return say(request, 403, "elsewhere")
    try:
        await request.app[FACTOR_RESETS].stop_by_link(request.match_info["token"])
    except PeopleRefused:
        return _over(request)
    return without_referrer(show(request, None, "access/factor_reset.html", stopped=True))


def _over(request: web.Request) -> web.Response:
    return without_referrer(say(request, 404, "link_over"))


def setup(app: web.Application) -> None:
    """Serve them. The application needs ACCESS, FACTOR_RESETS, PEOPLE and mounted pages."""
    router = app.router
    router.add_post(API, ask)
    router.add_post(f"{API}/agreement", agree)
    router.add_delete(API, stop)
    router.add_post(LINK_API, stop_by_api)
    router.add_post(PAGE, change_by_page)
    # Where a form leads whose sender had to sign in again.
    router.add_get(PAGE, people_page)
    router.add_get(LINK, link_page)
    router.add_post(LINK, stop_by_link)
