"""Static files as browsers need them: small, packed, under an address that changes with their content."""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

from aiohttp import hdrs, web

STATIC_CACHE: Final = "public, max-age=31536000, immutable"
# Of the one script that becomes a shared worker.
WORKER_POLICY: Final = "default-src 'none'; connect-src 'self'"
# Below this, a gzip header costs more than compression saves.
SMALLEST_TO_COMPRESS: Final = 400

_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_AROUND: Final = re.compile(r"\s*([{};,>])\s*")
_AFTER_COLON: Final = re.compile(r":\s+")
_SPACE: Final = re.compile(r"\s+")
# A text as it is, or one of the marks that need no space: a plus or a minus may stand before another one.
_AROUND_MARKS: Final = re.compile(r"""("[^"]*"|`[^`]*`)| *([=<>?:&|,{}()*%]) *""")


def squeeze(style: str) -> str:
    """The same stylesheet without comments and needless space: about nine tenths of the packed bytes.

    For our own stylesheets, which have no comment, space or mark of these inside a text.
    """
    bare = _AROUND.sub(r"\1", _COMMENT.sub("", style))
    return _SPACE.sub(" ", _AFTER_COLON.sub(":", bare)).replace(";}", "}").strip()


def strip(script: str) -> str:
    """The same script without indentation, lines of comment, needless ends of lines and space around marks: less than
    eight tenths of the packed bytes.

    For our own scripts, which have no text of several lines, no quotation mark inside a text, and no space or
    quotation mark in a regular expression.
    """
    lines = (line.strip() for line in script.splitlines())
    kept = [line for line in lines if line and not line.startswith("//")]
    kept = [line if "//" in line else _AROUND_MARKS.sub(lambda found: found[1] or found[2], line) for line in kept]
    # Behind these marks a statement goes on or is over, unless they stand in a comment.
    return "".join(line if line[-1] in ";{,([" and "//" not in line else f"{line}\n" for line in kept).rstrip()


def accepts_gzip(request: web.Request) -> bool:
    """Whether the reader unpacks gzip."""
    return "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file in memory, plain and packed; `packed` is None where packing saves nothing."""

    address: str
    content_type: str
    body: bytes
    packed: bytes | None


class StaticFiles:
    """The static files of all packages. Filled at start-up, then only read."""

    def __init__(self) -> None:
        self._by_name: dict[str, StaticFile] = {}
        self._by_address: dict[str, StaticFile] = {}

    def add(self, package: str) -> None:
        """Offer the files in a package's `static` folder. ValueError when a name is taken."""
        for entry in resources.files(package).joinpath("static").iterdir():
            if entry.name in self._by_name:
                raise ValueError(f"two packages have a static file {entry.name}")
            stem, _, ending = entry.name.rpartition(".")
            body = entry.read_bytes()
            if ending == "css":
                body = squeeze(body.decode()).encode()
            elif ending == "js":
                body = strip(body.decode()).encode()
            digest = hashlib.sha256(body).hexdigest()[:10]
            packed = gzip.compress(body, 9, mtime=0)
            kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            file = StaticFile(
                address=f"/static/{stem}.{digest}.{ending}",
                content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
                body=body,
                packed=packed if len(packed) < len(body) and len(body) > SMALLEST_TO_COMPRESS else None,
            )
            self._by_name[entry.name] = self._by_address[file.address] = file

    def address(self, name: str) -> str:
        """Where a file is served. KeyError for an unknown one."""
        return self._by_name[name].address

    async def serve(self, request: web.Request) -> web.Response:
        """The file of this address. Raises web.HTTPNotFound."""
        file = self._by_address.get(request.path)
        if file is None:
            raise web.HTTPNotFound
        headers = {
            hdrs.CONTENT_TYPE: file.content_type,
            hdrs.CACHE_CONTROL: STATIC_CACHE,
            "X-Content-Type-Options": "nosniff",
        }
        if request.path.startswith("/static/stream."):
            headers["Content-Security-Policy"] = WORKER_POLICY
        if file.packed is None:
            return web.Response(body=file.body, headers=headers)
        headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if not accepts_gzip(request):
            return web.Response(body=file.body, headers=headers)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=file.packed, headers=headers)
