"""MP4 files as small as their header, or as large as is wanted."""

import struct


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _track(handler: bytes, codec: bytes, width: int = 0, height: int = 0) -> bytes:
    header = box(b"tkhd", bytes(76), struct.pack(">II", width << 16, height << 16))
    described = box(b"stsd", struct.pack(">II", 0, 1), box(codec, bytes(8)))
    kind = box(b"hdlr", bytes(8), handler, bytes(13))
    return box(b"trak", header, box(b"mdia", kind, box(b"minf", box(b"stbl", described))))


def mp4(
    seconds: float,
    *,
    length: int = 0,
    picture: bool = True,
    long: bool = False,
    fragments: bool = False,
    brand: bytes = b"isom",
) -> bytes:
    """A movie of so many seconds. `length`: of the whole file, at least; `long`: with 64-bit times; `fragments`: its
    duration stands where recorders write it; `picture`: it has a video track besides sound; `brand`: `qt  ` of a
    MOV."""
    times = (1000, round(seconds * 1000))
    inside = (1000, 0) if fragments else times
    header = struct.pack(">B19xIQ", 1, *inside) if long else struct.pack(">B11xII", 0, *inside)
    tracks = [_track(b"vide", b"avc1", 720, 1280)] * picture + [_track(b"soun", b"mp4a")]
    if fragments:
        tracks.append(box(b"mvex", box(b"mehd", struct.pack(">II", 0, times[1]))))
    movie = box(b"ftyp", brand, bytes(4)) + box(b"moov", box(b"mvhd", header, bytes(80)), *tracks)
    return movie + box(b"mdat", bytes(max(0, length - len(movie) - 8)))
