"""The floors: the least that could do the same job, as servers of their own.

python -m tests.bench.floors PORT
"""

import asyncio
import sys
from functools import lru_cache
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import phonenumbers
import uvloop
from aiohttp import web
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from gateway.runtime.settings import environment
from gateway.storage.redis_link import RedisPipeline, connect, connect_for_pipeline

BOARD = orjson.dumps(
    {
        "contest": "star",
        "version": 1,
        "totalVotes": 0,
        "entries": [{"rank": 1, "code": f"{i:02d}", "name": "Awa Koné Traoré", "votes": 0} for i in range(12)],
    }
)
SCREEN = b"CON Star d'Abidjan: 1 vote = 100 FCFA\nTapez le code du candidat\n1 Candidats\n2 Classement\n3 Mes votes"


class Hop(BaseModel):
    """The fields of Africa's Talking."""

    model_config = ConfigDict(alias_generator=to_camel)

    session_id: str
    phone_number: str
    network_code: str = ""
    service_code: str = ""
    text: str = ""


@lru_cache(maxsize=65_536)
def number(text: str) -> str:
    return phonenumbers.format_number(phonenumbers.parse(text, "CI"), phonenumbers.PhoneNumberFormat.E164)


class Floors:
    """One process, every floor."""

    def __init__(self) -> None:
        self.redis = connect(environment()["REDIS_URL"])
        self.pipeline = RedisPipeline(connect_for_pipeline(environment()["REDIS_URL"]))
        self.pool: Any = None
        self.viewers: set[web.StreamResponse] = set()

    async def open(self, app: web.Application) -> None:
        dsn = environment()["DATABASE_URL"]
        self.pool = await asyncpg.create_pool(dsn, min_size=12, max_size=12)

    async def bare(self, request: web.Request) -> web.Response:
        return web.Response(body=BOARD, content_type="application/json")

    async def unchanged(self, request: web.Request) -> web.Response:
        return web.Response(status=304)

    async def hop_good(self, request: web.Request) -> web.Response:
        hop = Hop.model_validate(dict(await request.post()))
        key = f"{number(hop.phone_number)}:{hop.session_id}"
        await self.pipeline.command("SET", key, hop.text, "EX", 300, "GET")
        return web.Response(body=SCREEN, content_type="text/plain")

    async def hop_naive(self, request: web.Request) -> web.Response:
        hop = Hop.model_validate(dict(await request.post()))
        key = f"{number(hop.phone_number)}:{hop.session_id}"
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.get(key)
        pipeline.set(key, hop.text, ex=300)
        await pipeline.execute()
        return web.Response(body=SCREEN, content_type="text/plain")

    async def insert(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        vote = uuid4()
        await self.pool.execute(
            "insert into floor_orders (id, code, quantity, phone) values ($1, $2, $3, $4)",
            vote,
            body["candidateCode"],
            body["quantity"],
            body["voterPhone"],
        )
        return web.Response(status=201, body=orjson.dumps({"voteId": str(vote)}), content_type="application/json")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.viewers.add(response)
        try:
            await asyncio.sleep(3600)
        finally:
            self.viewers.discard(response)
        return response

    async def push(self, request: web.Request) -> web.Response:
        """One bare broadcast loop."""
        frame = await request.read()
        for position, viewer in enumerate(tuple(self.viewers), start=1):
            if (transport := viewer._req.transport if viewer._req else None) is not None:
                transport.write(b"%x\r\n%b\r\n" % (len(frame), frame))
            if position % 200 == 0:
                await asyncio.sleep(0)
        return web.Response()


def create_app() -> web.Application:
    floors = Floors()
    app = web.Application()
    app.on_startup.append(floors.open)
    app.router.add_get("/bare", floors.bare)
    app.router.add_get("/unchanged", floors.unchanged)
    app.router.add_post("/hop-good", floors.hop_good)
    app.router.add_post("/hop-naive", floors.hop_naive)
    app.router.add_post("/insert", floors.insert)
    app.router.add_get("/stream", floors.stream)
    app.router.add_post("/push", floors.push)
    return app


async def main(port: int) -> None:
    runner = web.AppRunner(create_app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
