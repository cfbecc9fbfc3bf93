"""What an MP4 says about itself: its duration, its size, its tracks.

Source: ISO/IEC 14496-12, boxes `moov`, `mvhd`, `mehd`, `tkhd`, `hdlr`, `stsd`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

_QUICKTIME: Final = b"qt  "
_INSIDE_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Movie:
    """`seconds`: None where the file does not say it, as a live recording. Width and height in pixels. `quicktime`: it
    is a MOV."""

    seconds: float | None
    width: int
    height: int
    video_codec: str | None
    audio_codec: str | None
    quicktime: bool = False


def read_movie(path: Path) -> Movie | None:
    """What the file says; None for a file that is no MP4 with a header that can be read."""
    with path.open("rb") as file:
        quicktime = False
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            left = size - 8
            if size == 1:
                left = int.from_bytes(file.read(8), "big") - 16
            if left < 0:  # a box to the end of the file is nothing that is played while it comes
                return None
            if kind == b"ftyp" and left >= len(_QUICKTIME):
                quicktime = file.read(len(_QUICKTIME)) == _QUICKTIME
                left -= len(_QUICKTIME)
            if kind == b"moov":
                inside = file.read(min(left, _INSIDE_MAX))
                try:
                    return replace(_movie(inside), quicktime=quicktime) if len(inside) == left else None
                except (struct.error, IndexError, ZeroDivisionError):
                    return None
            file.seek(left, 1)
    return None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size < 8:
            return
        yield kind, content[at + 8 : at + size]
        at += size


def _inside(content: bytes, *names: bytes) -> bytes | None:
    """The first box at the end of this path; None where there is none."""
    for name in names:
        found = next((inner for kind, inner in _boxes(content) if kind == name), None)
        if found is None:
            return None
        content = found
    return content


def _movie(moov: bytes) -> Movie:
    header = _inside(moov, b"mvhd") or b""
    long = header[0] == 1
    scale, length = struct.unpack_from(">IQ" if long else ">II", header, 20 if long else 12)
    fragments = _inside(moov, b"mvex", b"mehd")
    if not length and fragments is not None:
        (length,) = struct.unpack_from(">Q" if fragments[0] == 1 else ">I", fragments, 4)
    width = height = 0
    codecs: dict[bytes, str] = {}
    for kind, track in _boxes(moov):
        if kind != b"trak":
            continue
        handler = (_inside(track, b"mdia", b"hdlr") or b"")[8:12]
        described = _inside(track, b"mdia", b"minf", b"stbl", b"stsd") or b""
        codecs[handler] = described[12:16].decode("ascii", "replace")
        if handler == b"vide":
            sides = struct.unpack(">II", (_inside(track, b"tkhd") or b"")[-8:])
            width, height = (side >> 16 for side in sides)
    seconds = round(length / scale, 3) if length else None
    return Movie(seconds, width, height, codecs.get(b"vide"), codecs.get(b"soun"))
