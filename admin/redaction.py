"""What operators sent, as it may be shown: numbers masked, secrets gone."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import orjson

from gateway.http.logs import mask_text, redact

_SHOWN_MAX: Final = 4_000
_FORM: Final = "application/x-www-form-urlencoded"


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that open something."""
    return {str(name): str(value) for name, value in redact(None, "", dict(headers)).items()}


def shown_body(raw: str, headers: Mapping[str, str] | None = None) -> str:
    """A body as text: JSON and forms field by field, anything else as it stands; cut where it is long."""
    try:
        held = orjson.loads(raw)
    except orjson.JSONDecodeError:
        held = None
    kind = next((value for name, value in (headers or {}).items() if name.lower() == "content-type"), "")
    if held is None and kind.startswith(_FORM):
        held = dict(parse_qsl(raw, keep_blank_values=True))
    if isinstance(held, dict | list):
        clean = redact(None, "", {"body": held})["body"]
        return _cut(orjson.dumps(clean, option=orjson.OPT_INDENT_2, default=str).decode())
    return _cut(mask_text(raw))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]} …"
