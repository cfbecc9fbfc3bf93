"""The simulated country: phones, aggregator and operators in one process, over real HTTP.

It stands in for everything outside the gateway, so that the gateway runs the same code as in
production. Operators do not know the phones, nor the phones the operators; here an operator is
given the phones it prompts, and everybody the one client that calls the gateway.
"""

import asyncio
import importlib
import json
import logging
import os
import pkgutil
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

import aiohttp
import uvloop
from aiohttp import web
from aiohttp.typedefs import Middleware
from dotenv import dotenv_values
from pydantic import ValidationError

import sandbox.aggregators
import sandbox.carriers
import sandbox.operators
import sandbox.telegram
from sandbox.operators.book import Book
from sandbox.operators.faults import FaultBoard, merged
from sandbox.operators.surroundings import Operator
from sandbox.operators.surroundings import Surroundings as PaymentSurroundings
from sandbox.phones.api import PhoneApi, add_page, problem, readable_only
from sandbox.phones.faults import ChannelFaults
from sandbox.phones.handset import Phones
from sandbox.phones.numbers import read_number
from sandbox.phones.surroundings import Channel, Company, instant
from sandbox.phones.surroundings import Surroundings as ChannelSurroundings

_log = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ABOUT: Final = web.RequestKey("about", str)
_CALLS_KEPT: Final = 5000
_EXCHANGES_KEPT: Final = 40
_BODY_KEPT: Final = 4096
# A photo of 10 MB for Telegram, and the form around it.
_BODY_BYTES_MAX: Final = 11 * 1024 * 1024
_CONNECTIONS: Final = 100
_SECRET_HEADERS: Final = frozenset(
    {"Authorization", "Ocp-Apim-Subscription-Key", "apiKey", "Apikey", "X-AUTH-TOKEN", "Cookie"}
)


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where the country listens, keeps its books and finds the gateway.

    `credentials`: per company what was issued to the gateway's owner; absent ones are not checked.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8081
    gateway_url: str = "http://127.0.0.1:8080"
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "SandboxSettings":
        """Read `SPOTLIGHT_SANDBOX_PORT`, `HOST`, `SPOTLIGHT_DATA_DIR`, `SPOTLIGHT_GATEWAY_URL` and each
        company's own names (`MTN_MOMO_API_KEY` → `mtn_momo`, `api_key`). Raises ValueError."""
        codes = [*(c.code for c in _companies()), *(o.code for o in _operators())]
        return cls(
            data_dir=Path(values.get("SPOTLIGHT_DATA_DIR") or ".spotlight"),
            host=values.get("HOST") or "127.0.0.1",
            port=int(values.get("SPOTLIGHT_SANDBOX_PORT") or 8081),
            gateway_url=(values.get("SPOTLIGHT_GATEWAY_URL") or "http://127.0.0.1:8080").rstrip("/"),
            credentials={code: _issued(values, f"{code.upper()}_") for code in codes},
        )


def _issued(values: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix).lower(): v for name, v in values.items() if name.startswith(prefix) and v}


def _found(package: ModuleType, kind: type[T]) -> list[T]:
    names = (f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__))
    values = (getattr(importlib.import_module(name), "SANDBOX", None) for name in names)
    return [value for value in values if isinstance(value, kind)]


def _operators() -> list[Operator]:
    return _found(sandbox.operators, Operator)


def _companies() -> list[Company]:
    found = [*_found(sandbox.aggregators, Company), *_found(sandbox.carriers, Company), sandbox.telegram.SANDBOX]
    return sorted(found, key=lambda company: company.code)


