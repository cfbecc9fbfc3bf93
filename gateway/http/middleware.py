"""What happens around every request: its id, its headers, its count, and what becomes of errors."""

import asyncio
import itertools
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gateway.http.callers import is_https
from gateway.http.health import count_request
from gateway.http.logs import begin_request
from gateway.http.pages import PAGES, STRICT_TRANSPORT, busy, is_staff, not_found
from gateway.http.problems import Problem
from gateway.http.timeouts import RequestTimeouts
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.pictures import PicturesUnavailable

REQUEST_ID: Final = "X-Request-Id"
RETRY_AFTER_SECONDS: Final = "5"
SLOW_SECONDS: Final = 1.0
# How long an answer may take, by surface: PostgreSQL may keep a connection open and say nothing. Hops and
# callbacks have shorter limits of their own, streams none.
ANSWER_SECONDS: Final = {
    "api": 10.0,
    "page": 10.0,
    "sms": 10.0,
    "telegram": 10.0,
    "operations": 10.0,
    "admin": 600.0,  # the whole journal as a file
}
# One line for so many answers; each failed or slow one has its own.
SAMPLE_EVERY: Final = 200

SERVER: Final = "spotlight"
# For answers that are no page: nothing in them may run or be framed. Pages bring their own.
_HEADERS: Final = CIMultiDict(
    {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
)
_POLICY: Final = "Content-Security-Policy"
# For data: what only matters to a document with a window is left out.
_DATA_HEADERS: Final = CIMultiDict(
    {name: _HEADERS[name] for name in (_POLICY, "X-Content-Type-Options", "Referrer-Policy")}
)
# Read by operators' and aggregators' programs only, never by a browser.
_FOR_MACHINES: Final = frozenset({"ussd", "sms", "callback", "telegram", "operations"})
_FOR_DATA: Final = frozenset({"api", "stream"})
# Styles and scripts bring what they need; a document's headers would be a tenth of their weight.
_LEAN: Final = _FOR_MACHINES | _FOR_DATA | {"static"}
# The id of a request that failed, for the page that says so.
_REFERENCE: Final = web.RequestKey("reference", str)
_FALLBACK_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

_SURFACES: Final[Mapping[str, str]] = {
    "ussd": "ussd",
    "sms": "sms",
    "telegram": "telegram",
    "static": "static",
    "media": "static",
    "admin": "admin",
    "healthz": "operations",
    "readyz": "operations",
    "metrics": "operations",
    "openapi.json": "operations",
}
_FOR_PEOPLE: Final = frozenset({"page", "admin", "static"})

# A caller's id is only taken when it cannot break a log or a header.
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_numbers = itertools.count(1)
_timeouts = RequestTimeouts()
_process = f"{os.getpid():x}{secrets.token_hex(4)}"

_log = structlog.get_logger(__name__)


def surface_of(path: str) -> str:
    """Which part of the service an address belongs to: the label of its count."""
    first = path[1:].partition("/")[0]
    if first == "api":
        if path.startswith("/api/webhooks/"):
            return "callback"
        if path.startswith("/api/admin/") or path.startswith("/api/auth/"):
            return "admin"
        return "stream" if path.endswith("/events") else "api"
    return _SURFACES.get(first, "page")


@lru_cache(maxsize=1_024)
def _surface_and_limit(path: str) -> tuple[str, float | None]:
    surface = surface_of(path)
    return surface, ANSWER_SECONDS.get(surface)


@web.middleware
async def around_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, answer its errors, protect and count its answer. One middleware: each costs every
    request.

    Never raises but for a redirect that a handler raised, and for cancellation.
    """
    started = time.monotonic()
    number = next(_numbers)
    given = request.headers.get(REQUEST_ID)
    request_id = given if given and _SANE_ID.fullmatch(given) else f"{_process}-{number:x}"
    begin_request(request_id)
    surface, limit = _surface_and_limit(request.path)
    redirect: web.HTTPException | None = None
    response: web.StreamResponse
    task = None
    if limit is not None:
        task = request.task
        _timeouts.begin(task, started + limit)
    try:
        response = await handler(request)
    except asyncio.CancelledError:
        if task is None or not _timeouts.expired(task):
            raise
        response = _answer_error(request, surface, TimeoutError(), request_id)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            response = redirect = error
        else:
            response = _answer_http_error(request, surface, error)
    except Exception as error:
        response = _answer_error(request, surface, error, request_id)
    finally:
        if task is not None:
            _timeouts.end(task)
    if not (response.prepared or hdrs.SERVER in response.headers):
        _protect(request, response, request_id, surface)
    seconds = time.monotonic() - started
    count_request(surface, response.status, seconds)
    # A stream lasts, and one refused for want of room is no failure; its errors have their own lines.
    notable = surface != "stream" and (response.status >= 500 or seconds > SLOW_SECONDS)
    if notable or number % SAMPLE_EVERY == 0:
        _log.info(
            "request",
            method=request.method,
            route=_route(request),
            surface=surface,
            status=response.status,
            milliseconds=round(seconds * 1000, 1),
            sampled=SAMPLE_EVERY,
        )
    if redirect is not None:
        raise redirect
    return response


def public_headers() -> CIMultiDict[str]:
    """The headers of public data, for answers that are made once and sent to many: nothing is added to them, no
    request's id either, which a cache would send to others."""
    return CIMultiDict({**_DATA_HEADERS, hdrs.SERVER: SERVER, hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"})


def _protect(request: web.Request, response: web.StreamResponse, request_id: str, surface: str) -> None:
    headers = response.headers
    if _POLICY not in headers:
        if response.status >= HTTPStatus.BAD_REQUEST or surface not in _LEAN:
            headers.update(_HEADERS)
        elif surface in _FOR_DATA and response.status != HTTPStatus.NOT_MODIFIED:
            headers.update(_DATA_HEADERS)
    if surface != "static" or response.status >= HTTPStatus.BAD_REQUEST:  # a cache would give it to others
        headers[REQUEST_ID] = request_id
    headers[hdrs.SERVER] = SERVER
    if surface not in _FOR_MACHINES and is_https(request):
        headers[hdrs.STRICT_TRANSPORT_SECURITY] = STRICT_TRANSPORT


def _route(request: web.Request) -> str:
    """The pattern of the address: addresses themselves may hold tokens and receipts."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _answer_http_error(request: web.Request, surface: str, error: web.HTTPException) -> web.Response:
    """404, 405, 413, 415 and the like, with the headers that belong to them."""
    headers = {
        name: value
        for name, value in error.headers.items()
        if name.title() not in (hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH)
    }
    detail = error.text if error.text != f"{error.status}: {error.reason}" else None
    return _say(request, surface, Problem(error.status, error.reason, detail, headers=headers))


def _answer_error(request: web.Request, surface: str, error: Exception, request_id: str) -> web.Response:
    if isinstance(error, Problem):
        return _say(request, surface, error)
    if isinstance(error, DatabaseUnavailable | PoolTimeoutError | PicturesUnavailable):
        _log.warning("service_unavailable", route=_route(request), error=str(error))
        return _say(request, surface, _busy("Nothing was changed. The same request may be repeated."))
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        _log.warning("service_unavailable", route=_route(request), error=type(error.orig).__name__)
        return _say(request, surface, _busy("The connection broke. Look whether it was done before you repeat it."))
    if isinstance(error, TimeoutError):
        _log.warning("answer_too_slow", route=_route(request))
        _leave_half(request)
        return _say(request, surface, _busy("It took too long. Look whether it was done before you repeat it."))
    if isinstance(error, web.RequestPayloadError):
        return _say(request, surface, Problem(400, "Unreadable body"))
    transport = request.transport
    if isinstance(error, ConnectionError) and (transport is None or transport.is_closing()):
        # The caller is gone; 499 is nginx's status for that and is only counted.
        return web.Response(status=499)
    _log.error("request_failed", method=request.method, route=_route(request), exc_info=error)
    _leave_half(request)
    request[_REFERENCE] = request_id
    detail = f"Something went wrong on our side. Reference: {request_id}"
    return _say(request, surface, Problem(500, "Internal error", detail))


def _leave_half(request: web.Request) -> None:
    """Where half of an answer is on its way, another one behind it would be read as its continuation."""
    if request.writer.output_size and request.transport is not None:
        request.transport.abort()


def _busy(detail: str) -> Problem:
    return Problem(
        503,
        "Service busy",
        detail,
        kind="/problems/busy",
        headers={hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS},
    )


def _say(request: web.Request, surface: str, fault: Problem) -> web.Response:
    if not wants_page(request, surface):
        return fault.response()
    page = _PAGES.get(fault.status) if PAGES in request.config_dict else None
    response = _plain_page(request, fault) if page is None else page(request)
    if fault.headers:
        response.headers.update(fault.headers)
    return response


_PAGES: Final[Mapping[int, Callable[[web.Request], web.Response]]] = {404: not_found, 503: busy}


def wants_page(request: web.Request, surface: str) -> bool:
    """Whether a person reads the answer: a page's address, unless JSON alone is asked for."""
    if surface not in _FOR_PEOPLE or request.path.startswith("/api/"):
        return False
    accepted = request.headers.get(hdrs.ACCEPT, "")
    return "json" not in accepted or "text/html" in accepted


# Phrases of `error`, by status; what has none stays in English.
_PHRASE_OF: Final[Mapping[int, str]] = {
    400: "unreadable",
    405: "method",
    408: "slow",
    413: "large",
    415: "unreadable",
    429: "many",
    500: "failed",
}


def _plain_page(request: web.Request, fault: Problem) -> web.Response:
    """A page without a template, so that it cannot fail for the same reason."""
    language, title, detail = "en", fault.title, fault.detail or ""
    back, home = "/admin" if is_staff(request) else "/", "Spotlight"
    pages, phrase = request.config_dict.get(PAGES), _PHRASE_OF.get(fault.status)
    if pages is not None and phrase is not None:
        language = pages.language_of(request)
        title = pages.say(language, f"error.{phrase}_title")
        detail = pages.say(language, f"error.{phrase}_text", reference=request.get(_REFERENCE, ""))
        home = pages.say(language, "error.back_staff" if is_staff(request) else "page.all_contests")
    title = escape(title)
    text = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · Spotlight</title>"
        "<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 16px}</style>"
        f"<h1>{title}</h1><p>{escape(detail)}</p>"
        f'<p><a href="{back}">{escape(home)}</a></p></html>'
    )
    headers = {_POLICY: _FALLBACK_POLICY, **{k: v for k, v in _HEADERS.items() if k != _POLICY}}
    headers[hdrs.CACHE_CONTROL] = "no-store"
    return web.Response(status=fault.status, text=text, content_type="text/html", headers=headers)
