"""Log lines: one JSON object a line in production, readable ones on a terminal.

Every line carries the ids of the request, vote and payment that it is about, as far as they are
known, and none carries a whole phone number or a secret, whichever library wrote it.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from enum import Enum
from typing import Final, Literal
from uuid import UUID

import orjson
import structlog
from aiohttp.http_exceptions import BadHttpMessage
from structlog.types import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]

# Libraries that log every call at INFO, with addresses that may hold a token.
_CHATTY: Final = ("httpx", "httpcore", "asyncio", "aiogram", "rq.worker", "urllib3", "stripe", "alembic")

# What a secret is called, alone or behind another word: `pay_token`.
_SECRET_WORDS: Final = ("password", "passwd", "pin", "token", "secret", "authorization", "cookie", "api_key", "apikey")
_SECRET_KEYS: Final = ("secret_key", "private_key", "subscription_key", "stripe_signature")
_SECRET_ENDINGS: Final = tuple(f"_{word}" for word in (*_SECRET_WORDS, *_SECRET_KEYS))
_SECRET_IN_TEXT: Final = re.compile(
    r"(?i)\b(key|token|\w+_token|secret|password|pin)(=[\"']?|[\"']?: ?[\"'])([^&\s\"',;)]+)"
    r"|\b(bearer|basic) +[\w.~+/=-]{6,}"
)
# An id or a date is kept whole; a run of digits as long as a phone number, grouped or not, is masked.
_NUMBER_IN_TEXT: Final = re.compile(
    r"(?P<kept>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.:+-]*)"
    r"|(?<![\w.])\+\d(?:[ .-]?\(?\d\)?){7,14}(?!\w)"
    r"|(?<![\w.])(?:%2[Bb])\d{8,15}(?!\w)"
    r"|(?<![A-Za-z0-9.])\d{9,15}(?![A-Za-z0-9])"
    r"|(?<![\w.:-])0\d(?:[ .-]\d\d){4}(?![\w.:])"
)
_NUMBER_AS_INTEGER: Final = range(10**10, 10**15)
_MASK: Final = "••••"
_HIDDEN: Final = "[hidden]"

_ids: ContextVar[dict[str, object] | None] = ContextVar("spotlight_log_ids", default=None)


def begin_request(request_id: str) -> None:
    """From here on, every line of this task and of tasks started by it carries the request's id."""
    _ids.set({"request_id": request_id})


def bind_vote(vote_id: UUID, payment: UUID | None = None) -> None:
    """Add the vote's id, and its payment's reference when given, to the lines of this request."""
    bound = _ids.get()
    if bound is None:
        bound = {}
        _ids.set(bound)
    bound["vote_id"] = vote_id
    if payment is not None:
        bound["payment"] = payment


def _add_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    bound = _ids.get()
    return {**bound, **event} if bound else event


def mask_text(text: str) -> str:
    """A text without phone numbers (all but two digits are gone) and without secrets in `key=value`."""
    text = _NUMBER_IN_TEXT.sub(_masked, text)
    return _SECRET_IN_TEXT.sub(_without_secret, text)


def _masked(found: re.Match[str]) -> str:
    whole = found.group()
    return whole if found["kept"] else _MASK + whole.rstrip(")")[-2:]


def _without_secret(found: re.Match[str]) -> str:
    name, sign, _, scheme = found.groups()
    return f"{scheme} {_HIDDEN}" if scheme else f"{name}{sign}{_HIDDEN}"


def _is_secret(key: str) -> bool:
    return f"_{key.lower().replace('-', '_')}".endswith(_SECRET_ENDINGS)


def _clean(value: object) -> object:
    """The value with numbers masked and secrets dropped, made of plain types that cannot hide one."""
    if value is None or isinstance(value, bool | float | UUID | datetime):
        return value
    if isinstance(value, Enum):
        return _clean(value.value)
    if isinstance(value, int):
        return mask_text(str(value)) if value in _NUMBER_AS_INTEGER else value
    if isinstance(value, Mapping):
        return {str(key): _clean(held) for key, held in value.items() if not _is_secret(str(key))}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(held) for held in value]
    return mask_text(value if isinstance(value, str) else repr(value))


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drop what is secret by name, mask what looks like a phone number. Runs after tracebacks became text."""
    return {key: _clean(value) for key, value in event.items() if not _is_secret(key)}


def one_line_for_bad_http(record: logging.LogRecord) -> bool:
    """A client that does not speak HTTP costs one line, not a traceback: else anyone floods the log."""
    fault = record.exc_info[1] if record.exc_info else None
    if isinstance(fault, BadHttpMessage):
        record.msg, record.args = "bad_http_message: %s", (type(fault).__name__,)
        record.exc_info, record.exc_text = None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _before() -> list[Processor]:
    return [
        _add_ids,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _json_bytes(event: Mapping[str, object], **_: object) -> bytes:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)


def _json_text(event: Mapping[str, object], **_: object) -> str:
    return _json_bytes(event).decode()


def set_up_logs(level: Level = "info", *, json: bool | None = None) -> None:
    """Send every log line of this process to standard error. Call once, before the first line.

    `json`: objects for machines; left out, lines for people on a terminal and objects elsewhere.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    as_json = not sys.stderr.isatty() if json is None else json
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*_before(), structlog.processors.JSONRenderer(_json_bytes) if as_json else console],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_before(),
                structlog.processors.JSONRenderer(_json_text) if as_json else console,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, least))
    server = logging.getLogger("aiohttp.server")
    server.filters[:] = [one_line_for_bad_http]
