"""One way to call an operator: bounded, without redirects, and with a closed set of outcomes.

What matters about a failed call is whether anything may have arrived at the operator, so that is
what an outcome states. The connections are aiohttp's, whose pool carries many calls at once (httpx's own collapses,
encode/httpx #3215); a vote has three calls, and objects of httpx around each took as long as what they held.
"""

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


SUBMIT: Final = Timeouts(pool=6, connect=3, read=15, total=15)
STATUS: Final = Timeouts(pool=5, connect=3, read=8, total=8)
TOKEN: Final = Timeouts(pool=6, connect=3, read=30, total=30)


@lru_cache(maxsize=1)
def _trust() -> SSLContext:
    """The authorities that we trust, read once for all operators."""
    return httpx.create_ssl_context()


class Unreached(Exception):
    """Nothing arrived at the operator. Its text is what happened."""


class AnswerLost(Exception):
    """Something may have arrived at the operator, but no whole answer came. Its text is what happened."""


class Connections:
    """Connections of one aiohttp session, kept between calls, opened by the first of them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts, bytes_max: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send once: status, headers and body of the answer, one byte more than `bytes_max` of a longer one. `url`: as
        it goes over the wire. Raises Unreached, AnswerLost."""
        try:
            address = URL(url, encoded=True)
        except ValueError as error:
            raise Unreached("InvalidURL") from error
        try:
            async with self._open().request(
                method,
                address,
                headers=headers,
                data=body or None,
                timeout=_timeout(timeouts),
                allow_redirects=False,
            ) as response:
                return response.status, response.headers, await _read_bounded(response, bytes_max)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Unreached(type(error).__name__) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Unreached(type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(type(error).__name__) from error

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
def _timeout(wait: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=wait.total, connect=wait.pool, sock_connect=wait.connect, sock_read=wait.read)


async def _read_bounded(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            response.close()
            break
    return bytes(body[: bytes_max + 1])


class HttpCaller:
    """Calls one operator. `connections`: what takes the place of real ones."""

    def __init__(self, provider: str, connections: Connections | None = None) -> None:
        self._provider = provider
        self._connections = connections or Connections()

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
        kind, body = _body(json, data, content)
        try:
            status, received, answer = await self._connections.send(
                method, url, {**_COMMON, **kind, **(headers or {})}, body, timeouts, bytes_max
            )
        except Unreached as error:
            outcome = NotSent(str(error))
        except AnswerLost as error:
            outcome = Unknown(str(error))
        else:
            outcome = _outcome(status, received, answer, bytes_max)
            support_id = received.get("X-Request-Id") or received.get("Request-Id")
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
        await self._connections.aclose()


def _body(json: object, form: Mapping[str, object] | None, content: str | None) -> tuple[dict[str, str], bytes]:
    """A body with the header that tells its kind."""
    if json is not None:
        return {"Content-Type": "application/json"}, orjson.dumps(json)
    if form:
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
    return {}, (content or "").encode()


def _outcome(status: int, headers: Mapping[str, str], body: bytes, bytes_max: int) -> Outcome:
    if len(body) > bytes_max:
        return Unknown("TooLong")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(status, body, kind)
