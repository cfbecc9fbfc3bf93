"""What aggregators that speak JSON have in common: reading fields, writing an answer. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import orjson

from channels.ussd.aggregator import ONE_ADDRESS, Malformed, Phase, UssdTurn
from gateway.http.raw_exchange import RawRequest, RawResponse

JSON: Final = "application/json"
FIELD_LENGTH_MAX: Final = 200

Echo = dict[str, str | int | bool]


class Unreadable(ValueError):
    """Not a request of this aggregator; the text is for the log."""


class Fields(dict[str, Any]):
    """The fields of a JSON object, checked when they are read. Everything raises Unreadable."""

    def texts(self, *names: str, required: tuple[str, ...] = ()) -> dict[str, str]:
        """These fields as texts, numbers as their digits; empty where one is absent or null. `required`: more of
        them, which must not be empty."""
        texts = {}
        for name in (*required, *names):
            value = self.get(name)
            if value is None:
                value = ""
            elif type(value) is int:
                value = str(value)
            if not isinstance(value, str):
                raise Unreadable(f"{name} is no text")
            if len(value) > FIELD_LENGTH_MAX:
                raise Unreadable(f"{name} too long")
            if name in required and not value.strip():
                raise Unreadable(f"no {name}")
            texts[name] = value
        return texts

    def flag(self, name: str) -> bool:
        """A field that is true or false."""
        value = self.get(name)
        if not isinstance(value, bool):
            raise Unreadable(f"{name} is neither true nor false")
        return value

    def phase(self, name: str, phases: Mapping[str, Phase]) -> Phase:
        """The kind of request by the aggregator's word for it, in any case."""
        phase = phases.get(str(self.get(name)).strip().lower())
        if phase is None:
            raise Unreadable(f"unknown {name}")
        return phase

    def echo(self, *names: str) -> Echo:
        """These fields of the types in which they came, where they are there."""
        return {name: self[name] for name in names if isinstance(self.get(name), str | int)}


class JsonAggregator(ABC):
    """A `UssdAggregator` that posts a JSON object for each hop. A subclass has the `code`, reads and writes."""

    content_types = frozenset({JSON})
    addresses: tuple[tuple[str, str], ...] = ONE_ADDRESS
    # None of them names a limit of its own; this is the narrowest that networks have.
    screen_septets_max = 160

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a hop, or the notice that a dialogue is over."""
        try:
            fields = orjson.loads(request.body)
            return self.turn(Fields(fields), request) if isinstance(fields, dict) else Malformed("no JSON object")
        except (orjson.JSONDecodeError, Unreadable) as fault:
            return Malformed(str(fault))

    @abstractmethod
    def turn(self, fields: Fields, request: RawRequest) -> UssdTurn:
        """What these fields mean. Raises Unreadable."""


def repeated(turn: UssdTurn | None, *names: str) -> Echo:
    """What the answer repeats of the request: each of these fields, empty where it did not come."""
    return {name: turn.echo.get(name, "") if turn else "" for name in names}


def international(number: str) -> str:
    """A number with its `+`, which these aggregators leave out."""
    bare = number.strip()
    return bare if bare.startswith(("+", "0")) else f"+{bare}"


def wallet_word(operator: str) -> str | None:
    """The wallet of an operator, by the aggregator's word for it; None for one that has none here."""
    word = operator.strip().casefold()
    return word if word in ("mtn", "orange") else None


def answer(fields: Mapping[str, object]) -> RawResponse:
    """A JSON answer."""
    return RawResponse(200, orjson.dumps(fields), JSON)
