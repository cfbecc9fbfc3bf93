"""Photos: what Telegram takes, the sizes that it makes, and identifiers that only one bot can use.

Source: Bot API, `sendPhoto`, `PhotoSize`, "Sending files".
"""

import base64
import hashlib
import io
import struct
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from PIL import Image

from sandbox.telegram.request import bad

# Of a photo that Telegram fetches from its address.
BYTES_MAX: Final = 5 * 1024 * 1024
SIDES_SUM_MAX: Final = 10_000
RATIO_MAX: Final = 20
PHOTOS_KEPT: Final = 200
_BOXES: Final = (90, 320, 800, 1280)
# Bot, digest, width and height of the original, its size in bytes, the box of this size, check.
_IDENTIFIER: Final = struct.Struct(">q8sHHIH4s")
_PREFIX: Final = "AgACAgQAAx"


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo of one bot. `digest`: of its bytes. Lengths in pixels and bytes."""

    bot_id: int
    digest: bytes
    width: int
    height: int
    length: int

    @property
    def name(self) -> str:
        """The same for every bot."""
        return f"AQAD{self.digest.hex()}"

    def sizes(self) -> list[dict[str, object]]:
        """`PhotoSize` objects, the largest last."""
        longer = max(self.width, self.height)
        boxes = [*(box for box in _BOXES if box < longer), longer][: len(_BOXES)]
        return [self._size(min(box, _BOXES[-1]), longer) for box in boxes]

    def _size(self, box: int, longer: int) -> dict[str, object]:
        scale = box / longer
        return {
            "file_id": self._identifier(box),
            "file_unique_id": f"{self.name}{box:04x}",
            "width": max(1, round(self.width * scale)),
            "height": max(1, round(self.height * scale)),
            "file_size": max(1, round(self.length * scale * scale)),
        }

    def _identifier(self, box: int) -> str:
        fields = (self.bot_id, self.digest, self.width, self.height, self.length, box)
        packed = _IDENTIFIER.pack(*fields, _check(*fields))
        return _PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _check(*fields: object) -> bytes:
    return hashlib.sha256(repr(fields).encode()).digest()[:4]


def picture_of(identifier: str, bot_id: int) -> Picture:
    """The photo that a `file_id` means, also one of an earlier run. Raises Refused."""
    encoded = identifier.removeprefix(_PREFIX)
    try:
        packed = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        *fields, check = _IDENTIFIER.unpack(packed)
    except (ValueError, struct.error):
        raise bad("wrong remote file identifier specified: can't unserialize it. Wrong last symbol") from None
    if not identifier.startswith(_PREFIX) or _check(*fields) != check:
        raise bad("wrong remote file identifier specified: Wrong string length")
    owner, digest, width, height, length, _ = fields
    if owner != bot_id:
        raise bad("wrong file identifier/HTTP URL specified")
    return Picture(owner, digest, width, height, length)


class Album:
    """The bytes of the newest photos, for the page."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def take(self, content: bytes, bot_id: int) -> Picture:
        """Keep a photo. Raises Refused for what is none."""
        if not content:
            raise bad("file must be non-empty")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(content)) as image:
                    image.verify()
                    width, height = image.size
        except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError):
            raise bad("IMAGE_PROCESS_FAILED") from None
        if width + height > SIDES_SUM_MAX or max(width, height) > RATIO_MAX * min(width, height):
            raise bad("PHOTO_INVALID_DIMENSIONS")
        picture = Picture(bot_id, hashlib.sha256(content).digest()[:8], width, height, len(content))
        self._kept[picture.name] = content
        self._kept.move_to_end(picture.name)
        while len(self._kept) > PHOTOS_KEPT:
            self._kept.popitem(last=False)
        return picture

    def content(self, name: str) -> bytes | None:
        """The bytes of a photo; None when they are not kept any more."""
        return self._kept.get(name)
