"""A picture as it was sent becomes files of ours: judged by its content, decoded, turned upright and written anew.

A photo becomes squares, a banner strips, a logo keeps its shape and what is transparent. What a file says of itself
beside its pixels (place, camera, names, thumbnails) is in none of them. Run as a program, it reads one picture and
writes the files: see `resize_apart`.
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
from PIL import ExifTags, Image, ImageCms, ImageFilter, ImageOps, ImageStat, UnidentifiedImageError

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
LOGO_BOX: Final = (640, 320)
_LOGO_SIDES_MIN: Final = (24, 96)  # of the shorter and the longer one
BANNER_WIDTHS: Final = (480, 960, 1440)
BANNER_RATIO: Final = 3
BANNER_BYTES: Final = (20_000, 55_000, 100_000)
"""At most, of each width: a banner costs voters their data. The quality gives way."""
_QUALITIES: Final = (80, 55, 30)
# Of the effort that WebP takes from 0 to 6: a banner is written several times.
_QUICK: Final = 4
_SMALLEST_BANNER: Final = (BANNER_WIDTHS[0], BANNER_WIDTHS[0] // BANNER_RATIO)
# Orientations in which width and height change places.
_LYING: Final = (5, 6, 7, 8)
# Of a dark stage: a logo that is darker on average, with nothing of its own behind it, is not seen there.
_BARELY_SEEN: Final = 110
_CLEAR: Final = 250
_MEMORY_MAX: Final = 1024 * 1024 * 1024
_CPU_SECONDS: Final = 20
_POLITENESS: Final = 10


class Shape(StrEnum):
    """What a picture becomes."""

    PHOTO = "photo"
    LOGO = "logo"
    BANNER = "banner"


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
    """`by_width`: WebP by their width in pixels, ascending. `height`: of the widest. `blur`: of a photo, a tiny WebP of
    at most `BLUR_BYTES_MAX` bytes. `needs_white`: it is dark, and what is around it transparent."""

    by_width: dict[int, bytes]
    height: int
    blur: bytes = b""
    needs_white: bool = False


def resize(data: bytes, shape: Shape = Shape.PHOTO) -> Resized:
    """The files of a picture. Raises PhotoRefused."""
    if len(data) > BYTES_MAX:
        raise PhotoRefused(PhotoFault.TOO_LARGE)
    image = _open(data)
    try:
        return _MAKERS[shape](image)
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
    if getattr(image, "is_animated", False) and image.format != _JPEG_OF_TWO:
        raise PhotoRefused(PhotoFault.MOVING)
    return image


def _squares(image: Image.Image) -> Resized:
    if min(image.size) < SIDE_MIN:
        raise PhotoRefused(PhotoFault.TOO_SMALL)
    most = min(*image.size, SIDES[-1])
    large = _cut(image, most, most)
    sides = sorted({min(side, most) for side in SIDES})
    return Resized({side: _webp(large, (side, side), 80) for side in sides}, most, _webp(large, (_BLUR_SIDE,) * 2, 40))


def _strips(image: Image.Image) -> Resized:
    width, height = image.size
    if image.getexif().get(ExifTags.Base.Orientation) in _LYING:
        width, height = height, width
    most = min(width, height * BANNER_RATIO, BANNER_WIDTHS[-1])
    if most < BANNER_WIDTHS[0]:
        raise PhotoRefused(PhotoFault.TOO_SMALL)
    large = _cut(image, most, most // BANNER_RATIO)
    made: dict[int, bytes] = {}
    for wanted, bytes_max in zip(BANNER_WIDTHS, BANNER_BYTES, strict=True):
        wide = min(wanted, most)
        tries = (_webp(large, (wide, wide // BANNER_RATIO), quality, method=_QUICK) for quality in _QUALITIES)
        fitting = next((body for body in tries if len(body) <= bytes_max), b"")
        if fitting and wide not in made:
            made[wide] = fitting
    if not made:
        made[BANNER_WIDTHS[0]] = _webp(large.filter(ImageFilter.GaussianBlur(2)), _SMALLEST_BANNER, _QUALITIES[-1])
    return Resized(made, max(made) // BANNER_RATIO)


def _logo(image: Image.Image) -> Resized:
    for side, least in zip(sorted(image.size), _LOGO_SIDES_MIN, strict=True):
        if side < least:
            raise PhotoRefused(PhotoFault.TOO_SMALL)
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    clear = upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else None
    if upright.mode not in ("RGB", "CMYK", "L"):
        upright = upright.convert("RGBA").convert("RGB")
    plain = _in_srgb(upright, profile)
    if clear is not None:
        plain.putalpha(clear)
    plain.thumbnail(LOGO_BOX, Image.Resampling.LANCZOS)
    width, height = plain.size
    made = {}
    for wide in sorted({max(1, width // 2), width}):
        size = (wide, max(1, round(height * wide / width)))
        # Of flat colours the exact file is the smaller one.
        made[wide] = min(_webp(plain, size, 85), _webp(plain, size, 90, lossless=True), key=len)
    return Resized(made, height, needs_white=_needs_white(plain))


def _needs_white(logo: Image.Image) -> bool:
    if logo.mode != "RGBA":
        return False
    clear = logo.getchannel("A")
    if ImageStat.Stat(clear).mean[0] > _CLEAR:
        return False
    seen = clear.point(lambda part: 255 if part > 127 else 0)
    return bool(ImageStat.Stat(logo.convert("L"), mask=seen).mean[0] < _BARELY_SEEN) if seen.getbbox() else False


def _cut(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle, of a tall one the upper part, without anything transparent."""
    # A JPEG is decoded at half its size, a quarter or an eighth, where that is enough.
    image.draft(None, (2 * width, 2 * width))
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("RGB", "CMYK", "L"):
        upright = _on_white(upright)
    return _in_srgb(ImageOps.fit(upright, (width, height), centering=(0.5, _UPPER)), profile)


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


