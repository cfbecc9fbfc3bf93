"""One way to call an operator: bounded, without redirects, and with a closed set of outcomes.

What matters about a failed call is whether anything may have arrived over there, so that is what
an outcome says. httpx keeps the interface; the connections are aiohttp's, whose pool stands many
calls at once (httpx's own collapses, encode/httpx #3215).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import aiohttp
import httpx
import structlog

ANSWER_BYTES_MAX: Final = 64 * 1024
USER_AGENT: Final = f"Spotlight/{version('spotlight')}"
CONNECTIONS_MAX: Final = 256
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The operator answered, whatever it said."""

    status: int
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class NeverLeft:
    """Nothing arrived over there: no connection was made."""

    error: str


@dataclass(frozen=True, slots=True)
class Lost:
    """It may have arrived: the connection was there, the answer was not."""

    error: str


Outcome = Answer | NeverLeft | Lost


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for a connection, and for the whole call."""

    connect: float = 3.0
    total: float = 15.0


class _AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx requests over one aiohttp session."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        wanted: Mapping[str, float] = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            total=wanted.get("read"), sock_connect=wanted.get("connect"), connect=wanted.get("pool")
        )
        try:
            async with self._session.request(
                request.method,
                str(request.url),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=await request.aread(),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(ANSWER_BYTES_MAX + 1)
                while len(body) <= ANSWER_BYTES_MAX and not response.content.at_eof():
                    body += await response.content.read(ANSWER_BYTES_MAX + 1 - len(body))
                return httpx.Response(response.status, headers=list(response.headers.items()), content=body)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error
        except aiohttp.ClientError as error:
            raise httpx.ReadError(type(error).__name__, request=request) from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class HttpCaller:
    """Calls one operator. `transport` is for tests."""

    def __init__(self, provider: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._provider = provider
        self._client = httpx.AsyncClient(
            transport=transport or _AiohttpTransport(),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            follow_redirects=False,
            trust_env=False,
        )

    async def call(
        self,
        method: str,
        url: str,
        *,
        what: str,
        patience: Patience,
        headers: Mapping[str, str] | None = None,
        **content: Any,  # noqa: ANN401 - json=, data= or content= as httpx has them
    ) -> Outcome:
        """One call. `what` names it in the log, which never shows an address, header or body."""
        timeout = httpx.Timeout(patience.total, connect=patience.connect, pool=patience.connect)
        started = time.monotonic()
        outcome: Outcome
        try:
            response = await self._client.request(method, url, headers=dict(headers or {}), timeout=timeout, **content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            outcome = NeverLeft(type(error).__name__)
        except httpx.HTTPError as error:
            outcome = Lost(type(error).__name__)
        else:
            if len(response.content) > ANSWER_BYTES_MAX:
                outcome = Lost("the answer was too long")
            else:
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                outcome = Answer(response.status_code, response.content, kind)
        _log.info(
            "operator_called",
            provider=self._provider,
            call=what,
            outcome=outcome.status if isinstance(outcome, Answer) else f"{type(outcome).__name__} {outcome.error}",
            milliseconds=round((time.monotonic() - started) * 1000),
        )
        return outcome

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()
