"""Which colours people can read with, and what pages make of a brand."""

import re
from itertools import product
from pathlib import Path

import pytest

from gateway.contests.brand import (
    DARK,
    LARGE_RATIO,
    LIGHT,
    NO_BRAND,
    TEXT_RATIO,
    Brand,
    BrandPicture,
    Theme,
    pressed,
    style_of,
    unreadable,
)
from gateway.values.colours import contrast, mixed, nearest_shade, parts_of, read_colour

SITE = Path("gateway/http/static/site.css").read_text()
BOARD = Path("leaderboard/static/board.css").read_text()
WAITING = Path("channels/web/static/waiting.css").read_text()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("#7C1FA2", "#7c1fa2"),
        (" 7c1fa2 ", "#7c1fa2"),
        ("#f0c", "#ff00cc"),
        ("#7c1fa", None),
        ("#7c1fa2ff", None),
        ("red", None),
        ("", None),
        ("#٧c1fa2", None),
        ("#7c1fa2;}", None),
    ],
)
def test_a_colour_is_read_as_it_is_typed(typed: str, read: str | None) -> None:
    assert read_colour(typed) == read


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),  # the grey that is known for not being enough
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@pytest.mark.parametrize(
    ("colour", "theme", "about"),
    [
        ("#5b21b6", LIGHT, None),
        ("#c4b0ff", DARK, None),
        ("#000000", LIGHT, None),
        ("#ffffff", DARK, None),
        ("#ffc83d", LIGHT, "text"),
        ("#ffc83d", DARK, None),
        ("#ff0000", LIGHT, "text"),
        ("#ff0000", DARK, "text"),
        ("#777777", LIGHT, "text"),
        ("#5b21b6", DARK, "text"),
        ("#ffffff", LIGHT, "text"),
        ("#000000", DARK, "text"),
    ],
)
def test_a_colour_is_taken_when_people_can_read_with_it(colour: str, theme: Theme, about: str | None) -> None:
    fault = unreadable(colour, theme)
    assert (None if fault is None else fault.about) == about
    if fault is not None:
        assert fault.ratio < fault.wanted
        assert unreadable(fault.nearest, theme) is None


GRID = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in product(range(0, 256, 51), repeat=3)]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_whatever_is_taken_is_read_everywhere(theme: Theme) -> None:
    """Text on the colour, on a button that is pointed at, and on the bar of a ranking."""
    inks = ("#1a1130", "#5a5170", "#0a6b43") if theme is LIGHT else ("#f5f1ff", "#d6cdec", "#6fe3ac")
    taken = 0
    for colour in GRID:
        fault = unreadable(colour, theme)
        if fault is not None:
            colour = fault.nearest
            assert unreadable(colour, theme) is None
        taken += fault is None
        assert contrast(colour, theme.on_colour) >= TEXT_RATIO
        assert contrast(pressed(colour, theme), theme.on_colour) >= TEXT_RATIO
        assert all(contrast(colour, ground) >= TEXT_RATIO for ground in theme.grounds)
        assert all(contrast(colour, ground) >= LARGE_RATIO for ground in theme.large)
        bar = mixed(colour, theme.grounds[1], theme.bar / 255)
        assert [ink for ink in inks if contrast(ink, bar) < TEXT_RATIO] == [], colour
    assert 10 < taken < len(GRID)


def test_the_nearest_shade_has_the_same_hue_and_is_near() -> None:
    fault = unreadable("#ff8800", LIGHT)
    assert fault is not None
    red, green, blue = parts_of(fault.nearest)
    assert red > green > blue
    assert contrast(fault.nearest, LIGHT.grounds[4]) == pytest.approx(TEXT_RATIO, abs=0.1)
    assert nearest_shade("#123456", lambda _: False) is None


def test_what_is_measured_is_what_pages_are_made_of() -> None:
    def themes(name: str) -> list[str]:
        found = [value.lower() for value in re.findall(rf"--{name}: (#\w+)", SITE)]
        return ["#" + "".join(digit * 2 for digit in one[1:]) if len(one) == 4 else one for one in found]

    for place, theme in enumerate((LIGHT, DARK)):
        held = [themes(name)[place] for name in ("ground", "card", "wait-back", "good-back", "bad-back")]
        assert set(held) == set(theme.grounds)
        assert (themes("ground")[place], themes("card")[place]) == theme.grounds[:2]
        assert themes("line")[place] in theme.large
    stage = SITE[SITE.index(".stage {") : SITE.index(".stage a")]
    assert set(re.findall(r"#\w{6}\b", stage.split("linear-gradient", 1)[1])) <= set(DARK.large)
    assert themes("night") == [DARK.on_colour]


def test_a_contest_has_what_it_sets_and_else_its_organisers() -> None:
    logo, banner, other = (BrandPicture(f"/media/{name}", (10, 20), 5) for name in ("a", "b", "c"))
    default = Brand("#5b21b6", "#c4b0ff", logo, banner)
    assert NO_BRAND.over(default) == default
    assert Brand("#0a6b43", "", None, other).over(default) == Brand("#0a6b43", "", logo, other)
    assert default.over(NO_BRAND) == default


def test_a_dark_page_has_a_shade_where_none_is_set() -> None:
    brand = Brand("#5b21b6")
    assert brand.on_dark != brand.accent
    assert unreadable(brand.on_dark, DARK) is None
    assert Brand("#5b21b6", "#c4b0ff").on_dark == "#c4b0ff"
    assert NO_BRAND.on_dark == ""


def test_the_style_sets_what_the_pages_use() -> None:
    style = style_of(Brand("#5b21b6"))
    assert style_of(NO_BRAND) == ""
    assert style_of(Brand("", "", BrandPicture("/media/x", (10,), 5))).startswith(".logo{")
    used = set(re.findall(r"var\((--[a-z-]+)", SITE + BOARD + WAITING + style))
    assert set(re.findall(r"(--[a-z-]+):", style)) <= used
    for selector in re.findall(r"[}](\.[^{}]+){", style):
        assert all(
            re.search(rf"{re.escape(part)}\b", SITE + BOARD + WAITING) for part in re.findall(r"\.[a-z]+", selector)
        )
    assert style.count("{") == style.count("}")


def test_a_tag_changes_with_all_that_is_shown() -> None:
    picture = BrandPicture("/media/x", (10,), 5)
    brands = [NO_BRAND, Brand("#5b21b6"), Brand("#5b21b6", "#c4b0ff"), Brand(logo=picture)]
    assert len({brand.tag for brand in brands}) == len(brands)


def test_a_picture_is_as_large_as_its_place() -> None:
    picture = BrandPicture("/media/x", (320, 640), 213)
    assert picture.inside(200, 80) == (200, 67)
    assert picture.inside(600, 40) == (120, 40)
    assert BrandPicture("/media/x", (640,), 1).inside(200, 80) == (200, 1)
    assert picture.file(160) == "/media/x-320.webp"
    assert picture.file(161) == "/media/x-640.webp"
    assert picture.file(2000) == "/media/x-640.webp"
    assert picture.srcset == "/media/x-320.webp 320w, /media/x-640.webp 640w"
