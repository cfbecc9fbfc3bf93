"""Where aggregators call: one route each. A voter never sees a 5xx, only a sentence."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from aiohttp import web

from channels.phrases import DEFAULT_LANGUAGE, say
from channels.ussd import screens
from channels.ussd.aggregator import Malformed, Phase, UssdAggregator, UssdTurn
from channels.ussd.dialogue import Dialogue
from gateway.http.app_keys import HOUSE, SESSIONS
from gateway.ports.raw_exchange import RawRequest, RawResponse

BODY_BYTES_MAX: Final = 8 * 1024
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
    """Serve `POST /ussd/{code}` and the end notice `POST /ussd/{code}/end` of each aggregator.

    `shared_secrets`: the word that an aggregator must send as `?key=`, where one is set.
    """
    for code, aggregator in aggregators.items():
        handler = _handler(aggregator, shared_secrets.get(code), prompt_delay_seconds)
        app.router.add_post(f"/ussd/{code}", handler)
        app.router.add_post(f"/ussd/{code}/end", handler)


def _handler(aggregator: UssdAggregator, secret: str | None, prompt_delay_seconds: int) -> Handler:
    dialogue: Dialogue | None = None

    async def answer(request: web.Request) -> web.Response:
        """One hop of a dialogue."""
        nonlocal dialogue
        if secret is not None and not _knows(request, secret):
            return web.Response(status=403, text="forbidden")
        if dialogue is None:
            app = request.config_dict
            dialogue = Dialogue(app[HOUSE], app[SESSIONS], aggregator.code, prompt_delay_seconds)
        try:
            form = await _form(request, aggregator.content_types)
            turn = _turn(aggregator, request.path, form)
            if turn.phase is Phase.END or request.path.endswith("/end"):
                _log.info("dialogue_over", aggregator=aggregator.code, status=form.get("status", ""))
                return web.Response()
            shown = await dialogue.answer(turn)
            return _response(aggregator.write(shown.text, more=shown.more, request=form))
        except _Unreadable as error:
            _log.warning("ussd_unreadable", aggregator=aggregator.code, fault=str(error))
            return _sorry(aggregator, 400)
        except Exception:
            # The operator would show its own error text for a 5xx; a sentence of ours is better.
            _log.exception("ussd_failed", aggregator=aggregator.code)
            return _sorry(aggregator, 200)

    return answer


def _turn(aggregator: UssdAggregator, path: str, form: dict[str, str]) -> UssdTurn:
    turn = aggregator.read(RawRequest("POST", path, {}, b"", form))
    if isinstance(turn, Malformed):
        raise _Unreadable(turn.fault)
    return turn


def _knows(request: web.Request, secret: str) -> bool:
    return hmac.compare_digest(request.query.get("key", "").encode(), secret.encode())


async def _form(request: web.Request, content_types: frozenset[str]) -> dict[str, str]:
    """The fields of a request. Raises _Unreadable."""
    if request.content_type not in content_types:
        raise _Unreadable(f"content type {request.content_type[:60]}")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise _Unreadable("body too large")
    try:
        fields = await request.post()
    except (web.HTTPRequestEntityTooLarge, ValueError) as error:
        raise _Unreadable(type(error).__name__) from error
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _response(raw: RawResponse) -> web.Response:
    return web.Response(status=raw.status, body=raw.body, content_type=raw.content_type, charset="utf-8")


def _sorry(aggregator: UssdAggregator, status: int) -> web.Response:
    text = screens.fitted(say(DEFAULT_LANGUAGE, "refusal.try_again"))
    raw = aggregator.write(text, more=False, request={})
    return _response(RawResponse(status, raw.body, raw.content_type))
