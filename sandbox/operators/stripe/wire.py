"""How Stripe's API reads and answers: nested forms, error objects, lists, idempotency keys.

Source: Stripe's API reference (Authentication, Errors, Idempotent requests, Pagination).
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.operators.wire import Refusal, read_basic, read_bearer

Params = Mapping[str, Any]
"""Form fields; what stands in brackets is a level down, each level keyed by text."""

KEY_LENGTH_MAX: Final = 255
LIST_MAX: Final = 100
LIST_USUAL: Final = 10
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_LEVELS_MAX: Final = 8


def new_id(prefix: str) -> str:
    """A number as Stripe makes them."""
    return f"{prefix}_{secrets.token_hex(12)}"


def reply(status: int, body: Mapping[str, object]) -> web.Response:
    """An answer, with the number by which Stripe's support finds the call."""
    return web.json_response(body, status=status, headers={"Request-Id": new_id("req")})


def refused(status: int, message: str, *, code: str = "", param: str = "", kind: str = "") -> web.Response:
    """Stripe's error object."""
    error = {"type": kind or ("api_error" if status >= 500 else "invalid_request_error"), "message": message}
    error |= {"code": code, "doc_url": f"https://docs.stripe.com/error-codes/{code}"} if code else {}
    return reply(status, {"error": error | ({"param": param} if param else {})})


def fault(message: str, *, code: str = "", param: str = "") -> Refusal:
    """A request that cannot be carried out: 400."""
    return Refusal(refused(400, message, code=code, param=param))


def missing(kind: str, number: str, param: str = "id") -> Refusal:
    """An object that this account does not have: 404."""
    return Refusal(refused(404, f"No such {kind}: '{number}'", code="resource_missing", param=param))


def check_key(request: web.Request, issued: str | None) -> None:
    """The secret key, as a bearer or as the user of HTTP Basic. Raises Refusal."""
    pair = read_basic(request)
    key = read_bearer(request) or (pair[0] if pair else "")
    if not key:
        raise Refusal(refused(401, "You did not provide an API key."))
    if issued and not hmac.compare_digest(key.encode(), issued.encode()):
        raise Refusal(refused(401, f"Invalid API Key provided: {key[:8]}****"))


