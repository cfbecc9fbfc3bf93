"""By whose clocks the back office shows times, and which moment of the past somebody looks at."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.http.callers import is_https
from gateway.values.scope import Scope, sees
from gateway.values.time_zones import FALLBACK

FIELD: Final = "asOf"
_COOKIE: Final = "as_of"
_PATH: Final = "/admin"
# What is shown by the clocks of any zone.
_YEARS: Final = range(1970, 9999)


def contests_of(request: web.Request, scope: Scope) -> list[Contest]:
    """The contests that somebody sees, of those that this service sells votes for."""
    held = request.app[VOTING_SERVICE].contests()
    return [contest for contest in held if sees(scope, organiser=contest.organiser_id, contest=contest.id)]


def zone_of(request: web.Request, scope: Scope) -> str:
    """The zone of all of these contests, where they have one in common."""
    zones = {contest.time_zone for contest in contests_of(request, scope)}
    return zones.pop() if len(zones) == 1 else FALLBACK


def read_instant(typed: str, zone: str = FALLBACK) -> datetime | None:
    """An instant as a field or a program writes it, in this zone where it names none; None for nothing. Raises
    ValueError, OverflowError."""
    if not typed:
        return None
    at = datetime.fromisoformat(typed)
    read = (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    if read.year not in _YEARS:
        raise ValueError("no moment of ours")
    return read


def chosen_moment(request: web.Request, zone: str) -> datetime | None:
    """The moment that this page is to show, by its address or as chosen before; None: now. Raises what
    `read_instant` raises."""
    return read_instant(request.query.get(FIELD, request.cookies.get(_COOKIE, "")), zone)


def keep_moment(request: web.Request, response: web.Response, chosen: datetime | None) -> None:
    """Let the pages that are opened next show the moment that this address names, until the browser is closed."""
    if FIELD not in request.query:
        return
    if chosen is None:
        forget_moment(response)
    else:
        written = chosen.isoformat()
        response.set_cookie(_COOKIE, written, path=_PATH, httponly=True, samesite="Strict", secure=is_https(request))


def forget_moment(response: web.StreamResponse) -> None:
    """Show the present from the next page on."""
    response.del_cookie(_COOKIE, path=_PATH)
