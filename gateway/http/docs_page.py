"""The API's document as a page for people: from OpenAPI to what the template shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is, in a few words: `list of `, then `link` to a model, where it is one."""

    words: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A line of a table. `place`: path, query, header, body or a status; `kinds`: one of these."""

    place: str
    name: str
    kinds: tuple[Kind, ...]
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    id: str
    method: str
    address: str
    summary: str
    description: str
    request: tuple[Field, ...]
    answers: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One schema. `values`: all that it may be, where it is one of a few words."""

    name: str
    description: str
    fields: tuple[Field, ...]
    values: tuple[str, ...]
    kinds: tuple[Kind, ...]


def operations(document: Json) -> dict[str, list[Operation]]:
    """Every operation, by tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for address, methods in document["paths"].items():
        for method, spec in methods.items():
            tag = next(iter(spec.get("tags", [])), "other")
            found.setdefault(tag, []).append(_operation(method.upper(), address, spec))
    return found


def models(document: Json) -> list[Model]:
    """Every schema, in the order of the document."""
    return [_model(name, schema) for name, schema in document["components"]["schemas"].items()]


def _operation(method: str, address: str, spec: Json) -> Operation:
    request = [
        Field(p["in"], p["name"], kinds(p["schema"]), _meaning(p, p["schema"]), p["required"])
        for p in spec.get("parameters", [])
    ]
    if body := spec.get("requestBody"):
        request += [Field("body", media, kinds(c["schema"]), "", required=True) for media, c in body["content"].items()]
    answers = [
        Field(status, media, kinds(held["schema"]), answer["description"])
        for status, answer in spec["responses"].items()
        for media, held in answer["content"].items()
    ]
    return Operation(
        id=spec["operationId"],
        method=method,
        address=address,
        summary=spec["summary"],
        description=spec.get("description", ""),
        request=tuple(request),
        answers=tuple(answers),
    )


def _meaning(*described: Json) -> str:
    return next((str(one["description"]) for one in described if "description" in one), "")


def _model(name: str, schema: Json) -> Model:
    required = schema.get("required", [])
    return Model(
        name=name,
        description=str(schema.get("description", "")),
        fields=tuple(
            Field("", field, kinds(held), _meaning(held), field in required)
            for field, held in schema.get("properties", {}).items()
        ),
        values=tuple(map(str, schema.get("enum", []))),
        kinds=() if "properties" in schema or "enum" in schema else kinds(schema),
    )


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
