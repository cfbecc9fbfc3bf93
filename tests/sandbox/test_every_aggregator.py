"""Every imitated aggregator against the translator of its messages: a handset's dial over each of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import channels.ussd.aggregators
from channels.ussd.aggregator import Phase, UssdAggregator, UssdTurn
from gateway.http.raw_exchange import RawRequest
from gateway.runtime.discovery import discover
from sandbox.app import SandboxSettings, create_sandbox
from tests.channels.ussd.service import MTN, MemorySessions, application, demo_service
from tests.contracts.test_every_ussd_aggregator import cases_of
from tests.rigs.voting_service import FakeVotingService

AGGREGATORS: Final[dict[str, UssdAggregator]] = discover(channels.ussd.aggregators)
JSON_CODES: Final = sorted(code for code, found in AGGREGATORS.items() if "application/json" in found.content_types)

every_aggregator = pytest.mark.parametrize("code", AGGREGATORS)
every_json_aggregator = pytest.mark.parametrize("code", JSON_CODES)


class Handset:
    """One phone of a country whose gateway is `app`."""

    def __init__(self, client: aiohttp.ClientSession, code: str) -> None:
        self.client = client
        self.code = code
        self.open = False

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        async with self.client.post(path, json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Any:
        async with self.client.get(path) as response:
            return await response.json()

    async def dial(self, code: str, **more: Any) -> str:
        return self._shown(await self.post(f"/phones/{MTN}/dial", {"code": code, "aggregator": self.code, **more}))

    async def reply(self, typed: str) -> str:
        return self._shown(await self.post(f"/phones/{MTN}/reply", {"input": typed}))

    def _shown(self, answer: tuple[int, Any]) -> str:
        status, body = answer
        assert status == 200, body
        self.open = body["open"]
        return str(body["screen"])

    async def order(self, **ussd: Any) -> None:
        status, body = await self.post("/control", {"ussd": ussd})
        assert status == 200, body

    async def violations(self) -> list[str]:
        return [violation["kind"] for violation in await self.get("/control/violations")]

    async def sent(self) -> list[Any]:
        """Requests to the gateway, oldest first."""
        return list(await self.get(f"/requests/{self.code}?direction=out"))

    async def sent_at_least(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while True:
                if len(sent := await self.sent()) >= count:
                    return sent
                await asyncio.sleep(0.01)

    async def falls_asleep(self) -> None:
        """The network ends the dialogue because nothing is typed."""
        async with asyncio.timeout(10):
            while True:
                if (await self.get(f"/phones/{MTN}"))["session"] is None:
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def handset(app: web.Application, code: str, home: Path, secret: str = "") -> AsyncIterator[Handset]:
    credentials = {code: {"shared_secret": secret}} if secret else {}
    async with TestServer(app) as gateway:
        settings = SandboxSettings(home, gateway_url=str(gateway.make_url("")).rstrip("/"), credentials=credentials)
        async with (
            TestServer(create_sandbox(settings)) as country,
            aiohttp.ClientSession(country.make_url("/")) as client,
        ):
            yield Handset(client, code)


def gateway_of(service: FakeVotingService, code: str, secret: str | None = None) -> web.Application:
    return application(service, MemorySessions(), aggregator=AGGREGATORS[code], secret=secret)


def gateway_that_says(code: str, say: Callable[[UssdTurn], Awaitable[web.Response]]) -> web.Application:
    """Reads as the aggregator writes, and answers anything but notices with whatever is asked."""
    aggregator = AGGREGATORS[code]

    async def answer(request: web.Request) -> web.Response:
        raw = RawRequest(
            request.method,
            request.path,
            request.headers,
            await request.read(),
            dict(await request.post()),  # type: ignore[arg-type] # no files here
        )
        turn = aggregator.read(raw)
        assert isinstance(turn, UssdTurn)
        if turn.phase is Phase.END:
            return web.Response()
        return await say(turn)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


def shape(value: Any) -> Any:
    """Names and types of a message."""
    return {name: shape(held) for name, held in value.items()} if isinstance(value, dict) else type(value).__name__


def test_each_aggregator_has_its_sandbox(tmp_path: Path) -> None:
    phones = create_sandbox(SandboxSettings(tmp_path))
    served = {resource.canonical.strip("/") for resource in phones.router.resources()}
    assert set(AGGREGATORS) <= served


@every_aggregator
async def test_a_vote_screen_after_screen(code: str, tmp_path: Path) -> None:
    service = demo_service()
    async with handset(gateway_of(service, code), code, tmp_path) as phone:
        assert "Star d'Abidjan" in await phone.dial("*789#")
        assert "Combien de votes?" in await phone.reply("07")
        assert "1 Payer MTN MoMo" in await phone.reply("5")
        assert "code secret MTN MoMo" in await phone.reply("1")
        assert not phone.open
        assert await phone.violations() == []
        assert {call["status"] for call in await phone.sent()} == {200}
    assert service.sold() == [("07", 5, MTN)]


@every_aggregator
async def test_a_vote_in_one_dial_or_in_what_the_dial_left_over(code: str, tmp_path: Path) -> None:
    service = demo_service()
    async with handset(gateway_of(service, code), code, tmp_path) as phone:
        await phone.dial("*789*07*5*1#")
        for typed in ("07", "5", "1"):
            if phone.open:
                await phone.reply(typed)
        assert not phone.open
        assert await phone.violations() == []
    assert service.sold() == [("07", 5, MTN)]


@every_aggregator
async def test_a_dial_whose_tail_is_lost_shows_the_first_screen(code: str, tmp_path: Path) -> None:
    async with handset(gateway_of(demo_service(), code), code, tmp_path) as phone:
        await phone.order(deep_dial="lost")
        assert "Star d'Abidjan" in await phone.dial("*789*07*5*1#")
        assert phone.open


@every_aggregator
async def test_repeated_hops_are_one_vote(code: str, tmp_path: Path) -> None:
    service = demo_service()
    async with handset(gateway_of(service, code), code, tmp_path) as phone:
        await phone.order(repeat_hop=True)
        await phone.dial("*789#")
        for typed in ("07", "5", "1"):
            # The clock of this service stands still; a person needs some seconds.
            service.pass_time(3)
            await phone.reply(typed)
        assert await phone.violations() == []
    assert service.sold() == [("07", 5, MTN)]


@every_json_aggregator
async def test_its_messages_are_those_of_the_case_file(code: str, tmp_path: Path) -> None:
    known: dict[str, list[Any]] = {"first_hop": [], "next_hop": []}
    for case in cases_of(code):
        bodies = [e["request"]["body"] for e in case["exchanges"]]
        known["first_hop"].append(shape(bodies[0]))
        known["next_hop"] += [shape(body) for body in bodies[1:]]
    async with handset(gateway_of(demo_service(), code), code, tmp_path) as phone:
        await phone.dial("*789#")
        await phone.reply("07")
        first, second = [shape(json.loads(call["body"])) for call in await phone.sent()]
    assert first in known["first_hop"]
    assert second in known["next_hop"]


@every_aggregator
async def test_a_caller_that_hangs_up_or_sleeps_breaks_nothing(code: str, tmp_path: Path) -> None:
    service = demo_service()
    async with handset(gateway_of(service, code), code, tmp_path) as phone:
        await phone.dial("*789#")
        await phone.post(f"/phones/{MTN}/hangup", {})
        await phone.order(idle_seconds=0.02)
        await phone.dial("*789#")
        await phone.falls_asleep()
        await phone.order(idle_seconds=60)
        notices = [case for case in cases_of(code) if case["kind"] == "timeout_notice"]
        is_notified = any(exchange["answer"]["contains"] == [] for case in notices for exchange in case["exchanges"])
        sent = await phone.sent_at_least(4 if is_notified and code in JSON_CODES else 2)
        assert {call["status"] for call in sent} == {200}
        assert "Star d'Abidjan" in await phone.dial("*789#")
        assert await phone.violations() == []


@every_json_aggregator
@pytest.mark.parametrize(
    ("screen", "kind"), [("x" * 161, "too_long"), ("€" * 81, "too_long"), ("garçon", "alphabet"), (" ", "empty")]
)
async def test_a_screen_that_no_network_shows(code: str, screen: str, kind: str, tmp_path: Path) -> None:
    async def says(turn: UssdTurn) -> web.Response:
        raw = AGGREGATORS[code].write(screen, more=True, turn=turn)
        return web.Response(body=raw.body, content_type=raw.content_type)

    async with handset(gateway_that_says(code, says), code, tmp_path) as phone:
        assert "indisponible" in await phone.dial("*789#")
        assert not phone.open
        assert await phone.violations() == [kind]


@every_json_aggregator
@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (500, "{}", "http_status"),
        (200, "CON Bonjour", "shape"),
        (200, "[]", "shape"),
        (200, "{}", "shape"),
        (200, "", "shape"),
    ],
)
async def test_an_answer_that_is_none(code: str, status: int, text: str, kind: str, tmp_path: Path) -> None:
    async def says(_: UssdTurn) -> web.Response:
        return web.Response(status=status, text=text, content_type="application/json")

    async with handset(gateway_that_says(code, says), code, tmp_path) as phone:
        await phone.dial("*789#")
        assert not phone.open
        assert await phone.violations() == [kind]


@every_json_aggregator
async def test_every_part_of_an_answer_is_wanted(code: str, tmp_path: Path) -> None:
    left_out = ""

    async def says(turn: UssdTurn) -> web.Response:
        fields = json.loads(AGGREGATORS[code].write("Bonjour", more=True, turn=turn).body)
        fields.pop(left_out, None)
        return web.json_response(fields)

    turn = AGGREGATORS[code].write("Bonjour", more=True, turn=None)
    async with handset(gateway_that_says(code, says), code, tmp_path) as phone:
        assert (await phone.dial("*789#"), phone.open) == ("Bonjour", True)
        for name in json.loads(turn.body):
            if name == "ClientState":
                # The one thing that an answer may leave out.
                continue
            left_out = name
            await phone.dial("*789#")
            assert not phone.open, name
        assert set(await phone.violations()) == {"shape"}


@every_json_aggregator
async def test_an_answer_that_comes_too_late_or_never(code: str, tmp_path: Path) -> None:
    async def says(_: UssdTurn) -> web.Response:
        await asyncio.sleep(0.2)
        return web.json_response({})

    async with handset(gateway_that_says(code, says), code, tmp_path) as phone:
        await phone.order(answer_seconds=0.05)
        await phone.dial("*789#")
        assert not phone.open
        assert await phone.violations() == ["no_answer"]


@every_aggregator
async def test_the_shared_word_travels_with_every_request(code: str, tmp_path: Path) -> None:
    app = gateway_of(demo_service(), code, secret="wörd & more")
    async with handset(app, code, tmp_path, secret="wörd & more") as phone:
        assert "Star d'Abidjan" in await phone.dial("*789#")
        assert "Combien" in await phone.reply("07")


@every_aggregator
async def test_the_country_may_be_set_to_one_aggregator(code: str, tmp_path: Path) -> None:
    async with handset(gateway_of(demo_service(), code), code, tmp_path) as phone:
        await phone.order(aggregator=code)
        assert "Star d'Abidjan" in await phone.dial("*789#", aggregator=None)
        assert len(await phone.sent()) == 1


@pytest.mark.parametrize("unknown", ["unknown", "", 7, ["hubtel"], {"a": 1}])
async def test_an_unknown_aggregator(unknown: Any, tmp_path: Path) -> None:
    async with handset(gateway_of(demo_service(), "africastalking"), "africastalking", tmp_path) as phone:
        status, problem = await phone.post(f"/phones/{MTN}/dial", {"code": "*789#", "aggregator": unknown})
        assert status == 400
        assert "africastalking" in problem["detail"]