def _webp(image: Image.Image, size: tuple[int, int], quality: int, *, lossless: bool = False, method: int = 6) -> bytes:
    out, resized = io.BytesIO(), image.resize(size, Image.Resampling.LANCZOS)
    resized.info.clear()
    resized.save(out, "WEBP", quality=quality, method=method, lossless=lossless)
    return out.getvalue()


_MAKERS: Final = {Shape.PHOTO: _squares, Shape.LOGO: _logo, Shape.BANNER: _strips}


def pack(result: Resized | PhotoRefused) -> bytes:
    """What the program writes."""
    if isinstance(result, PhotoRefused):
        return orjson.dumps({"fault": result.fault})
    files = {str(width): base64.b64encode(body).decode() for width, body in result.by_width.items()}
    blur = base64.b64encode(result.blur).decode()
    return orjson.dumps({"files": files, "height": result.height, "blur": blur, "needs_white": result.needs_white})


def unpack(written: bytes) -> Resized:
    """What the program wrote. Raises PhotoRefused as `resize` does, and for what is no answer."""
    try:
        answer = orjson.loads(written)
        if "fault" in answer:
            raise PhotoRefused(PhotoFault(answer["fault"]))
        files = {int(width): base64.b64decode(body) for width, body in answer["files"].items()}
        return Resized(files, int(answer["height"]), base64.b64decode(answer["blur"]), bool(answer["needs_white"]))
    except (ValueError, KeyError):
        raise PhotoRefused(PhotoFault.BROKEN) from None


def main() -> None:
    """Read a picture of the shape that is named, write its files. It has so much memory and time, and less right to
    them than voters."""
    os.nice(_POLITENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    result: Resized | PhotoRefused
    try:
        result = resize(sys.stdin.buffer.read(), Shape(sys.argv[1]))
    except PhotoRefused as error:
        result = error
    sys.stdout.buffer.write(pack(result))


if __name__ == "__main__":
    main()
