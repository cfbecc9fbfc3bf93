"""A running simulated country and a stub gateway, for tests of the imitated operators."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from gateway.http.raw_exchange import RawRequest
from sandbox.app import SandboxSettings, create_sandbox

PAYER = "0501020304"


class Patient(TestServer):
    """A server that ends what it began when its caller gives up, as `web.run_app` does."""

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return await super()._make_runner(**{**options, "handler_cancellation": False})


class Country:
    """`calls`: what the stub gateway received, as (method, path, parsed body); `received`: the same as
    it went over the wire. `answers`: what it says on a path, when not the usual. `credentials`: what each
    company issued; `{gateway}` in one stands for the gateway's address."""

    def __init__(self, data_dir: Path, credentials: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._data_dir = data_dir
        self._credentials = credentials or {}
        self.calls: list[tuple[str, str, Any]] = []
        self.raw: list[tuple[bytes, str]] = []
        self.received: list[RawRequest] = []
        self.answers: dict[str, Callable[[Any], Awaitable[web.Response]]] = {}

    async def __aenter__(self) -> Self:
        gateway = web.Application()
        gateway.router.add_route("*", "/{path:.*}", self._receive)
        self._gateway = TestServer(gateway)
        await self._gateway.start_server()
        await self.start()
        return self

    async def start(self) -> None:
        issued = {
            code: {name: value.replace("{gateway}", self.gateway_url) for name, value in values.items()}
            for code, values in self._credentials.items()
        }
        settings = SandboxSettings(self._data_dir, gateway_url=self.gateway_url, credentials=issued)
        self._server = Patient(create_sandbox(settings))
        await self._server.start_server()
        self.client = aiohttp.ClientSession(self._server.make_url("/"))
        await self.order(prompt_delay_ms=0, status={"rate_limit_per_second": 0})

    async def stop(self) -> None:
        await self.client.close()
        await self._server.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self._gateway.close()

    @property
    def gateway_url(self) -> str:
        return str(self._gateway.make_url("")).rstrip("/")

    @property
    def address(self) -> URL:
        """Where the country listens."""
        return self._server.make_url("/")

    async def _receive(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if request.content_type == "application/json" else dict(await request.post())
        self.calls.append((request.method, request.path, body))
        self.raw.append((await request.read(), request.path_qs))
        heads = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(RawRequest(request.method, request.path, heads, await request.read()))
        if request.path in self.answers:
            return await self.answers[request.path](body)
        return web.Response(text="CON Star d'Abidjan" if request.path.startswith("/ussd") else "")

    def bodies(self, path: str) -> list[Any]:
        """What was posted to one path."""
        return [body for _, called, body in self.calls if called == path]

    async def order(self, **faults: Any) -> Any:
        async with self.client.post("/control", json=faults) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def json(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON of an answer; None for an empty one."""
        async with self.client.request(method, path, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def phone(self, path: str, body: Mapping[str, object] | None = None, number: str = PAYER) -> tuple[int, Any]:
        if body is None:
            return await self.json("GET", f"/phones/{number}/{path}")
        return await self.json("POST", f"/phones/{number}/{path}", json=body)

    async def until(self, happened: Callable[[], Any], seconds: float = 3) -> Any:
        async with asyncio.timeout(seconds):
            while True:
                if found := happened():
                    return found
                await asyncio.sleep(0.005)

    async def prompt(self, number: str = PAYER) -> Any:
        async with asyncio.timeout(3):
            while True:
                _, prompt = await self.phone("prompt", number=number)
                if prompt is not None:
                    return prompt
                await asyncio.sleep(0.005)
