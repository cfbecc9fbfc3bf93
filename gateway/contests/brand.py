"""How a contest looks on our pages: colours, logo and banner of the contest, else of its organiser.

A colour is taken when people can read with it: as text on every ground of our pages, and under the text of a button.
Figures: WCAG 2.2, success criteria 1.4.3 and 1.4.11.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from gateway.values.colours import contrast, luminance, mixed, nearest_shade, read_colour

TEXT_RATIO: Final = 4.5
LARGE_RATIO: Final = 3.0
# Screens of phones have two dots and more for each pixel of a page.
_DOTS: Final = 2


@dataclass(frozen=True, slots=True)
class Theme:
    """What our pages are made of, light or dark; a test compares with their stylesheet. `grounds`: on which the colour
    is text; `large`: on which it is large text or a part; `on_colour`: what is written on the colour itself; `bar`: how
    much of it lies on a card as the bar of a ranking."""

    name: str
    grounds: tuple[str, ...]
    large: tuple[str, ...]
    on_colour: str
    bar: int


NIGHT: Final = "#140b2e"
LIGHT: Final = Theme("light", ("#f5f2fb", "#ffffff", "#fff3d1", "#e0f6ea", "#fde8ea"), ("#ded6ee",), "#ffffff", 0x24)
# The stage, at the top of every page, is dark in both themes.
DARK: Final = Theme(
    "dark",
    ("#0c071b", "#1a1132", "#3a2a05", "#0d3325", "#43121c"),
    ("#35285a", NIGHT, "#1d1145", "#241150"),
    NIGHT,
    0x33,
)


class BrandPart(StrEnum):
    """A picture of a brand."""

    LOGO = "logo"
    BANNER = "banner"


@dataclass(frozen=True, slots=True)
class BrandPicture:
    """A logo or banner that was uploaded. `address`: of all its sizes, but for `-<width>.webp`; `widths`: in pixels,
    ascending; `height`: of the widest; `needs_white`: it is not seen on a dark ground."""

    address: str
    widths: tuple[int, ...]
    height: int
    needs_white: bool = False

    @property
    def srcset(self) -> str:
        """Its sizes for a browser to choose from."""
        return ", ".join(f"{self._of(width)} {width}w" for width in self.widths)

    @property
    def width(self) -> int:
        """Of the widest, in pixels."""
        return self.widths[-1]

    def file(self, width: int) -> str:
        """The address of the size for so many pixels of a page."""
        return self._of(self.size_for(width))

    def size_for(self, width: int) -> int:
        """The width of the file for so many pixels of a page."""
        dots = width * _DOTS
        return next((held for held in self.widths if held >= dots), self.width)

    def inside(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels of a page, inside a box of so many."""
        scale = min(width / self.width, height / self.height)
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    def _of(self, width: int) -> str:
        return f"{self.address}-{width}.webp"


@dataclass(frozen=True, slots=True)
class Colours:
    """Of a light page and of a dark one, see `Brand`."""

    accent: str = ""
    accent_dark: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.accent, self.accent_dark)))


NO_COLOURS: Final = Colours()


@dataclass(frozen=True, slots=True)
class Brand:
    """`accent`: the colour of a light page, empty: ours. `accent_dark`: of a dark page and of the stage, empty: the
    shade of `accent` that can be read there."""

    accent: str = ""
    accent_dark: str = ""
    logo: BrandPicture | None = None
    banner: BrandPicture | None = None

    def over(self, default: "Brand") -> "Brand":
        """Each part of this one, and of another one what it lacks. Colours go together."""
        colours = self if self.accent else default
        return Brand(colours.accent, colours.accent_dark, self.logo or default.logo, self.banner or default.banner)

    @property
    def shown(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.accent or self.logo or self.banner)

    @property
    def on_dark(self) -> str:
        """The colour of a dark page."""
        return self.accent_dark or (self.accent and (nearest_shade(self.accent, _on_dark) or self.accent))

    @property
    def tag(self) -> str:
        """What changes when anything of it does."""
        pictures = [picture.address for picture in (self.logo, self.banner) if picture is not None]
        return blake2b("|".join((style_of(self), *pictures)).encode(), digest_size=5).hexdigest()


