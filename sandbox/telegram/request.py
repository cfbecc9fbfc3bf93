"""Parameters of a Bot API call, in every way that they may be sent, and the answers."""

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

_INTEGER_DIGITS_MAX: Final = 20


class Refused(Exception):
    """An answer with `"ok": false`. `parameters`: as Telegram adds them."""

    def __init__(self, status: int, description: str, parameters: Mapping[str, int] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters

    def answer(self) -> web.Response:
        """As it goes over the wire."""
        body: dict[str, object] = {"ok": False, "error_code": self.status, "description": self.description}
        if self.parameters:
            body["parameters"] = dict(self.parameters)
        return web.json_response(body, status=self.status)


def bad(description: str) -> Refused:
    """A request that Telegram does not understand or will not do."""
    return Refused(400, f"Bad Request: {description}")


class Parameters:
    """Values by name; texts where they came by form or query, JSON values where by JSON."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        """A text, empty where it is absent; numbers that came by JSON are written out."""
        value = self._values.get(name)
        if value is None or isinstance(value, (dict, list)):
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    def integer(self, name: str, default: int = 0) -> int:
        """An integer. Raises Refused."""
        written = self.text(name).strip()
        if not written:
            return default
        if len(written) > _INTEGER_DIGITS_MAX or not written.removeprefix("-").isdecimal() or not written.isascii():
            raise bad(f"can't parse integer parameter {name}")
        return int(written)

    def flag(self, name: str) -> bool:
        """A boolean, false unless given."""
        return self.text(name).lower() in ("true", "yes", "y", "t", "1")

    def structure(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        """A nested value, also where it came as JSON text; None when absent. Raises Refused."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise bad(f"can't parse {name} JSON object") from None


async def read(request: web.Request) -> Parameters:
    """Parameters of the query, and over them those of the body. Raises Refused."""
    values: dict[str, object] = dict(request.query)
    try:
        if request.content_type == "application/json":
            body = json.loads((await request.read()).decode("utf-8") or "{}")
            if not isinstance(body, dict):
                raise bad("object expected as JSON request body")
            values.update(body)
        elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            values.update({name: value for name, value in (await request.post()).items() if isinstance(value, str)})
    except (ValueError, RecursionError, web.RequestPayloadError):
        raise bad("the request body could not be read") from None
    return Parameters(values)
