"""`/crowd`: start a crowd, watch it, stop it. One at a time."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sandbox.crowd.plan import Stage, make_plan
from sandbox.crowd.run import Crowd
from sandbox.phones.api import Problem, bad, read_body

_log = logging.getLogger(__name__)

_CALL_SECONDS: Final = 30.0
_CONNECTIONS: Final = 200
SEED_MAX: Final = 1_000_000


class State(StrEnum):
    """Where a crowd stands."""

    NONE = "none"
    VOTING = "voting"
    ENDED = "ended"
    STOPPED = "stopped"
    FAILED = "failed"


class _Wanted(BaseModel):
    """A crowd. `minutes`: in which all begin to vote; `seed`: the same gives the same crowd, drawn where it is not
    given; `contest`: its slug."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    voters: int = Field(2000, ge=1, le=20_000)
    minutes: float = Field(5, gt=0, le=600)
    seed: int | None = Field(None, ge=0)
    contest: str = Field("star", pattern=r"^[a-z0-9-]{1,64}$")


class CrowdApi:
    """Holds the crowd that votes, or the last one. `gateway`: without a trailing slash."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._client: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._crowd: Crowd | None = None
        self._wanted: dict[str, object] = {}
        self._state = State.NONE

    def add_to(self, app: web.Application) -> None:
        """Serve it."""
        app.cleanup_ctx.append(self._running)
        app.router.add_get("/crowd", self.show)
        app.router.add_post("/crowd", self.start)
        app.router.add_post("/crowd/stop", self.stop)

    async def _running(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=_CALL_SECONDS),
        ) as self._client:
            yield
            await self._end()

    async def show(self, _: web.Request) -> web.Response:
        """What the crowd did so far."""
        return web.json_response(self._shown())

    def _shown(self) -> dict[str, object]:
        figures = self._crowd.figures if self._crowd else None
        return {"state": self._state, **self._wanted, **(figures.shown() if figures else {})}

    async def start(self, request: web.Request) -> web.Response:
        """Let a crowd vote; 409 while one does, 404 without such a contest."""
        wanted = await read_body(request, _Wanted)
        if self._client is None or self._state is State.VOTING:
            raise Problem(409, "A crowd is voting", "Stop it first, or wait until it has ended.")
        seed = random.randrange(SEED_MAX) if wanted.seed is None else wanted.seed  # noqa: S311 - nothing secret
        stage = await self._stage(self._client, wanted.contest)
        try:
            plan = make_plan(stage, wanted.voters, wanted.minutes * 60, seed)
        except ValueError as error:
            raise bad(str(error)) from None
        country = str(request.url.origin())
        self._crowd = Crowd(self._client, country, self._gateway, stage, plan)
        self._wanted = wanted.model_dump() | {"seed": seed}
        self._state = State.VOTING
        self._task = asyncio.create_task(self._vote(self._crowd))
        return web.json_response(self._shown(), status=202)

    async def _stage(self, client: aiohttp.ClientSession, slug: str) -> Stage:
        """The contest as the gateway's API shows it. Raises Problem."""
        address = f"{self._gateway}/api/contests/{slug}"
        try:
            async with client.get(address) as one, client.get(f"{address}/candidates") as many:
                if one.status == 404:
                    raise Problem(404, "Not found", f"The gateway has no contest {slug}.")
                one.raise_for_status()
                many.raise_for_status()
                card, listed = await one.json(), await many.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Problem(502, "The gateway does not answer", str(error)) from None
        return Stage(
            slug=slug,
            country=card["country"],
            service_code=card["serviceCode"],
            short_code=card["shortCode"],
            keyword=card["keyword"] or "VOTE",
            candidates=tuple(one["code"] for one in listed["candidates"]),
            quantity_max=card["quantityMax"],
        )

    async def _vote(self, crowd: Crowd) -> None:
        ended = State.FAILED
        try:
            await crowd.run()
            ended = State.ENDED
        except asyncio.CancelledError:
            ended = State.STOPPED
            raise
        except Exception:
            _log.exception("the crowd failed")
        finally:
            self._state = ended

    async def stop(self, _: web.Request) -> web.Response:
        """Stop the crowd: no more votes are tried; what is paid is counted as ever."""
        await self._end()
        return web.json_response(self._shown())

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
