"""What the simulated operators share on the wire: refusals, tokens, bodies, cut connections."""

import asyncio
import base64
import binascii
import json
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.operators.faults import RequestFaults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """The operator refuses a call with this answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(f"refused with {response.status}")
        self.response = response


def answer(
    status: int, body: Mapping[str, object] | list[object], headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer."""
    return web.json_response(body, status=status, headers=headers)


@web.middleware
async def refusals_are_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a Refusal that a handler raised into its answer."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response


def served(*resume: Callable[[], None]) -> web.Application:
    """An operator's application; `resume` go on with what a former process left open."""

    async def start(_: web.Application) -> None:
        for go_on in resume:
            go_on()

    app = web.Application(middlewares=[refusals_are_answers])
    app.on_startup.append(start)
    return app


async def pause(milliseconds: float) -> None:
    """Wait as long as the operator was ordered to take."""
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


def cut(request: web.Request) -> web.Response:
    """Drop the connection: the caller reads no answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def read_json(request: web.Request) -> object:
    """The body as JSON. Raises ValueError for anything else, bad UTF-8 included."""
    try:
        return json.loads((await request.read()).decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


async def read_object(request: web.Request, refusal: web.Response) -> dict[str, Any]:
    """The body as a JSON object. Raises Refusal with this answer for anything else."""
    try:
        body = await read_json(request)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(refusal)
    return body


def read_basic(request: web.Request) -> tuple[str, str] | None:
    """User and password of an HTTP Basic header, or None."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def read_bearer(request: web.Request) -> str | None:
    """The token of an HTTP Bearer header, or None."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None


class Tokens:
    """Bearer tokens that one operator gave out, with what each one opens."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str, float]] = {}

    def issue(self, owner: str, product: str, seconds: float) -> str:
        """Make a token of `owner` for one product."""
        token = secrets.token_urlsafe(48)
        self._known[token] = (owner, product, time.monotonic() + seconds)
        return token

    def owner(self, token: str, product: str) -> str | None:
        """Whose token it is; None when it is unknown, or another product's."""
        known = self._known.get(token)
        return known[0] if known and known[1] == product else None

    def has_expired(self, token: str) -> bool:
        """Whether a known token is past its time."""
        return time.monotonic() >= self._known[token][2]


class RateLimit:
    """Counts calls of each account within the last second."""

    def __init__(self) -> None:
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def admits(self, per_second: int, account: str = "") -> bool:
        """Count a call; False when it is one too many. 0 admits all."""
        if not per_second:
            return True
        now, calls = time.monotonic(), self._calls[account]
        while calls and calls[0] <= now - 1:
            calls.popleft()
        if len(calls) >= per_second:
            return False
        calls.append(now)
        return True


_SPARED = {
    "drop_before": False,
    "drop_after": False,
    "error_500": "",
    "html": False,
    "too_many": False,
    "garbage": False,
}


class Lottery:
    """Chooses a share of calls, evenly spread and the same in every run."""

    def __init__(self) -> None:
        self._sum = 0.0

    def draw(self, faults: RequestFaults) -> RequestFaults:
        """The faults for this call: those ordered, or none where the share passes it over."""
        if faults.share < 1:
            self._sum += faults.share
            if self._sum < 1:
                return faults.model_copy(update=_SPARED)
            self._sum -= 1
        return faults


def garbage() -> web.Response:
    """200, and bytes that are no answer: half a JSON object that says success."""
    return web.Response(status=200, body=b'{"status": "SUCC\xff\x00', content_type="application/json")


FIREWALL_PAGE = (
    "<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. "
    "Please consult with your administrator.<br><br>Your support ID is: {}</body></html>"
)


def firewall_page() -> web.Response:
    """What a web application firewall shows in place of the API's answer, with a support id."""
    number = secrets.randbelow(10**19)
    return web.Response(status=200, text=FIREWALL_PAGE.format(number), content_type="text/html")
