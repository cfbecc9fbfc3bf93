"""JSON endpoints declared by their models: what comes in is checked, what goes out is documented.

    @endpoint(body=Order, path=ContestPath, returns={201: Placed}, problems=(404, 409, 422))
    async def place(request: web.Request, *, path: ContestPath, body: Order) -> Reply: …

A request that does not fit is answered before the handler: 415 for a body that is not JSON, 413 for
one over 64 KiB, 408 for one that does not arrive, 400 for unreadable JSON, 422 with `errors` else.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gateway.http.problems import Problem
from gateway.values.record import record

BODY_BYTES_MAX: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
JSON_TYPE: Final = "application/json"
FILE: Final[Mapping[str, Any]] = {"type": "string", "format": "binary"}
"""The schema of a body that is a file."""
DECLARED: Final = "staff_right"
"""The attribute of a handler that is for who is signed in: the right that its address needs, None for any."""


class ApiModel(BaseModel):
    """Base of every model of the API: camelCase outside, snake_case inside. `model_validate` reads an object's
    attributes, those of another name by `validation_alias`. What a model checks with is built at its first use: there
    are hundreds, and a start would build them all."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, from_attributes=True, frozen=True, defer_build=True
    )


class InputModel(ApiModel):
    """Base of what callers send: a field that we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are refused")
    return text


Line = Annotated[str, AfterValidator(_printable), Field(json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"})]
"""One line without control characters, which no database takes and no record should hold."""


@record
class Reply:
    """What a handler answers: a model under a status. `headers` come on top of the usual ones."""

    status: int
    model: BaseModel
    headers: Mapping[str, str] = field(default_factory=dict)


Guard = Callable[[web.Request], Awaitable[None]]
"""Asked before anything is read. Raises Problem to refuse the request."""
Serve = Callable[..., Awaitable[Reply]]
Handle = TypeVar("Handle", bound=Callable[..., Awaitable[web.StreamResponse]])
Model = TypeVar("Model", bound=BaseModel)


Returns = Mapping[int, type[BaseModel] | None]
"""What is answered under which status; None: nothing."""
Sends = Mapping[str, Mapping[str, Any]]
"""The schema of a body by its content type."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What the document says about an endpoint. `problems`: statuses of errors it may answer; `sends`: bodies that its
    handler reads by itself; `media`: content type of what it returns; `checked`: whether `endpoint` reads and checks
    for it; `optional`: the body."""

    summary: str
    description: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    path: type[BaseModel] | None
    headers: Mapping[str, str]
    returns: Returns
    problems: tuple[int, ...]
    tag: str
    sends: Sends = field(default_factory=dict)
    optional: bool = False
    media: str = JSON_TYPE
    checked: bool = True


_SPEC: Final = "spec"


def spec_of(handler: object) -> Spec | None:
    """How an endpoint describes itself; None for a handler that is none."""
    found = getattr(handler, _SPEC, None)
    return found if isinstance(found, Spec) else None


def endpoint(
    *,
    returns: Returns,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    path: type[BaseModel] | None = None,
    headers: Mapping[str, str] | None = None,
    problems: tuple[int, ...] = (),
    tag: str = "",
    sends: Sends | None = None,
    optional: bool = False,
    guard: Guard | None = None,
    bytes_max: int = BODY_BYTES_MAX,
) -> Callable[[Serve], Handler]:
    """Make a handler of a coroutine that takes checked models by the names `body`, `query`, `path`.

    `headers`: optional request headers that it reads, with what each means; `sends`: bodies that it reads by itself,
    `optional` where it needs none; `bytes_max`: of a body. The first line of the docstring becomes the summary in the
    document, the rest its description.
    """

    def wrap(serve: Serve) -> Handler:
        @functools.wraps(serve)
        async def handler(request: web.Request) -> web.StreamResponse:
            if guard is not None:
                await guard(request)
            given: dict[str, BaseModel] = {}
            if path is not None:
                given["path"] = check(path, "path", dict(request.match_info))
            if query is not None:
                given["query"] = check(query, "query", dict(request.query))
            if body is not None:
                given["body"] = _check_json(body, await read_body(request, bytes_max=bytes_max))
            return answer(await serve(request, **given))

        words, held, sent = _words(serve), headers or {}, sends or {}
        setattr(handler, _SPEC, Spec(*words, body, query, path, held, returns, problems, tag, sent, optional))
        return handler

    return wrap


def described(
    *,
    returns: Returns,
    query: type[BaseModel] | None = None,
    path: type[BaseModel] | None = None,
    headers: Mapping[str, str] | None = None,
    problems: tuple[int, ...] = (),
    tag: str = "",
    sends: Sends | None = None,
    media: str = JSON_TYPE,
) -> Callable[[Handle], Handle]:
    """Put a handler that reads and answers by itself into the document: a stream, or finished bytes.
    For a stream of events, the model is that of their data; a file of another type has none."""

    def wrap(handle: Handle) -> Handle:
        words, held, sent = _words(handle), headers or {}, sends or {}
        made = Spec(*words, None, query, path, held, returns, problems, tag, sent, media=media, checked=False)
        setattr(handle, _SPEC, made)
        return handle

    return wrap


def answer(reply: Reply) -> web.Response:
    """The reply as JSON. Nothing keeps it unless its headers say so."""
    head = {hdrs.CONTENT_TYPE: JSON_TYPE, hdrs.CACHE_CONTROL: "no-store", **reply.headers}
    return web.Response(status=reply.status, body=reply.model.model_dump_json(by_alias=True).encode(), headers=head)


async def read_body(
    request: web.Request,
    media_type: str = JSON_TYPE,
    bytes_max: int = BODY_BYTES_MAX,
    seconds: float | None = None,
) -> bytes:
    """The body of a request that says that it is of this type. `seconds`: in which it must arrive. Problem 408,
    413, 415."""
    if request.content_type != media_type:
        raise Problem(415, "Unsupported media type", f"Send {media_type}.", headers={"Accept": media_type})
    try:
        body = await body_within(request, bytes_max, seconds)
    except TimeoutError:
        raise Problem(408, "Request timeout", "The body did not arrive in time.") from None
    if body is None:
        raise _too_large(bytes_max)
    return body


async def body_within(
    request: web.Request, bytes_max: int = BODY_BYTES_MAX, seconds: float | None = None
) -> bytes | None:
    """The body, whatever its type; None when it is larger. TimeoutError when it does not arrive in time."""
    if (request.content_length or 0) > bytes_max:
        return None
    content = request.content
    if content.is_eof():
        # Arrived whole with its head, as nearly all do.
        body = content.read_nowait()
        return body if len(body) <= bytes_max else None
    held = bytearray()
    async with asyncio.timeout(seconds or BODY_SECONDS):
        async for piece in content.iter_any():
            held += piece
            if len(held) > bytes_max:
                return None
    return bytes(held)


def _too_large(bytes_max: int) -> Problem:
    return Problem(413, "Content too large", f"A body has at most {bytes_max} bytes.")


def invalid(errors: list[dict[str, object]]) -> Problem:
    """The problem of a request whose fields do not fit: each error has `loc` and `msg`."""
    return Problem(422, "Invalid request", kind="/problems/invalid_request", errors=errors)


def check(model: type[Model], place: str, given: object) -> Model:
    """What was sent in a place (path, query), as a model. Problem 422."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(_errors(place, error)) from None


def _check_json(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if any(e["type"] == "json_invalid" for e in error.errors(include_url=False, include_input=False)):
            raise Problem(400, "Unreadable JSON", kind="/problems/unreadable_json") from None
        raise invalid(_errors("body", error)) from None


def _errors(place: str, error: ValidationError) -> list[dict[str, object]]:
    """Where and why, without what was sent: it may be a phone number."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"loc": [place, *e["loc"]], "msg": e["msg"]} for e in found]


def _words(serve: Callable[..., object]) -> tuple[str, str]:
    summary, _, rest = (serve.__doc__ or "").strip().partition("\n\n")
    return " ".join(summary.split()).rstrip("."), " ".join(rest.split())
