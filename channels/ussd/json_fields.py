"""What aggregators that speak JSON have in common: reading fields, writing an answer. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from channels.ussd.aggregator import Malformed
from gateway.http.raw_exchange import RawResponse

JSON: Final = "application/json"
FIELD_LENGTH_MAX: Final = 200

Echo = dict[str, str | int | bool]


def read_object(body: bytes) -> dict[str, Any] | Malformed:
    """The fields of a JSON object."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Malformed("no JSON")
    return read if isinstance(read, dict) else Malformed("no JSON object")


def read_texts(fields: Mapping[str, Any], *names: str) -> dict[str, str] | Malformed:
    """These fields as texts, numbers as their digits; empty where one is absent or null."""
    texts = {}
    for name in names:
        value = fields.get(name)
        if value is None:
            value = ""
        elif type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            return Malformed(f"{name} is no text")
        if len(value) > FIELD_LENGTH_MAX:
            return Malformed(f"{name} too long")
        texts[name] = value
    return texts


def missing(texts: Mapping[str, str], *names: str) -> Malformed | None:
    """The first of these texts that is empty."""
    return next((Malformed(f"no {name}") for name in names if not texts[name].strip()), None)


def echo_of(fields: Mapping[str, Any], *names: str) -> Echo:
    """These fields of the types in which they came, where they are there."""
    return {name: fields[name] for name in names if isinstance(fields.get(name), str | int)}


def international(number: str) -> str:
    """A number with its `+`, which these aggregators leave out."""
    bare = number.strip()
    return bare if bare.startswith(("+", "0")) else f"+{bare}"


def wallet_word(wallets: Mapping[str, str], operator: str) -> str | None:
    """The wallet of an operator by the aggregator's word for it; None for one that it does not name."""
    return wallets.get(operator.strip().casefold())


def answer(fields: Mapping[str, object]) -> RawResponse:
    """A JSON answer."""
    return RawResponse(200, orjson.dumps(fields), JSON)
