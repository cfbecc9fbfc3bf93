"""A photo as it was sent becomes squares of ours: judged by its content, decoded, turned upright and written anew.

What a file says of itself beside its pixels (place, camera, names, thumbnails) is in none of the squares. Run as a
program, it reads one photo and writes the squares: see `resize_apart`.
"""

import base64
import io
import os
import resource
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

BYTES_MAX: Final = 5 * 1024 * 1024
PIXELS_MAX: Final = 25_000_000
SIDES: Final = (96, 320, 960)
"""Of the squares in pixels, ascending; a smaller photo is not enlarged beyond the first."""
SIDE_MIN: Final = SIDES[0]
BLUR_BYTES_MAX: Final = 1024
_BLUR_SIDE: Final = 12
_KINDS: Final = ("JPEG", "PNG", "WEBP")
# Two pictures in one JPEG file, as some phones write them; the first is the photo.
_JPEG_OF_TWO: Final = "MPO"
# Of a tall photo the upper part is kept: faces are there.
_UPPER: Final = 0.3
_WHITE: Final = (255, 255, 255)
_MEMORY_MAX: Final = 1024 * 1024 * 1024
_CPU_SECONDS: Final = 20
_POLITENESS: Final = 10


class PhotoFault(StrEnum):
    """Why a file is not taken."""

    TOO_LARGE = "too_large"  # bytes
    NO_PHOTO = "no_photo"  # neither JPEG nor PNG nor WebP, whatever its name says
    MOVING = "moving"  # several pictures
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    BROKEN = "broken"  # cut off or damaged


class PhotoRefused(Exception):
    """The file is not taken."""

    def __init__(self, fault: PhotoFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Resized:
    """`squares`: WebP by their side in pixels, ascending. `blur`: a tiny WebP of at most `BLUR_BYTES_MAX` bytes."""

    squares: dict[int, bytes]
    blur: bytes


def resize(data: bytes) -> Resized:
    """The squares of a photo. Raises PhotoRefused."""
    if len(data) > BYTES_MAX:
        raise PhotoRefused(PhotoFault.TOO_LARGE)
    image = _open(data)
    try:
        return _squares(image)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PhotoRefused(PhotoFault.BROKEN) from error


def _open(data: bytes) -> Image.Image:
    """The photo, of which nothing was decoded yet."""
    try:
        image = Image.open(io.BytesIO(data), formats=_KINDS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoRefused(PhotoFault.TOO_MANY_PIXELS) from None
    except UnidentifiedImageError:
        raise PhotoRefused(PhotoFault.NO_PHOTO) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PhotoRefused(PhotoFault.BROKEN) from error
    if image.width * image.height > PIXELS_MAX:
        raise PhotoRefused(PhotoFault.TOO_MANY_PIXELS)
    if min(image.size) < SIDE_MIN:
        raise PhotoRefused(PhotoFault.TOO_SMALL)
    if getattr(image, "is_animated", False) and image.format != _JPEG_OF_TWO:
        raise PhotoRefused(PhotoFault.MOVING)
    return image


def _squares(image: Image.Image) -> Resized:
    most = min(*image.size, SIDES[-1])
    # A JPEG is decoded at half its size, a quarter or an eighth, where that is enough.
    image.draft(None, (2 * most, 2 * most))
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("RGB", "CMYK", "L"):
        upright = _on_white(upright)
    large = _in_srgb(ImageOps.fit(upright, (most, most), centering=(0.5, _UPPER)), profile)
    sides = sorted({min(side, most) for side in SIDES})
    return Resized({side: _webp(large, side, 80) for side in sides}, _webp(large, _BLUR_SIDE, 40))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGB", layer.size, _WHITE)
    ground.paste(layer, mask=layer)
    return ground


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The same colours as every screen means them, without the profile that defines them."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A damaged profile, or one of another kind of image: a shade off is better than no photo.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _webp(image: Image.Image, side: int, quality: int) -> bytes:
    out, square = io.BytesIO(), image.resize((side, side), Image.Resampling.LANCZOS)
    square.info.clear()
    square.save(out, "WEBP", quality=quality, method=6)
    return out.getvalue()


def pack(result: Resized | PhotoRefused) -> bytes:
    """What the program writes."""
    if isinstance(result, PhotoRefused):
        return orjson.dumps({"fault": result.fault})
    squares = {str(side): base64.b64encode(body).decode() for side, body in result.squares.items()}
    return orjson.dumps({"squares": squares, "blur": base64.b64encode(result.blur).decode()})


def unpack(written: bytes) -> Resized:
    """What the program wrote. Raises PhotoRefused as `resize` does, and for what is no answer."""
    try:
        answer = orjson.loads(written)
        if "fault" in answer:
            raise PhotoRefused(PhotoFault(answer["fault"]))
        squares = {int(side): base64.b64decode(body) for side, body in answer["squares"].items()}
        return Resized(squares, base64.b64decode(answer["blur"]))
    except (ValueError, KeyError):
        raise PhotoRefused(PhotoFault.BROKEN) from None


def main() -> None:
    """Read a photo, write its squares. A photo has so much memory and time, and less right to them than voters."""
    os.nice(_POLITENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    result: Resized | PhotoRefused
    try:
        result = resize(sys.stdin.buffer.read())
    except PhotoRefused as error:
        result = error
    sys.stdout.buffer.write(pack(result))


if __name__ == "__main__":
    main()
