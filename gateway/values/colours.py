"""Colours of screens, written `#rrggbb`, and how well one is read on another.

Source: WCAG 2.2, "relative luminance" and "contrast ratio".
"""

import colorsys
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

_WRITTEN: Final = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})", re.ASCII)
_SHARES: Final = (0.2126, 0.7152, 0.0722)
# Shades between black and white that are tried.
_SHADES: Final = 255


def read_colour(typed: str) -> str | None:
    """A colour as `#rrggbb` in small letters, of `#RRGGBB` or `#RGB`, with or without its sign; None for what is
    none."""
    found = _WRITTEN.fullmatch(typed.strip().lower())
    if found is None:
        return None
    digits = found[1]
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def parts_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, each from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@lru_cache(maxsize=4096)
def luminance(colour: str) -> float:
    """From 0, black, to 1, white."""
    return sum(share * _linear(part / 255) for share, part in zip(_SHARES, parts_of(colour), strict=True))


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(over: str, under: str, part: float) -> str:
    """What is seen where `over` lies on `under`. `part`: how much of it, from 0 to 1."""
    return _written(
        round(above * part + below * (1 - part)) for above, below in zip(parts_of(over), parts_of(under), strict=True)
    )


@lru_cache(maxsize=256)
def nearest_shade(colour: str, passes: Callable[[str], bool]) -> str | None:
    """The lighter or darker shade of this colour that passes and is nearest to it; None where none does."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in parts_of(colour)))
    shades = sorted((step / _SHADES for step in range(_SHADES + 1)), key=lambda shade: abs(shade - lightness))
    for shade in (lightness, *shades):
        found = _written(round(part * 255) for part in colorsys.hls_to_rgb(hue, shade, saturation))
        if passes(found):
            return found
    return None


def _written(parts: Iterable[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in parts)
