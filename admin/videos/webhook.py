"""Where Cloudinary notifies us: a notification that is its own is kept and answered; a worker asks what is so.

Source: "Notifications". They may repeat and come in any order.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from admin.videos.cloudinary import WEBHOOK, Cloudinary
from admin.videos.keep import Videos
from gateway.http.endpoint import BODY_BYTES_MAX, JSON_TYPE, body_within, described
from gateway.http.problems import Problem
from gateway.values.rates import Buckets, Rate
from payments.answers import read_object

_NAMES_MAX: Final = 100
_NAME_LENGTH_MAX: Final = 255
_LOGGED: Final = Rate(per_second=1 / 60, burst=1)
_log = structlog.get_logger(__name__)


def key_of(kind: str, found: Mapping[str, Any], body: bytes) -> str:
    """By what a repeated notification is known."""
    named = {
        "upload": (found.get("asset_id"), found.get("version")),
        "eager": (found.get("batch_id"),),
    }.get(kind, (found.get("request_id"),))
    key = ":".join(str(part) for part in named if isinstance(part, str | int))
    if len(key) > _NAME_LENGTH_MAX or not key.isprintable() or not all(named):
        return hashlib.sha256(body).hexdigest()
    return key


def named_in(found: Mapping[str, Any]) -> list[str]:
    """The names of the assets that a notification is about."""
    return list(dict.fromkeys(_named(found)))[:_NAMES_MAX]


def _named(found: Mapping[str, Any]) -> Iterator[str]:
    several = found.get("resources")
    for one in (found, *(several if isinstance(several, list) else ())):
        name = one.get("public_id") if isinstance(one, dict) else None
        if isinstance(name, str) and 0 < len(name) <= _NAME_LENGTH_MAX and name.isprintable():
            yield name


def _handler(videos: Videos, cloudinary: Cloudinary) -> Handler:
    logged = Buckets(_LOGGED)

    @described(
        returns={200: None},
        problems=(400, 401, 408, 413, 503),
        headers={"X-Cld-Timestamp": "When it was signed.", "X-Cld-Signature": "The body and the time, signed."},
        tag="callbacks",
        sends={JSON_TYPE: {"type": "object"}},
    )
    async def receive(request: web.Request) -> web.Response:
        """Keep a notification of Cloudinary.

        200 once it is durable, 401 for one that Cloudinary did not sign lately.
        """
        try:
            body = await body_within(request)
        except TimeoutError:
            return Problem(408, "Request timeout", "The body did not arrive in time.").response()
        if body is None:
            return Problem(413, "Content too large", f"A notification has at most {BODY_BYTES_MAX} bytes.").response()
        timestamp, signature = (request.headers.get(f"X-Cld-{name}", "") for name in ("Timestamp", "Signature"))
        if not cloudinary.is_genuine(body, timestamp, signature, videos.now()):
            if logged.take("", time.monotonic()):
                newer = "X-Cld-Signature_v2" in request.headers
                _log.warning("notification_not_genuine", remote=request.remote, timestamp=timestamp[:20], newer=newer)
            problem = Problem(401, "Not signed", headers={hdrs.WWW_AUTHENTICATE: "X-Cld-Signature"})
            return problem.response()
        found = read_object(body)
        kind = str(found.get("notification_type", ""))[:40]
        if not kind.isascii() or not kind.isprintable() or not kind:
            return Problem(400, "Unreadable notification").response()
        kept = body.decode("utf-8", "replace").replace("\x00", "")
        await videos.notified(kind, key_of(kind, found, body), kept, named_in(found))
        return web.Response(status=200)

    return receive


def setup(app: web.Application, videos: Videos) -> None:
    """Serve it, POST, where an account is set up."""
    if videos.cloudinary is not None:
        app.router.add_post(WEBHOOK, _handler(videos, videos.cloudinary))