class Courier:
    """The one HTTP client that calls the gateway, the record of all calls, and work in flight."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self.calls: defaultdict[str, deque[dict[str, object]]] = defaultdict(lambda: deque(maxlen=_CALLS_KEPT))
        self._about: defaultdict[str, deque[dict[str, object]]] = defaultdict(lambda: deque(maxlen=_EXCHANGES_KEPT))

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Hold the client open while the application runs; then drop what is still in flight."""
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "simulated-country"}
        )
        yield
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def deliver(
        self,
        party: str,
        method: str,
        url: str,
        *,
        body: bytes,
        content_type: str,
        within: float,
        about: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Send once. Returns the HTTP status and text; status 0 and the error when no answer came."""
        if self._session is None:
            return 0, "the country is not running"
        started = time.monotonic()
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers={**(headers or {}), "Content-Type": content_type},
                timeout=aiohttp.ClientTimeout(total=within),
                allow_redirects=False,
            ) as response:
                status, text = response.status, await response.text(errors="replace")
        except TimeoutError:
            status, text = 0, f"no answer within {within:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        self.record(party, "out", method, url, body, status, text, about, time.monotonic() - started)
        return status, text

    def record(
        self,
        party: str,
        direction: str,
        method: str,
        url: str,
        body: bytes,
        status: int,
        text: str,
        about: str,
        seconds: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep one call: `in` from the gateway, `out` to it."""
        call: dict[str, object] = {
            "at": instant(),
            "party": party,
            "direction": direction,
            "method": method,
            "url": url,
            "body": body[:_BODY_KEPT].decode("utf-8", "replace"),
            "status": status,
            "answer": text[:_BODY_KEPT],
            "about": about,
            "milliseconds": round(seconds * 1000, 1),
        }
        if headers is not None:
            call["headers"] = {k: "…" if k in _SECRET_HEADERS else v for k, v in headers.items()}
        self.calls[party].append(call)
        if about:
            self._about[about].append(call)

    def note(self, party: str, word: str, about: str, detail: str) -> None:
        """Keep an event that is not a call."""
        event: dict[str, object] = {
            "at": instant(),
            "party": party,
            "direction": "note",
            "note": word,
            "about": about,
            "detail": detail,
        }
        self.calls[party].append(event)
        self._about[about].append(event)

    def exchange(self, about: str) -> list[dict[str, object]]:
        """The last calls that concerned one phone, oldest first."""
        return list(self._about[about]) if about in self._about else []

    def concerns(self, request: web.Request, msisdn: str) -> None:
        """Say which phone a received request is about, for the record."""
        request[_ABOUT] = msisdn

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background until done or until the process stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background work failed", exc_info=error)

    def later(self, seconds: float, then: Callable[[], object]) -> Callable[[], None]:
        """Call `then` after so many seconds; the returned function cancels that."""

        def call() -> None:
            self._timers.discard(timer)
            then()

        def cancel() -> None:
            self._timers.discard(timer)
            timer.cancel()

        timer = asyncio.get_running_loop().call_later(seconds, call)
        self._timers.add(timer)
        return cancel


class Desk:
    """`/control`, statements and the record of calls."""

    def __init__(self, book: Book, board: FaultBoard, channel: Channel, courier: Courier, operators: list[str]) -> None:
        self._book = book
        self._board = board
        self._channel = channel
        self._courier = courier
        self._operators = operators

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Routes of the country itself, which stand for nothing outside."""
        router.add_get("/healthz", self.show_health)
        router.add_get("/control", self.show)
        router.add_post("/control", self.order)
        router.add_get("/control/violations", self.show_violations)
        router.add_get("/statement/{provider}.csv", self.show_statement)
        router.add_get("/requests/{provider}", self.show_requests)

    async def show_health(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def show(self, _: web.Request) -> web.Response:
        """Everything that is ordered."""
        return web.json_response(self._state())

    def _state(self) -> dict[str, object]:
        return {**self._board.state(), **self._channel.faults.model_dump(), "balances": self._book.balances()}

    async def order(self, request: web.Request) -> web.Response:
        """Lay the given keys over what is in force; `{"reset": true}` first restores the defaults."""
        try:
            patch = json.loads((await request.read()).decode("utf-8"))
        except (ValueError, RecursionError):
            return problem(400, "Bad request", "The body must be JSON.")
        if not isinstance(patch, dict):
            return problem(400, "Bad request", "The body must be a JSON object.")
        known = self._board.names() | set(ChannelFaults.model_fields) | {"reset", "balances"}
        if unknown := sorted(set(patch) - known):
            return problem(400, "Bad request", f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
        try:
            self._merge(patch)
        except (ValidationError, ValueError, TypeError, AttributeError) as error:
            return problem(400, "Bad request", str(error))
        return web.json_response(self._state())

    def _merge(self, patch: dict[str, Any]) -> None:
        balances = _read_balances(patch.pop("balances", {}))
        if patch.pop("reset", False) is True:
            self._board.reset()
            self._channel.reset()
            self._book.forget_balances()
        ordered = {key: value for key, value in patch.items() if key in ChannelFaults.model_fields}
        faults = ChannelFaults.model_validate(merged(self._channel.faults.model_dump(), ordered))
        self._board.merge({key: value for key, value in patch.items() if key not in ordered})
        self._channel.faults = faults
        for msisdn, balance in balances.items():
            for operator in self._operators:
                self._book.set_balance(operator, msisdn, balance)

    async def show_violations(self, _: web.Request) -> web.Response:
        """What the gateway did against the aggregator's rules."""
        return web.json_response(list(self._channel.violations))

    async def show_statement(self, request: web.Request) -> web.Response:
        """What an operator says it collected."""
        code = request.match_info["provider"]
        if code not in self._operators:
            return problem(404, "Not found", f"Operators: {', '.join(self._operators)}.")
        return web.Response(text=self._book.statement(code), content_type="text/csv")

    async def show_requests(self, request: web.Request) -> web.Response:
        """Calls received and made by one company, oldest first; `?direction=in` for received ones only."""
        wanted = request.query.get("direction")
        calls = self._courier.calls.get(request.match_info["provider"], ())
        return web.json_response([call for call in calls if wanted in (None, call["direction"])])


def _read_balances(given: object) -> dict[str, int]:
    if not isinstance(given, dict):
        raise TypeError("balances: a number of a phone → an amount")
    balances = {}
    for number, amount in given.items():
        msisdn = read_number(number)
        if msisdn is None or type(amount) is not int or abs(amount) > 10**15:
            raise ValueError(f"balances: {number!r} is no phone number, or its amount is no integer")
        balances[msisdn] = amount
    return balances


def _recorder(courier: Courier, codes: frozenset[str]) -> Middleware:
    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep every call to a company, its answer included."""
        code = request.path.split("/", 2)[1]
        if code not in codes:
            return await handler(request)
        started = time.monotonic()
        body = await request.read()
        status, text = 0, "connection cut"
        try:
            response = await handler(request)
            if request.transport is not None and not request.transport.is_closing():
                status = response.status
                said = response.body if isinstance(response, web.Response) else None
                text = said.decode("utf-8", "replace") if isinstance(said, bytes) else ""
        except web.HTTPException as error:
            status, text = error.status, error.reason
            raise
        finally:
            about = request.get(_ABOUT, "")
            seconds = time.monotonic() - started
            courier.record(
                code, "in", request.method, request.path_qs, body, status, text, about, seconds, request.headers
            )
        return response

    return record


def create_sandbox(settings: SandboxSettings) -> web.Application:
    """Build the whole country. Raises sqlite3.Error when its books cannot be opened."""
    operators, companies = _operators(), _companies()
    codes = [operator.code for operator in operators]
    courier, channel, board = Courier(), Channel(), FaultBoard(codes)
    book = Book(settings.data_dir / "sandbox" / "operators.sqlite")
    phones = Phones(channel, courier)
    everyone = frozenset((*codes, *(company.code for company in companies)))
    app = web.Application(middlewares=[readable_only, _recorder(courier, everyone)], client_max_size=_BODY_BYTES_MAX)
    app.cleanup_ctx.append(courier.running)
    for operator in operators:
        issued = settings.credentials.get(operator.code, {})
        around = PaymentSurroundings(operator.code, book, board, phones, courier, issued)
        app.add_subapp(f"/{operator.code}", operator.build(around))
    for company in companies:
        issued = settings.credentials.get(company.code, {})
        near = ChannelSurroundings(company.code, phones, channel, courier, settings.gateway_url, issued)
        app.add_subapp(f"/{company.code}", company.build(near))

    def wallets(msisdn: str) -> dict[str, int]:
        return {code: book.balance(code, msisdn, board.of(code).default_balance) for code in codes}

    async def close_book(_: web.Application) -> None:
        book.close()

    app.add_subapp("/phones", PhoneApi(phones, courier, wallets).application())
    Desk(book, board, channel, courier, codes).add_routes(app.router)
    add_page(app)
    app.on_cleanup.append(close_book)
    return app


def main() -> None:
    """Run until interrupted. Raises ValueError for an environment that cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    written = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    settings = SandboxSettings.from_environment({**written, **os.environ})
    uvloop.install()
    web.run_app(create_sandbox(settings), host=settings.host, port=settings.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
