"""The picture of a contest or a candidate that messengers and social networks show beside a link.

Drawn with Pillow in Bitstream Vera, which comes with reportlab and holds the letters of French and
English.
"""

import io
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from gateway.contests.sharing import CARD_HEIGHT, CARD_WIDTH
from gateway.values.drawable import drawable

NIGHT: Final = (20, 11, 46)
DUSK: Final = (43, 24, 96)
GOLD: Final = (255, 200, 61)
CORAL: Final = (255, 90, 110)
WHITE: Final = (255, 255, 255)
LILAC: Final = (214, 204, 240)
_MARGIN: Final = 72
_LOGO_BOX: Final = (320, 112)


@dataclass(frozen=True, slots=True)
class CardText:
    """All that is written on a card, from top to bottom. `badge`: a candidate's code, or nothing."""

    above: str
    title: str
    below: str
    badge: str
    action: str
    site: str


@dataclass(frozen=True, slots=True)
class CardLook:
    """What a contest's brand makes of its cards. `colour`: read well on a dark ground; `logo`: a file, or nothing;
    `needs_white`: it is not seen on a dark ground."""

    colour: tuple[int, int, int] = GOLD
    logo: bytes = b""
    needs_white: bool = False


OUR_LOOK: Final = CardLook()


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    data = resources.files("reportlab").joinpath("fonts", name).read_bytes()
    return ImageFont.truetype(io.BytesIO(data), size)


def _bold(size: int) -> ImageFont.FreeTypeFont:
    return _font("VeraBd.ttf", size)


@lru_cache(maxsize=4)
def _stage(colour: tuple[int, int, int]) -> Image.Image:
    """The background of every card: two beams on a dark stage."""
    column = Image.new("RGB", (1, CARD_HEIGHT))
    for y in range(CARD_HEIGHT):
        part = y / CARD_HEIGHT
        column.putpixel((0, y), tuple(round(a + (b - a) * (1 - part)) for a, b in zip(NIGHT, DUSK, strict=True)))
    stage = column.resize((CARD_WIDTH, CARD_HEIGHT))
    beams = ((CORAL, 60, [(1010, -60), (760, 700), (1330, 700)]), (colour, 84, [(640, -60), (820, 700), (1290, 700)]))
    for colour, strength, corners in beams:
        light = Image.new("L", stage.size)
        ImageDraw.Draw(light).polygon(corners, fill=strength)
        stage.paste(colour, mask=light.filter(ImageFilter.GaussianBlur(24)))
    pool = Image.new("L", stage.size)
    ImageDraw.Draw(pool).ellipse((700, 560, 1400, 700), fill=110)
    stage.paste(colour, mask=pool.filter(ImageFilter.GaussianBlur(40)))
    return stage


def _lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fitted(text: str, width: int, sizes: tuple[int, ...], lines_max: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest of the sizes in which the text fits; in the smallest, what does not fit is cut."""
    for size in sizes:
        font = _bold(size)
        lines = _lines(text, font, width)
        if len(lines) <= lines_max and all(font.getlength(line) <= width for line in lines):
            return font, lines
    lines = lines[:lines_max]
    return font, [_cut(line, font, width) for line in lines]


def _cut(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while font.getlength(line) > width:
        line = line.removesuffix("…")[:-1] + "…"
    return line


def draw_card(card: CardText, look: CardLook = OUR_LOOK) -> bytes:
    """The card as PNG. Takes some tens of milliseconds: call it in a thread."""
    image = _stage(look.colour).copy()
    if look.logo:
        _paste_logo(image, look)
    pen = ImageDraw.Draw(image)
    width = CARD_WIDTH - 2 * _MARGIN
    pen.polygon([(_MARGIN + 14, 56), (_MARGIN + 32, 56), (_MARGIN + 46, 108), (_MARGIN, 108)], fill=look.colour)
    pen.text((_MARGIN + 64, 82), "Spotlight", font=_bold(38), fill=WHITE, anchor="lm")
    y = 176
    font, lines = _fitted(drawable(card.above), width, (38, 32, 28), 1)
    for line in lines:
        pen.text((_MARGIN, y), line, font=font, fill=look.colour)
    y += 62
    left = _MARGIN
    if card.badge:
        left = _badge(pen, card.badge, y, look.colour)
    font, lines = _fitted(drawable(card.title), CARD_WIDTH - _MARGIN - left, (96, 84, 72, 60, 50), 2)
    for line in lines:
        pen.text((left, y), line, font=font, fill=WHITE)
        y += round(font.size * 1.16)
    font, lines = _fitted(drawable(card.below), width, (36, 30, 26), 1)
    for line in lines:
        pen.text((left, y + 14), line, font=font, fill=LILAC)
    _foot(pen, card, look.colour)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _paste_logo(image: Image.Image, look: CardLook) -> None:
    """Right above."""
    logo = Image.open(io.BytesIO(look.logo), formats=("WEBP",)).convert("RGBA")
    logo.thumbnail(_LOGO_BOX, Image.Resampling.LANCZOS)
    right = CARD_WIDTH - _MARGIN - (18 if look.needs_white else 0)
    left, top = right - logo.width, 82 - logo.height // 2
    if look.needs_white:
        ground = (left - 18, top - 12, right + 18, top + logo.height + 12)
        ImageDraw.Draw(image).rounded_rectangle(ground, radius=18, fill=WHITE)
    image.paste(logo, (left, top), logo)


def _badge(pen: ImageDraw.ImageDraw, code: str, y: int, colour: tuple[int, int, int]) -> int:
    """A candidate's code in a square of this colour; returns where the name may begin."""
    font = _bold(64)
    side = max(128, round(font.getlength(code)) + 48)
    pen.rounded_rectangle((_MARGIN, y, _MARGIN + side, y + 116), radius=26, fill=colour)
    pen.text((_MARGIN + side / 2, y + 58), code, font=font, fill=NIGHT, anchor="mm")
    return _MARGIN + side + 36


def _foot(pen: ImageDraw.ImageDraw, card: CardText, colour: tuple[int, int, int]) -> None:
    font, lines = _fitted(drawable(card.action), CARD_WIDTH - 2 * _MARGIN - 72, (40, 34, 28), 1)
    for line in lines:
        length = font.getlength(line)
        pen.rounded_rectangle((_MARGIN, 478, _MARGIN + length + 72, 558), radius=40, fill=colour)
        pen.text((_MARGIN + 36, 518), line, font=font, fill=NIGHT, anchor="lm")
    pen.text((CARD_WIDTH - _MARGIN, 590), drawable(card.site), font=_font("Vera.ttf", 24), fill=LILAC, anchor="rm")
