"""What keeps a contest from selling votes, as the lint finds it beside the contests that there are."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from aiohttp import web

from channels.lint import Finding, Level
from channels.lint import lint as run_lint
from channels.lint.findings import error
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest, ContestState
from gateway.contests.service_codes import menu_numbers
from gateway.http.callers import PUBLIC_URL


async def checked(request: web.Request, contest: Contest) -> tuple[Finding, ...]:
    """What is wrong with a contest, errors first, in another thread: it may take a second."""
    service = request.app[VOTING_SERVICE]
    now = service.now()
    others = [other for other in service.contests() if other.id != contest.id and other.closes_at > now]
    work = partial(
        run_lint,
        as_published(contest, others, now),
        others=others,
        rails=service.rails,
        now=now,
        public_url=request.app.get(PUBLIC_URL, ""),
        walked=False,
    )
    report = await asyncio.to_thread(work)
    return (*moved_numbers(contest, others, now), *report.findings)


def as_published(contest: Contest, others: Sequence[Contest], now: datetime) -> Contest:
    """The contest as voters will have it, with its number where several share its service code."""
    shown = replace(contest, state=ContestState.PUBLISHED, _by_code={})
    if not shown.service_code:
        return shown
    sharing = [shown, *(other for other in others if other.service_code == shown.service_code)]
    return replace(shown, menu_number=menu_numbers(sharing, now).get(shown.slug), _by_code={})


def moved_numbers(contest: Contest, others: Sequence[Contest], now: datetime) -> Iterator[Finding]:
    """Contests whose number behind a shared service code a draft would take: it stands on posters."""
    if contest.state is not ContestState.DRAFT or not contest.service_code:
        return
    sharing = [other for other in others if other.service_code == contest.service_code]
    after = menu_numbers([contest, *sharing], now)
    for slug, number in menu_numbers(sharing, now).items():
        if after.get(slug) != number:
            text = f"the number of {slug} behind {contest.service_code} would change: open after it"
            yield error("times", text, "number_moves", contest=slug, code=contest.service_code)


async def hindrances(request: web.Request, contest: Contest) -> list[Finding]:
    """The errors alone: while there is one, the contest is not published."""
    return [finding for finding in await checked(request, contest) if finding.level is Level.ERROR]
