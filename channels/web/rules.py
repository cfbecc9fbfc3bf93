"""The rules of a contest for those who vote: every version in words, and as the document that is kept; and how
many paid votes are being checked."""

from typing import Final

from aiohttp import hdrs, web

from channels.voting_service import VOTING_SERVICE
from gateway.contests.rules import canonical
from gateway.contests.versions import RULES_VERSIONS, RulesVersions
from gateway.http.pages import not_found, render, unknown

# What is kept never changes; a version that is not there yet may come.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PAGE_CACHE: Final = "public, max-age=0, s-maxage=5"


async def rules_page(request: web.Request) -> web.StreamResponse:
    """Every version of a contest's rules in words, the newest first. 404."""
    contest = request.app[VOTING_SERVICE].contest(request.match_info["slug"])
    if contest is None:
        return not_found(request)
    rules = request.app[RULES_VERSIONS]
    return render(
        request,
        "rules.html",
        cache=_PAGE_CACHE,
        default_language=contest.language,
        contest=contest,
        versions=await rules.of(contest.id),
        held=await rules.held_votes(contest.id),
    )


async def rules_document(request: web.Request) -> web.StreamResponse:
    """A version of a contest's rules as its canonical text, of which its hash is made. 404."""
    contest = request.app[VOTING_SERVICE].contest(request.match_info["slug"])
    if contest is None:
        return unknown(request, "contest").response()
    number = int(request.match_info["version"])
    for one in await request.app[RULES_VERSIONS].of(contest.id):
        if one.version == number:
            headers = {hdrs.CACHE_CONTROL: _FOR_EVER, hdrs.ETAG: f'"{one.sha256.hex()}"'}
            return web.Response(body=canonical(dict(one.document)), content_type="application/json", headers=headers)
    return unknown(request, "rules").response()


def setup(app: web.Application, versions: RulesVersions) -> None:
    """Serve them. The application needs VOTING_SERVICE and mounted pages."""
    app[RULES_VERSIONS] = versions
    app.router.add_get("/c/{slug}/rules", rules_page)
    app.router.add_get("/c/{slug}/rules/{version:[1-9][0-9]{0,8}}.json", rules_document)
