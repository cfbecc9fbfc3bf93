"""Photos as phones and others send them."""

import io
from typing import Any

from PIL import Image

RED, GREEN = (204, 0, 0), (0, 153, 0)


def saved(image: Image.Image, kind: str = "JPEG", **given: Any) -> bytes:
    """The file of an image."""
    out = io.BytesIO()
    image.save(out, kind, **given)
    return out.getvalue()


def halves(width: int = 1200, height: int = 800, mode: str = "RGB") -> Image.Image:
    """Red on the left, green on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image.convert(mode)
