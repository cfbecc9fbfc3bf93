"""What forms of pages send: fields, and files."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.http.endpoint import BODY_BYTES_MAX, read_body
from gateway.http.problems import Problem

FORM_TYPE: Final = "application/x-www-form-urlencoded"
# What the library raises for a wrong boundary, and for the head of a part that is none.
_UNREADABLE: Final = (ValueError, HttpProcessingError)
# A page lists at most 200 votes with two fields each, or the points of 1,000 candidates.
_FIELDS_MAX: Final = 1_200
_FIELD_LENGTH_MAX: Final = 2_000
# Of a form with files.
_PARTS_MAX: Final = 40
_LINES_LENGTH_MAX: Final = 10_000
_FILE_NAME_MAX: Final = 120
_UPLOAD_SECONDS: Final = 60.0
FILE_BYTES_MAX: Final = 10 * 1024 * 1024


async def read_form(request: web.Request, *, lines: bool = False, document: int = 0) -> dict[str, str]:
    """The fields as sent; of a field given twice, the last. `lines`: a field keeps its lines, and one that is given
    several times has them all, one a line; `document`: the field of this name is kept whole in a form of at most so
    many bytes. Problem 400, 413, 415."""
    body = await read_body(request, FORM_TYPE, document or BODY_BYTES_MAX)
    try:
        sent = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise Problem(400, "Unreadable form") from None
    if not lines:
        whole = "document" if document else None
        return {name: value if name == whole else plain(value) for name, value in dict(sent).items()}
    fields: dict[str, list[str]] = {}
    for name, value in sent:
        kept = value.replace("\r\n", "\n")[:_LINES_LENGTH_MAX].split("\n")
        fields.setdefault(name, []).extend(map(plain, kept))
    return {name: "\n".join(values) for name, values in fields.items()}


def plain(typed: str) -> str:
    """A typed text without control characters, cut to its longest. The end of a line is a space."""
    return "".join(
        letter if letter.isprintable() else " "
        for letter in typed[:_FIELD_LENGTH_MAX]
        if letter.isprintable() or letter == "\n"
    )


async def read_upload(request: web.Request) -> tuple[dict[str, str], str, bytes]:
    """The fields, the file's name and its content. Problem 400, 413, 415."""
    fields: dict[str, str] = {}
    name, data = "", b""
    try:
        async with asyncio.timeout(_UPLOAD_SECONDS):
            async for part in parts_of(request):
                if len(fields) >= _PARTS_MAX:
                    raise Problem(400, "Unreadable form")
                if part.filename is None:
                    fields[part.name or ""] = plain(
                        (await _read_part(part, _FIELD_LENGTH_MAX)).decode("utf-8", "replace")
                    )
                else:
                    name, data = plain(part.filename)[:_FILE_NAME_MAX], await _read_part(part, FILE_BYTES_MAX)
    except TimeoutError:
        raise Problem(408, "Request timeout", "The file did not arrive in time.") from None
    return fields, name, data


async def read_files(request: web.Request, bytes_max: int) -> tuple[dict[str, str], AsyncIterator[tuple[str, bytes]]]:
    """The fields that stand before the first file, and the files, each with its name and read when it is its turn. Of a
    file that is longer than `bytes_max`, one byte more is read. Problem 400, 415."""
    fields: dict[str, str] = {}
    parts = parts_of(request)
    first: BodyPartReader | None = None
    async for part in parts:
        if part.filename is not None:
            first = part
            break
        if len(fields) >= _PARTS_MAX:
            raise Problem(400, "Unreadable form")
        fields[part.name or ""] = plain((await _read_part(part, _FIELD_LENGTH_MAX)).decode("utf-8", "replace"))

    async def files() -> AsyncIterator[tuple[str, bytes]]:
        part = first
        while part is not None:
            if part.filename:
                yield plain(part.filename)[:_FILE_NAME_MAX], await read_start(part, bytes_max + 1)
            part = await anext(parts, None)

    return fields, files()


async def parts_of(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """The parts of a form with files, one after the other. Problem 400, 415."""
    if request.content_type != "multipart/form-data":
        raise Problem(
            415, "Unsupported media type", "Send multipart/form-data.", headers={"Accept": "multipart/form-data"}
        )
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise Problem(400, "Unreadable form")
            yield part
    except _UNREADABLE:
        raise Problem(400, "Unreadable form") from None


async def read_start(part: BodyPartReader, most: int) -> bytes:
    """The first bytes of a part, at most so many. Problem 400."""
    held = bytearray()
    try:
        while len(held) < most and (chunk := await part.read_chunk()):
            held += chunk
    except _UNREADABLE:
        raise Problem(400, "Unreadable form") from None
    return bytes(held[:most])


async def _read_part(part: BodyPartReader, most: int) -> bytes:
    held = await read_start(part, most + 1)
    if len(held) > most:
        raise Problem(413, "Content too large", f"At most {most} bytes.")
    return held
