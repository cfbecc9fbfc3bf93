"""The API's description, made of the same models that check it: `/openapi.json` and `/docs`."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Literal

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from gateway.http import docs_page
from gateway.http.endpoint import DECLARED, FILE, JSON_TYPE, ApiModel, Spec, spec_of
from gateway.http.pages import PAGES, Composed

OPENAPI_VERSION: Final = "3.1.1"
TITLE: Final = "Spotlight"
ABOUT: Final = (
    "Votes for contests, paid with mobile money. An order is placed, its payer approves it on the phone, "
    "and it counts once the payment is confirmed."
)
_SCHEMAS: Final = "#/components/schemas/{model}"
_NOT_DOCUMENTED: Final = frozenset({hdrs.METH_HEAD, hdrs.METH_OPTIONS, hdrs.METH_ANY})

Json = dict[str, Any]
SESSION_COOKIE: Final[web.AppKey[str]] = web.AppKey("session_cookie", str)
"""The cookie by which a browser is signed in."""
_SIGNED_IN: Final[list[Json]] = [{"token": []}, {"cookie": []}]
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds until it may be tried.", "required": True, "schema": {"type": "integer"}}
}

Mode = Literal["validation", "serialization"]
References = Mapping[Any, Json]
"""(model, mode) → reference to its schema."""


class InvalidField(ApiModel):
    """A field that was refused."""

    loc: list[str | int] = Field(description="Where: body, query, path or header, then the field.")
    msg: str = Field(description="Why.")


class ProblemDocument(ApiModel):
    """An error as RFC 9457 tells it."""

    type: str = Field(description="Stable address of the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int
    detail: str | None = Field(None, description="This occurrence, in the language of Accept-Language.")
    errors: list[InvalidField] | None = Field(None, description="Fields that were refused.")


def _package_version() -> str:
    try:
        return version("spotlight")
    except PackageNotFoundError:
        return "0"


def _endpoints(app: web.Application) -> Iterable[tuple[str, str, Spec, bool]]:
    """Address pattern, method and spec of each endpoint, in the order they were mounted, and whether it is for who is
    signed in."""
    for route in app.router.routes():
        spec = spec_of(route.handler)
        if spec is not None and route.resource is not None and route.method not in _NOT_DOCUMENTED:
            yield route.resource.canonical, route.method, spec, hasattr(route.handler, DECLARED)


def _models(specs: Iterable[Spec]) -> list[tuple[type[BaseModel], Mode]]:
    used: dict[tuple[type[BaseModel], Mode], None] = {(ProblemDocument, "serialization"): None}
    for spec in specs:
        if spec.body is not None:
            used[spec.body, "validation"] = None
        used.update({(model, "serialization"): None for model in spec.returns.values() if model is not None})
    return list(used)


def document(app: web.Application) -> Json:
    """The OpenAPI 3.1 document of every endpoint that the application serves."""
    endpoints = list(_endpoints(app))
    references, schemas = models_json_schema(_models([spec for *_, spec, _ in endpoints]), ref_template=_SCHEMAS)
    paths: dict[str, Json] = {}
    for address, method, spec, signed_in in endpoints:
        operation = _operation(address, method, spec, references)
        paths.setdefault(address, {})[method.lower()] = operation | ({"security": _SIGNED_IN} if signed_in else {})
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": TITLE, "version": _package_version(), "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The access token of a sign-in."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": app.get(SESSION_COOKIE, "spotlight-access")},
            },
        },
    }


def _operation(address: str, method: str, spec: Spec, references: References) -> Json:
    operation: Json = {
        "operationId": _operation_id(method, address),
        "summary": spec.summary,
        "responses": {
            **{str(status): _answer(status, model, spec, references) for status, model in spec.returns.items()},
            **{str(status): _problem(status, references) for status in sorted({*spec.problems, *_own_problems(spec)})},
        },
    }
    if spec.description:
        operation["description"] = spec.description
    if spec.tag:
        operation["tags"] = [spec.tag]
    if parameters := _parameters(address, spec):
        operation["parameters"] = parameters
    sent = {media: {"schema": schema} for media, schema in spec.sends.items()}
    if spec.body is not None:
        sent[JSON_TYPE] = {"schema": references[spec.body, "validation"]}
    if sent:
        operation["requestBody"] = {"required": not spec.optional, "content": sent}
    return operation


def _answer(status: int, model: type[BaseModel] | None, spec: Spec, references: References) -> Json:
    if model is None:
        file = {} if spec.media == JSON_TYPE else {"content": {spec.media: {"schema": FILE}}}
        return {"description": _STATUS_WORDS.get(status, "Done"), **file}
    content = {spec.media: {"schema": references[model, "serialization"]}}
    return {"description": _first_line(model), "content": content}


def _problem(status: int, references: References) -> Json:
    content = {"application/problem+json": {"schema": references[ProblemDocument, "serialization"]}}
    problem: Json = {"description": _STATUS_WORDS.get(status, "Problem"), "content": content}
    if status in (429, 503):
        problem["headers"] = _RETRY_AFTER
    return problem


_STATUS_WORDS: Final[Mapping[int, str]] = {
    204: "Nothing more to come",
    304: "Unchanged",
    400: "Unreadable request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    408: "The body did not arrive in time",
    409: "In conflict with what is there",
    413: "Body too large",
    412: "Changed by somebody else",
    415: "A body of another type than is read here",
    422: "Fields that do not fit",
    429: "Too many requests: see Retry-After",
    503: "Busy: nothing was changed, see Retry-After",
}


def _own_problems(spec: Spec) -> frozenset[int]:
    """Errors that the endpoint answers by itself, before its handler."""
    if not spec.checked:
        return frozenset()
    body = {400, 408, 413, 415, 422} if spec.body is not None or spec.sends else set()
    return frozenset(body | ({422} if spec.query is not None or spec.path is not None else set()))


def _operation_id(method: str, address: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", address)
    return method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).strip().splitlines()[0].rstrip(".")


def _parameters(address: str, spec: Spec) -> list[Json]:
    found: list[Json] = []
    path = _fields(spec.path)
    for name in re.findall(r"\{(\w+)", address):
        schema, _ = path.get(name, ({"type": "string"}, True))
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    for name, (schema, required) in _fields(spec.query).items():
        found.append({"name": name, "in": "query", "required": required, "schema": schema})
    for name, meaning in spec.headers.items():
        found.append(
            {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}
        )
    return found


def _fields(model: type[BaseModel] | None) -> dict[str, tuple[object, bool]]:
    """Field → its schema and whether it must be given, with nothing referenced: words and numbers are small."""
    if model is None:
        return {}
    schema = model.model_json_schema(by_alias=True, mode="validation")
    required = schema.get("required", [])
    held = schema.get("properties", {})
    return {name: (_written_out(field, schema.get("$defs", {})), name in required) for name, field in held.items()}


def _written_out(schema: object, models: Json) -> object:
    """The schema with each reference replaced by what it names."""
    if isinstance(schema, list):
        return [_written_out(one, models) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = models[schema["$ref"].rpartition("/")[2]]
        return _written_out({**named, **{key: one for key, one in schema.items() if key != "$ref"}}, models)
    return {key: _written_out(one, models) for key, one in schema.items()}


def setup(app: web.Application) -> None:
    """Serve `/openapi.json` and `/docs`, each made when it is first asked for. The application needs mounted PAGES."""
    made: list[tuple[Json, bytes]] = []
    pages: dict[str, Composed] = {}
    making = asyncio.Lock()

    async def described() -> tuple[Json, bytes]:
        async with making:
            if not made:
                made.append(await _in_a_thread(app))
        return made[0]

    async def as_json(_: web.Request) -> web.Response:
        """The document."""
        headers = {hdrs.CONTENT_TYPE: "application/json", hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
        return web.Response(body=(await described())[1], headers=headers)

    async def as_page(request: web.Request) -> web.Response:
        """The document for people."""
        kit = request.app[PAGES]
        language = kit.language_of(request)
        if language not in pages:
            found, _ = await described()
            values = {**found, "docs": docs_page, "groups": docs_page.by_tag(found)}
            pages[language] = kit.compose("docs.html", language, values)
        return kit.answer(request, pages[language], cache="no-cache")

    app.router.add_get("/openapi.json", as_json)
    app.router.add_get("/docs", as_page)


async def _in_a_thread(app: web.Application) -> tuple[Json, bytes]:
    """The document and its bytes, made in a thread: it takes half a second, and voters do not wait for it."""
    for model, _ in _models([spec for *_, spec, _ in _endpoints(app)]):
        # What a model checks with is built here, one at a time: pydantic does not build the same one in two threads.
        model.model_rebuild()
        await asyncio.sleep(0)
    described = await asyncio.to_thread(document, app)
    return described, orjson.dumps(described)