NO_BRAND: Final = Brand()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a colour is not taken. `about`: what is read badly, `text`, `large` or `button`; `nearest`: the shade that
    is taken."""

    about: str
    ratio: float
    wanted: float
    nearest: str


def unreadable(colour: str, theme: Theme) -> Unreadable | None:
    """What speaks against a colour in a theme, the worst of it; None when people can read with it."""
    about, ratio, wanted = min(_measured(colour, theme), key=lambda one: one[1] / one[2])
    if ratio >= wanted:
        return None
    nearest = nearest_shade(colour, _on_light if theme is LIGHT else _on_dark)
    return Unreadable(about, ratio, wanted, nearest or theme.on_colour)


class ColoursRefused(Exception):
    """Colours that are not taken, by `accent` and `accent_dark`; None for a text that is no colour."""

    def __init__(self, faults: dict[str, Unreadable | None]) -> None:
        super().__init__(", ".join(faults))
        self.faults = faults


def read_colours(accent: str, accent_dark: str) -> tuple[str, str]:
    """Two colours as they were typed, either may be empty. Raises ColoursRefused."""
    faults: dict[str, Unreadable | None] = {}
    read: list[str] = []
    for name, typed, theme in (("accent", accent, LIGHT), ("accent_dark", accent_dark, DARK)):
        colour = read_colour(typed) if typed.strip() else ""
        fault = unreadable(colour, theme) if colour else None
        if colour is None or fault is not None:
            faults[name] = fault
        read.append(colour or "")
    if not faults and read[1] and not read[0]:
        faults["accent"] = None
    if faults:
        raise ColoursRefused(faults)
    return read[0], read[1]


def _measured(colour: str, theme: Theme) -> list[tuple[str, float, float]]:
    return [
        *(("text", contrast(colour, ground), TEXT_RATIO) for ground in theme.grounds),
        *(("large", contrast(colour, ground), LARGE_RATIO) for ground in theme.large),
        ("button", contrast(colour, theme.on_colour), TEXT_RATIO),
    ]


def _on_light(colour: str) -> bool:
    return all(ratio >= wanted for _, ratio, wanted in _measured(colour, LIGHT))


def _on_dark(colour: str) -> bool:
    return all(ratio >= wanted for _, ratio, wanted in _measured(colour, DARK))


def pressed(colour: str, theme: Theme) -> str:
    """The colour of a button that is pointed at: what is written on it is read still better."""
    away = "#000000" if luminance(theme.on_colour) > luminance(colour) else "#ffffff"
    return mixed(away, colour, 0.15)


@lru_cache(maxsize=1024)
def style_of(brand: Brand) -> str:
    """The stylesheet that gives our pages a brand; empty without one. It comes after the others."""
    banner = _BANNER if brand.banner else ""
    return _colours(brand.accent, brand.on_dark) + banner + (_LOGO if brand.logo else "")


_BANNER: Final = (
    ".banner{display:block;width:100%;max-width:70rem;height:auto;aspect-ratio:3;margin-inline:auto;"
    "max-height:15rem;object-fit:cover;background:#ffffff14}"
)
_LOGO: Final = (
    ".logo{display:block;margin:16px auto 0;border-radius:10px}"
    ".on-white{box-sizing:content-box;padding:8px 12px;background:#fff}"
)
# Pages without a brand bring none of this: each byte of theirs counts. The leader's line has the colour that marks what
# has the focus.
_PARTS: Final = (
    ".button{background:var(--button);color:var(--on)}"
    ".button:not(.quiet):not(.how-button):hover{background:var(--pressed)}"
    ".ranking tr[data-leads]{background:var(--button);color:var(--on);box-shadow:var(--lift)}"
    ".ranking tr[data-leads] .cover:focus-visible::after{outline-color:currentColor}"
    ".waiting::after{background:var(--button)}"
)


def _colours(light: str, dark: str) -> str:
    if not light:
        return ""
    return (
        f":root{{--gold:{dark};{_rules(light, LIGHT)}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{_rules(dark, DARK)}}}}}"
        f".stage{{{_button(dark, DARK)};background-image:{_stage(dark)}}}"
        f".total span{{text-shadow:0 0 48px {dark}59}}{_PARTS}"
    )


def _stage(dark: str) -> str:
    """A beam and a pool of light in the colour."""
    return (
        f"conic-gradient(from 153deg at 22% -30px,#0000,{dark}40 12deg,#0000 25deg),"
        "conic-gradient(from 182deg at 78% -30px,#0000,#ffffff1f 12deg,#0000 25deg),"
        f"radial-gradient(60% 46% at 50% 104%,{dark}45,#0000 72%),linear-gradient(#1d1145,#140b2e 60%,#241150)"
    )


def _rules(colour: str, theme: Theme) -> str:
    return f"--link:{colour};{_button(colour, theme)};--from:{colour}08;--to:{colour}{theme.bar:02x}"


def _button(colour: str, theme: Theme) -> str:
    return f"--button:{colour};--on:{theme.on_colour};--pressed:{pressed(colour, theme)}"
