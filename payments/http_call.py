"""One way to call an operator: bounded, without redirects, and with a closed set of outcomes.

What matters about a failed call is whether anything may have arrived at the operator, so that is
what an outcome states. httpx keeps the interface; the connections are aiohttp's, whose pool carries many
calls at once (httpx's own collapses, encode/httpx #3215).
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from ssl import SSLContext
from typing import Final
from urllib.parse import urlencode

import aiohttp
import httpx
import orjson
import structlog
from yarl import URL

from payments.provider import NotSent, Unknown

ANSWER_BYTES_MAX: Final = 64 * 1024
USER_AGENT: Final = f"Spotlight/{version('spotlight')}"
# A compressed answer could grow beyond its limit while it is unpacked.
_COMMON: Final = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
CONNECTIONS_MAX: Final = 256
# Shorter than what servers grant: a connection that died while idle makes a call's fate unknown.
IDLE_SECONDS: Final = 4.0
_REFUSALS: Final = 400
"""The first status by which a call was not done."""
_SUPPORT_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The operator answered, with any status. `content_type`: lower-case, without parameters."""

    status: int
    body: bytes = field(repr=False)
    content_type: str


Outcome = Answer | NotSent | Unknown
"""`NotSent`: nothing arrived at the operator. `Unknown`: the connection was there, the answer was not."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds. `pool`: for a free connection that is ready, TLS included; `connect`: for the TCP
    connection; `read`: between two pieces of the answer; `total`: for everything."""

    pool: float
    connect: float
    read: float
    total: float

    @property
    def of_httpx(self) -> dict[str, float]:
        """As httpx hands them to a transport."""
        return {"connect": self.connect, "read": self.read, "pool": self.pool}


SUBMIT: Final = Timeouts(pool=6, connect=3, read=15, total=15)
STATUS: Final = Timeouts(pool=5, connect=3, read=8, total=8)
TOKEN: Final = Timeouts(pool=6, connect=3, read=30, total=30)


@lru_cache(maxsize=1)
def _trust() -> SSLContext:
    """The authorities that we trust, read once for all operators."""
    return httpx.create_ssl_context()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx requests over one aiohttp session, opened by the first of them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send once. Raises httpx.ConnectError when nothing arrived, other httpx.TransportErrors
        when something may have."""
        wait: Mapping[str, float] = request.extensions.get("timeout", {})
        try:
            async with self._open().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
                data=await _whole(request) or None,
                timeout=_timeout(wait.get("pool"), wait.get("connect"), wait.get("read")),
                allow_redirects=False,
            ) as response:
                body = await _read_bounded(response, request.extensions.get("bytes_max", ANSWER_BYTES_MAX))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout(type(error).__name__, request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(type(error).__name__, request=request) from error
        return httpx.Response(response.status, headers=list(response.raw_headers), stream=httpx.ByteStream(body))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=IDLE_SECONDS, ssl=_trust())
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type",),
            )
        return self._session

    async def aclose(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()


@lru_cache(maxsize=16)
def _timeout(pool: float | None, connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=pool, sock_connect=connect, sock_read=read)


async def _whole(message: httpx.Request | httpx.Response) -> bytes:
    """The body as it goes over the wire, of any size; compressed ones stay so, and are unreadable."""
    stream = message.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("a body that is read without waiting")
    return b"".join([part async for part in stream])


async def _read_bounded(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            response.close()
            break
    return bytes(body[: bytes_max + 1])


class HttpCaller:
    """Calls one operator. `transport` takes the place of real connections."""

    def __init__(self, provider: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._provider = provider
        # Without a client around it: no cookies, no redirects, no proxies, and less time for each call.
        self._transport = transport or AiohttpTransport()

    async def call(
        self,
        method: str,
        url: str,
        *,
        what: str,
        timeouts: Timeouts,
        reference: str = "",
        headers: Mapping[str, str] | None = None,
        json: object = None,
        data: Mapping[str, object] | None = None,
        content: str | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Outcome:
        """One call. The body is `json`, or a form (`data`), or `content` as it is. `what` and `reference` name it in
        its one log line, which never shows an address, header or body, and is of level info for what did not go well.
        `bytes_max`: of an answer; a longer one is lost. Never raises for anything that a network or an operator
        does."""
        started = time.monotonic()
        support_id = None
        outcome: Outcome
        try:
            kind, body = _body(json, data, content)
            length = {"Content-Length": str(len(body))} if body or method != "GET" else {}
            request = httpx.Request(
                method,
                _address(url),
                headers={**_COMMON, **kind, **length, **(headers or {})},
                # As a stream: what httpx does by itself with a body and its headers takes longer than all else here.
                stream=httpx.ByteStream(body),
                extensions={"timeout": timeouts.of_httpx, "bytes_max": bytes_max},
            )
            async with asyncio.timeout(timeouts.total):
                response = await self._transport.handle_async_request(request)
                answer = await _whole(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            outcome = NotSent(type(error).__name__)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            outcome = NotSent(type(error).__name__)
        except (httpx.HTTPError, TimeoutError) as error:
            outcome = Unknown(type(error).__name__)
        else:
            outcome = _outcome(response, answer, bytes_max)
            support_id = response.headers.get("x-request-id") or response.headers.get("request-id")
        # PostgreSQL has what went well: a vote costs no line.
        note = _log.debug if isinstance(outcome, Answer) and outcome.status < _REFUSALS else _log.info
        note(
            "operator_called",
            provider=self._provider,
            call=what,
            reference=reference,
            outcome=type(outcome).__name__,
            status=outcome.status if isinstance(outcome, Answer) else None,
            error=None if isinstance(outcome, Answer) else outcome.error,
            operator_id=support_id if support_id and _SUPPORT_ID.fullmatch(support_id) else None,
            milliseconds=round((time.monotonic() - started) * 1000),
        )
        return outcome

    async def aclose(self) -> None:
        """Close connections."""
        await self._transport.aclose()


def _body(json: object, form: Mapping[str, object] | None, content: str | None) -> tuple[dict[str, str], bytes]:
    """A body with the header that tells its kind."""
    if json is not None:
        return {"Content-Type": "application/json"}, orjson.dumps(json)
    if form:
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
    return {}, (content or "").encode()


# Most calls of an account go to the same few addresses.
_address = lru_cache(maxsize=256)(httpx.URL)


def _outcome(response: httpx.Response, body: bytes, bytes_max: int) -> Outcome:
    if len(body) > bytes_max:
        return Unknown("TooLong")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(response.status_code, body, kind)
