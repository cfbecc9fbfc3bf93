"""The one HTTP client that calls the gateway, the record of all calls, and work in the background."""

import asyncio
import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_ABOUT: Final = web.RequestKey("about", str)
_CALLS_KEPT: Final = 5000
_EXCHANGES_KEPT: Final = 40
_BODY_KEPT: Final = 4096
_CONNECTIONS: Final = 100
_SECRET_HEADERS: Final = frozenset(
    {"Authorization", "Ocp-Apim-Subscription-Key", "apiKey", "Apikey", "X-AUTH-TOKEN", "Cookie"}
)


def instant(seconds: float | None = None) -> str:
    """A moment as ISO 8601 in UTC with milliseconds; now, when none is given."""
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Courier:
    """The one HTTP client that calls the gateway, the record of all calls, and work in flight."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self.calls: defaultdict[str, deque[dict[str, object]]] = defaultdict(lambda: deque(maxlen=_CALLS_KEPT))
        self.totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
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
        self.record(party, "out", about, started, method=method, url=url, body=body, status=status, answer=text)
        return status, text

    def record(
        self, party: str, direction: str, about: str, started: float, *, body: bytes, answer: str, **more: object
    ) -> None:
        """Keep one call: `in` from the gateway, `out` to it. `started`: seconds of a clock that only goes forward."""
        self.totals[party][direction] += 1
        self._keep(
            party,
            about,
            direction=direction,
            **more,
            body=body[:_BODY_KEPT].decode("utf-8", "replace"),
            answer=answer[:_BODY_KEPT],
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )

    def note(self, party: str, word: str, about: str, detail: str) -> None:
        """Keep an event that is not a call."""
        self._keep(party, about, direction="note", note=word, detail=detail)

    def _keep(self, party: str, about: str, **found: object) -> None:
        event = {"at": instant(), "party": party, "about": about, **found}
        self.calls[party].append(event)
        if about:
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


def recorder(courier: Courier, codes: frozenset[str]) -> Middleware:
    """Makes the middleware that keeps every call to one of these companies."""

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
                body_sent = response.body if isinstance(response, web.Response) else None
                text = body_sent.decode("utf-8", "replace") if isinstance(body_sent, bytes) else ""
        except web.HTTPException as error:
            status, text = error.status, error.reason
            raise
        finally:
            courier.record(
                code,
                "in",
                request.get(_ABOUT, ""),
                started,
                method=request.method,
                url=request.path_qs,
                body=body,
                status=status,
                answer=text,
                headers={name: "…" if name in _SECRET_HEADERS else value for name, value in request.headers.items()},
            )
        return response

    return record
