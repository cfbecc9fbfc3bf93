"""Errors of the Orange platform and the check of request fields (Orange Developer error-handling guide)."""

from collections.abc import Mapping

from aiohttp import web

from sandbox.operators.wire import Refusal, answer, read_json


def refused(status: int, code: int, message: str, description: str = "") -> web.Response:
    """Orange's error body."""
    return answer(status, {"code": code, "message": message, "description": description or message})


def order_fault(code: int, description: str) -> Refusal:
    """A request body that is refused: 400."""
    messages = {21: "Missing body", 22: "Invalid body", 23: "Missing body field", 24: "Invalid body field"}
    return Refusal(refused(400, code, messages[code], description))


async def checked_fields(request: web.Request, wanted: Mapping[str, type[str | int]]) -> dict[str, str | int]:
    """The wanted fields of a JSON body, whatever its content type says. Raises Refusal."""
    if not await request.read():
        raise order_fault(21, "The body is empty")
    try:
        body = await read_json(request)
    except ValueError:
        raise order_fault(22, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise order_fault(22, "The body is not a JSON object")
    fields: dict[str, str | int] = {}
    for name, kind in wanted.items():
        if name not in body:
            raise order_fault(23, f"{name} is missing")
        value = body[name]
        if isinstance(value, float) and value.is_integer() and kind is int:
            value = int(value)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise order_fault(24, f"{name} has the wrong type")
        fields[name] = value
    return fields
