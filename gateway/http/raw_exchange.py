"""An HTTP message without a framework, so that translators of wire formats stay pure."""

from collections.abc import Mapping
from dataclasses import field

from gateway.values.record import record


@record
class RawRequest:
    """What arrived. Header names are lower-case; `form` holds decoded form fields, if any. `at`: when it
    came, seconds since 1970; None: just now."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    form: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    at: float | None = None


@record
class RawResponse:
    """What to answer."""

    status: int
    body: bytes
    content_type: str
