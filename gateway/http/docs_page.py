"""The API's document as a page for people: what the template asks of OpenAPI's parts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]

_NOTHING: Json = {"": {"schema": {"type": "null"}}}


class Kind(NamedTuple):
    """What a value is, in a few words: `list of `, then `link` to a model, where it is one."""

    words: str
    link: str = ""


class Field(NamedTuple):
    """A line of a table. `place`: path, query, header, body or a status; `kinds`: one of these."""

    place: str
    name: str
    kinds: tuple[Kind, ...]
    meaning: str
    required: bool = False


def by_tag(document: Json) -> dict[str, list[tuple[str, str, Json]]]:
    """Method, address and description of every operation, by tag, in the order of the document."""
    found: dict[str, list[tuple[str, str, Json]]] = {}
    for address, methods in document["paths"].items():
        for method, spec in methods.items():
            found.setdefault(next(iter(spec.get("tags", [])), "other"), []).append((method.upper(), address, spec))
    return found


def request_fields(spec: Json) -> list[Field]:
    """What an operation reads."""
    parameters = [
        Field(p["in"], p["name"], kinds(p["schema"]), _meaning(p, p["schema"]), p["required"])
        for p in spec.get("parameters", [])
    ]
    body = spec.get("requestBody", {"content": {}, "required": False})
    sent = [Field("body", media, kinds(c["schema"]), "", body["required"]) for media, c in body["content"].items()]
    return parameters + sent


def answer_fields(spec: Json) -> list[Field]:
    """What an operation answers."""
    return [
        Field(status, media, kinds(held["schema"]), answer["description"])
        for status, answer in spec["responses"].items()
        for media, held in answer.get("content", _NOTHING).items()
    ]


def model_fields(schema: Json) -> list[Field]:
    """What a model holds."""
    required = schema.get("required", [])
    return [
        Field("", field, kinds(held), _meaning(held), field in required)
        for field, held in schema.get("properties", {}).items()
    ]


def _meaning(*described: Json) -> str:
    return next((str(one["description"]) for one in described if "description" in one), "")


def kinds(schema: Json, before: str = "") -> tuple[Kind, ...]:
    """What a schema allows, one after the other."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return (Kind(before, name),)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return tuple(kind for choice in schema[several] for kind in kinds(choice, before))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            inside = ", ".join(kind.words or kind.link for item in schema["prefixItems"] for kind in kinds(item))
            return (Kind(f"{before}[{inside}]"),)
        return kinds(schema.get("items", {}), f"{before}list of ")
    return (Kind(before + str(schema.get("format") or schema.get("type", "any"))),)