async def read_params(request: web.Request) -> Params:
    """The fields of a form, or of the query of a GET. Raises Refusal."""
    if request.method == "GET":
        return nested(parse_qsl(request.query_string, keep_blank_values=True))
    try:
        text = (await request.read()).decode()
        return nested(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)))
    except ValueError:
        raise fault("The body is no form.") from None


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][]=1` as levels: `{"a": {"b": {"0": "1"}}}`. Raises Refusal for a name that is none."""
    result: dict[str, Any] = {}
    for name, value in pairs:
        found = _NAME.fullmatch(name)
        path = [] if found is None else [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
        if not path or len(path) > _LEVELS_MAX:
            raise fault(f"Invalid parameter: {name[:80]}", code="parameter_unknown", param=name[:80])
        level = result
        for step in path[:-1]:
            level = level.setdefault(step or str(len(level)), {})
            if not isinstance(level, dict):
                raise fault(f"Invalid object: {name[:80]}", param=name[:80])
        level[path[-1] or str(len(level))] = value
    return result


def known_only(params: Params, known: frozenset[str]) -> None:
    """Stripe refuses what it does not know. Raises Refusal."""
    for name in params:
        if name not in known:
            raise fault(f"Received unknown parameter: {name[:80]}", code="parameter_unknown", param=name[:80])


def text_at(params: Params, *path: str) -> str:
    """A field of text; empty when it is not there."""
    level: Any = params
    for step in path:
        level = level.get(step, "") if isinstance(level, Mapping) else ""
    return level if isinstance(level, str) else ""


def whole_at(params: Params, *path: str) -> int | None:
    """A whole number, None when it is not there. Raises Refusal for anything else."""
    text = text_at(params, *path)
    if not text:
        return None
    if not re.fullmatch(r"-?\d{1,15}", text, re.ASCII):
        name = path[0] + "".join(f"[{step}]" for step in path[1:])
        raise fault(f"Invalid integer: {text[:40]}", code="parameter_invalid_integer", param=name)
    return int(text)


def metadata_at(params: Params, *path: str) -> dict[str, str]:
    """A field of names and values."""
    level: Any = params
    for step in path:
        level = level.get(step, {}) if isinstance(level, Mapping) else {}
    return {str(k): v for k, v in level.items() if isinstance(v, str)} if isinstance(level, Mapping) else {}


def listing(objects: Sequence[Mapping[str, object]], params: Params, url: str) -> dict[str, object]:
    """One page of a list, newest first. `objects`: all of them, oldest first. Raises Refusal."""
    limit = whole_at(params, "limit") or LIST_USUAL
    if not 1 <= limit <= LIST_MAX:
        raise fault(f"Invalid limit: {limit}", param="limit")
    newest = list(reversed(objects))
    if after := text_at(params, "starting_after"):
        places = [place for place, one in enumerate(newest) if one["id"] == after]
        if not places:
            raise fault(f"No such object: '{after}'", code="resource_missing", param="starting_after")
        newest = newest[places[0] + 1 :]
    return {"object": "list", "url": url, "data": newest[:limit], "has_more": len(newest) > limit}


def created_within(params: Params, created: int) -> bool:
    """Whether an object fits `created` and its bounds. Raises Refusal."""
    exactly = whole_at(params, "created")
    if exactly is not None:
        return created == exactly
    bounds = {name: whole_at(params, "created", name) for name in ("gt", "gte", "lt", "lte")}
    fits = {"gt": created.__gt__, "gte": created.__ge__, "lt": created.__lt__, "lte": created.__le__}
    return all(bool(fits[name](bound)) for name, bound in bounds.items() if bound is not None)


@dataclass(slots=True)
class _Answered:
    """What was answered under a key; `body` None while it is being carried out."""

    fingerprint: str
    request_id: str
    status: int = 0
    body: bytes | None = None


class Keys:
    """Idempotency keys: the first answer that was carried out is given again, errors of ours included."""

    def __init__(self) -> None:
        self._answered: dict[str, _Answered] = {}

    async def once(
        self, request: web.Request, params: Params, carry_out: Callable[[], Awaitable[web.Response]]
    ) -> web.Response:
        """Carry a request out, or give what was answered before. A Refusal is not kept, so that a request
        that was wrong may be put right under the same key. Raises Refusal."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return await carry_out()
        if len(key) > KEY_LENGTH_MAX:
            raise fault("Idempotency keys have at most 255 characters.")
        before = self._answered.get(key)
        if before is not None:
            return _again(before, key, fingerprint(request, params))
        kept = self._answered[key] = _Answered(fingerprint(request, params), new_id("req"))
        try:
            response = await carry_out()
        except BaseException:
            del self._answered[key]
            raise
        kept.status, kept.body = response.status, bytes(response.body) if isinstance(response.body, bytes) else b""
        return response

    def remember(self, key: str, fingerprint: str, body: Mapping[str, object]) -> None:
        """Take over what was answered before this process began."""
        if key:
            self._answered[key] = _Answered(fingerprint, new_id("req"), 200, json.dumps(body).encode())


def _again(before: _Answered, key: str, given: str) -> web.Response:
    if before.fingerprint != given:
        message = (
            f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key[:60]}' if you meant to execute a different request."
        )
        return refused(400, message, kind="idempotency_error")
    if before.body is None:
        message = "There is currently another in-progress request using this Idempotency Key."
        return refused(409, message, code="idempotency_key_in_use", kind="idempotency_error")
    heads = {"Idempotent-Replayed": "true", "Original-Request": before.request_id, "Request-Id": new_id("req")}
    return web.Response(status=before.status, body=before.body, content_type="application/json", headers=heads)


def fingerprint(request: web.Request, params: Params) -> str:
    """What tells one request from another."""
    text = json.dumps([request.method, request.path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
