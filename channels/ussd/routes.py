"""Where aggregators call: one route each. A voter never sees a 5xx, only a sentence."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

import structlog
from aiohttp import web

from channels.phrases import DEFAULT_LANGUAGE, say
from channels.session_store import SESSIONS
from channels.ussd.aggregator import Malformed, Phase, UssdAggregator, UssdTurn
from channels.ussd.dialogue import Dialogue
from channels.ussd.menu.screen import fitted
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import body_within
from gateway.http.raw_exchange import RawRequest, RawResponse

BODY_BYTES_MAX: Final = 8 * 1024
FIELDS_MAX: Final = 50
BODY_SECONDS: Final = 3.0
_FORM: Final = "application/x-www-form-urlencoded"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.Response]]


class _Unreadable(Exception):
    """The request cannot be read; the text is for the log."""


def setup(
    app: web.Application,
    aggregators: Mapping[str, UssdAggregator],
    shared_secrets: Mapping[str, str | None],
    *,
    prompt_delay_seconds: int = 4,
) -> None:
    """Serve the addresses of each aggregator, and its end notice at `POST /ussd/{code}/end`.

    `shared_secrets`: the word that an aggregator must send as `?key=`, where one is set.
    """
    for code, aggregator in aggregators.items():
        secret = shared_secrets.get(code)
        answer = _hop_handler(aggregator, secret, prompt_delay_seconds)
        for method, path in aggregator.addresses:
            app.router.add_route(method, f"/ussd/{code}{path}", answer)
        app.router.add_post(f"/ussd/{code}/end", _end_handler(aggregator, secret))


def _hop_handler(aggregator: UssdAggregator, secret: str | None, prompt_delay_seconds: int) -> Handler:
    dialogue: Dialogue | None = None

    async def answer(request: web.Request) -> web.Response:
        """One hop of a dialogue."""
        nonlocal dialogue
        if secret is not None and not _knows(request, secret):
            return web.Response(status=403, text="forbidden")
        if dialogue is None:
            app = request.config_dict
            limit = aggregator.screen_septets_max
            dialogue = Dialogue(app[VOTING_SERVICE], app[SESSIONS], aggregator.code, prompt_delay_seconds, limit)
        turn: UssdTurn | None = None
        try:
            turn = await _turn(request, aggregator)
            if turn.phase is Phase.END:
                return _noted(aggregator, turn)
            shown = await dialogue.answer(turn)
            # The other hops of the same trip to the sessions are made first, so that all answers leave one after the
            # other: each that leaves alone wakes its reader again, a fifth of a busy hop (`tests/bench`, P1).
            await asyncio.sleep(0)
            return _response(aggregator.write(shown.text, more=shown.more, turn=turn))
        except _Unreadable as error:
            _log.warning("ussd_unreadable", aggregator=aggregator.code, fault=str(error))
            return _sorry(aggregator, turn, "ussd.unreadable", status=400)
        except Exception:
            # The operator would show its own error text for a 5xx; a sentence of ours is better.
            _log.exception("ussd_failed", aggregator=aggregator.code)
            return _sorry(aggregator, turn, "ussd.failed")

    return answer


def _end_handler(aggregator: UssdAggregator, secret: str | None) -> Handler:
    async def note(request: web.Request) -> web.Response:
        """The notice that a dialogue is over: a courtesy on which nothing depends."""
        if secret is not None and not _knows(request, secret):
            return web.Response(status=403, text="forbidden")
        try:
            turn = await _turn(request, aggregator)
        except _Unreadable as error:
            _log.warning("ussd_end_unreadable", aggregator=aggregator.code, fault=str(error))
            return web.Response()
        return _noted(aggregator, turn)

    return note


def _noted(aggregator: UssdAggregator, turn: UssdTurn) -> web.Response:
    _log.info("dialogue_over", aggregator=aggregator.code, session=turn.session_id, outcome=turn.outcome)
    return _response(aggregator.write("", more=False, turn=turn))


async def _turn(request: web.Request, aggregator: UssdAggregator) -> UssdTurn:
    """The request, read. Raises _Unreadable."""
    kind = request.content_type
    if kind not in aggregator.content_types:
        raise _Unreadable(f"content type {kind[:60]}")
    try:
        body = await body_within(request, BODY_BYTES_MAX, BODY_SECONDS)
        if body is None:
            raise _Unreadable("body too large")
        form = fields(body) if kind == _FORM else _NOTHING
    except (web.RequestPayloadError, OSError, ValueError) as error:
        raise _Unreadable(type(error).__name__) from error
    query = request.query if "?" in request.raw_path else _NOTHING
    turn = aggregator.read(RawRequest(request.method, request.path, request.headers, body, form, query))
    if isinstance(turn, Malformed):
        raise _Unreadable(turn.fault)
    return turn


def fields(body: bytes) -> Mapping[str, str]:
    """The fields of a form, of two with one name the later. ValueError when it is not UTF-8,
    percent-encoded bytes included. By hand, because the library's own reader takes four times as long."""
    text = body.decode().replace("+", " ")
    if text.count("&") >= FIELDS_MAX:
        raise ValueError("too many fields")
    # Nearly all that is ever escaped: the plus of a number, the star and the hash of a code.
    text = text.replace("%2B", "+").replace("%2A", "*").replace("%23", "#")
    if "%" in text:
        pairs = (pair.partition("=") for pair in text.split("&"))
        return {_unquoted(name): _unquoted(value) for name, _, value in pairs}
    found: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        found[name] = value
    return found


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode() if "%" in text else text


def _knows(request: web.Request, secret: str) -> bool:
    return hmac.compare_digest(request.query.get("key", "").encode(errors="replace"), secret.encode())


def _response(raw: RawResponse) -> web.Response:
    return web.Response(status=raw.status, body=raw.body, content_type=raw.content_type, charset="utf-8")


def _sorry(aggregator: UssdAggregator, turn: UssdTurn | None, phrase: str, *, status: int = 200) -> web.Response:
    raw = aggregator.write(fitted(say(DEFAULT_LANGUAGE, phrase)), more=False, turn=turn)
    return _response(RawResponse(status, raw.body, raw.content_type))
