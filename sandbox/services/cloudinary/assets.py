"""What was uploaded: files with a record beside each, which stay when the country is started again."""

import hashlib
import io
import json
import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final

from PIL import Image, ImageDraw

from sandbox.courier import instant
from sandbox.services.cloudinary.mp4 import read_movie

_PICTURES: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_POSTER_SIDE: Final = 640


class Unreadable(Exception):
    """The file is none of this kind."""


@dataclass(frozen=True, slots=True)
class Asset:
    """An uploaded file. `kind`: `video` or `image`; `version`: seconds, later for each upload of the same id; `eager`:
    the derived versions that were asked for. Lengths in bytes, pixels and seconds."""

    asset_id: str
    public_id: str
    version: int
    kind: str
    format: str
    bytes: int
    etag: str
    width: int
    height: int
    created_at: str
    uploaded: float
    seconds: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    eager: tuple[str, ...] = ()
    context: dict[str, str] = field(default_factory=dict)


class Assets:
    """The files of one cloud in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, kind: str, public_id: str, ending: str) -> Path:
        return self._folder / f"{hashlib.sha256(f'{kind}/{public_id}'.encode()).hexdigest()}.{ending}"

    def find(self, kind: str, public_id: str) -> Asset | None:
        """The asset of this id."""
        try:
            record: dict[str, Any] = json.loads(self._place(kind, public_id, "json").read_bytes())
        except FileNotFoundError:
            return None
        return Asset(**{**record, "eager": tuple(record["eager"])})

    def all_of(self, kind: str, prefix: str) -> list[Asset]:
        """Assets whose ids begin like this, by id."""
        records = [json.loads(path.read_bytes()) for path in self._folder.glob("*.json")]
        found = [Asset(**{**record, "eager": tuple(record["eager"])}) for record in records]
        return sorted(
            (one for one in found if one.kind == kind and one.public_id.startswith(prefix)),
            key=lambda asset: asset.public_id,
        )

    def content(self, asset: Asset) -> Path:
        """The file as it was uploaded."""
        return self._place(asset.kind, asset.public_id, "data")

    def put(self, kind: str, public_id: str, file: IO[bytes], eager: tuple[str, ...], context: dict[str, str]) -> Asset:
        """Keep a file, in place of one of the same id. Raises Unreadable, and then keeps the old one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f"{uuid.uuid4().hex}.part"
        with fresh.open("wb") as out:
            shutil.copyfileobj(file, out)
        try:
            found = _measured(fresh, kind)
        except Unreadable:
            fresh.unlink()
            raise
        before, now = self.find(found.kind, public_id), time.time()
        asset = replace(
            found,
            asset_id=before.asset_id if before else uuid.uuid4().hex,
            public_id=public_id,
            version=max(int(now), before.version + 1 if before else 0),
            created_at=instant(now),
            uploaded=now,
            eager=eager,
            context=context,
        )
        os.replace(fresh, self.content(asset))
        self._place(asset.kind, public_id, "json").write_text(json.dumps(asdict(asset)))
        return asset

    def remove(self, kind: str, public_id: str) -> bool:
        """Delete an asset; whether it was there."""
        self._place(kind, public_id, "data").unlink(missing_ok=True)
        record = self._place(kind, public_id, "json")
        was_there = record.exists()
        record.unlink(missing_ok=True)
        return was_there


def _measured(path: Path, kind: str) -> Asset:
    """An asset without its name. Raises Unreadable."""
    movie = read_movie(path) if kind in ("video", "auto") else None
    content = path.read_bytes()
    known = {"bytes": len(content), "etag": hashlib.md5(content, usedforsecurity=False).hexdigest()}
    if movie is not None:
        sides = {"width": movie.width, "height": movie.height}
        codecs = {"video_codec": movie.video_codec, "audio_codec": movie.audio_codec}
        return _unnamed("video", "mov" if movie.quicktime else "mp4", **known, **sides, **codecs, seconds=movie.seconds)
    if kind == "video":
        raise Unreadable("Unsupported video format or file")
    try:
        with Image.open(io.BytesIO(content)) as image:
            ending, (width, height) = _PICTURES.get(image.format or ""), image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        ending = None
    if ending is None:
        raise Unreadable("Invalid image file")
    return _unnamed("image", ending, **known, width=width, height=height)


def _unnamed(kind: str, ending: str, **more: Any) -> Asset:  # noqa: ANN401 - of an asset's fields
    return Asset(asset_id="", public_id="", version=0, kind=kind, format=ending, created_at="", uploaded=0, **more)


def poster_of(asset: Asset) -> bytes:
    """A JPEG that stands for a frame of a video: its sides, and its id in words."""
    longer = max(asset.width, asset.height, 1)
    scale = min(1.0, _POSTER_SIDE / longer)
    sides = max(1, round(asset.width * scale)), max(1, round(asset.height * scale))
    tint = int(asset.asset_id[:6], 16)
    picture = Image.new("RGB", sides, (40 + tint % 120, 40 + (tint >> 8) % 120, 40 + (tint >> 16) % 120))
    pen = ImageDraw.Draw(picture)
    pen.text((8, 8), f"{asset.public_id.rpartition('/')[2]}\n{asset.seconds} s", fill="white")
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=80)
    return made.getvalue()
