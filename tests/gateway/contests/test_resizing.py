"""What becomes of a photo: which files are taken, and what of them is left."""

import asyncio
import io
import os
import struct
import zlib
from collections.abc import Callable
from functools import cache

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from gateway.contests.pictures import resizing
from gateway.contests.pictures.resize_apart import AT_ONCE, WAITING_MAX, Resizer, TooManyWait
from gateway.contests.pictures.resizing import (
    BANNER_BYTES,
    BANNER_WIDTHS,
    BLUR_BYTES_MAX,
    BYTES_MAX,
    SIDES,
    PhotoFault,
    PhotoRefused,
    Shape,
    pack,
    resize,
    unpack,
)
from tests.rigs.photos import GREEN, RED, halves, saved

pytestmark = pytest.mark.usefixtures("real_resizing")
PLACE = {1: "N", 2: (5.0, 20.0, 11.0), 3: "W", 4: (4.0, 1.0, 36.0)}


def with_place() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Tecno"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(PLACE)
    return saved(halves(), exif=exif, comment=b"taken at home", xmp=b"<x:xmpmeta>Cocody</x:xmpmeta>")


def turned() -> bytes:
    """As a phone that is held upright writes it: lying, with a note to turn it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return saved(halves(), exif=exif)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG that says it has this size and holds these chunks."""
    head = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    whole = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (head, *chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + whole


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body), formats=("WEBP",))


def near(found: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) < 25 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    "data",
    [
        saved(halves()),
        saved(halves(), progressive=True),
        saved(halves(), "PNG"),
        saved(halves(), "WEBP"),
        saved(halves(mode="CMYK")),
        saved(halves(mode="RGBA"), "PNG"),
        saved(halves(mode="P"), "PNG"),
        with_place(),
    ],
    ids=["jpeg", "progressive", "png", "webp", "cmyk", "alpha", "palette", "place"],
)
def test_what_is_taken_becomes_three_plain_squares(data: bytes) -> None:
    made = resize(data)
    assert tuple(made.by_width) == (96, 320, 800)
    for side, body in made.by_width.items():
        square = opened(body)
        assert (square.format, square.mode, square.size) == ("WEBP", "RGB", (side, side))
        assert near(square.getpixel((side // 8, side // 2)), RED)
        assert near(square.getpixel((side - side // 8, side // 2)), GREEN)
    blur = opened(made.blur)
    assert max(blur.size) < 20
    assert len(made.blur) <= BLUR_BYTES_MAX


def test_nothing_that_the_file_said_beside_its_pixels_is_left() -> None:
    data = with_place()
    for mark in (b"Tecno", b"taken at home", b"Cocody"):
        assert mark in data
    made = resize(data)
    for body in (*made.by_width.values(), made.blur):
        square = opened(body)
        assert not square.getexif()
        assert not {"exif", "xmp", "icc_profile"} & square.info.keys()
        for mark in (b"Tecno", b"taken at home", b"Cocody", b"EXIF", b"XMP "):
            assert mark not in body


def test_a_photo_stands_upright() -> None:
    square = opened(resize(turned()).by_width[320])
    assert near(square.getpixel((160, 40)), RED)
    assert near(square.getpixel((160, 280)), GREEN)


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    assert near(opened(resize(saved(clear, "PNG")).by_width[96]).getpixel((48, 48)), (255, 255, 255))


def test_of_a_tall_photo_the_upper_part_is_kept() -> None:
    tall = Image.new("RGB", (400, 1000), GREEN)
    tall.paste(RED, (0, 0, 400, 250))
    square = opened(resize(saved(tall)).by_width[96])
    assert near(square.getpixel((48, 2)), RED)
    assert near(square.getpixel((48, 90)), GREEN)


@pytest.mark.parametrize(("side", "sides"), [(96, (96,)), (300, (96, 300)), (1000, SIDES), (3000, SIDES)])
def test_nothing_is_enlarged(side: int, sides: tuple[int, ...]) -> None:
    assert tuple(resize(saved(Image.new("RGB", (side, side + 40)))).by_width) == sides


def test_colours_are_those_of_every_screen() -> None:
    from PIL import ImageCms

    # In this space of colours, the same numbers mean another lightness.
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    damaged = resize(saved(halves(), icc_profile=b"not a profile" * 20))
    of_another_kind = resize(saved(halves(), icc_profile=lab.tobytes()))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    usual = resize(saved(halves(), icc_profile=srgb.tobytes()))
    for made in (damaged, of_another_kind, usual):
        assert near(opened(made.by_width[96]).getpixel((10, 48)), RED)


def profile_bomb() -> bytes:
    rows, zeros = zlib.compress(bytes(400 * 1201)), zlib.compress(bytes(100_000_000))
    return png(400, 400, (b"iCCP", b"a\0\0" + zeros), (b"IDAT", rows))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400"><script>alert(1)</script></svg>'
MOVING = [halves(), halves().rotate(180)]
REFUSED: dict[str, tuple[Callable[[], bytes], PhotoFault]] = {
    "nothing": (lambda: b"", PhotoFault.NO_PHOTO),
    "renamed executable": (lambda: b"MZ\x90\x00" + os.urandom(4096), PhotoFault.NO_PHOTO),
    "ELF": (lambda: b"\x7fELF" + bytes(4096), PhotoFault.NO_PHOTO),
    "SVG with script": (lambda: SVG, PhotoFault.NO_PHOTO),
    "page": (lambda: b"<html><script>alert(1)</script>", PhotoFault.NO_PHOTO),
    "GIF": (lambda: saved(halves(), "GIF"), PhotoFault.NO_PHOTO),
    "moving GIF": (lambda: saved(MOVING[0], "GIF", save_all=True, append_images=MOVING[1:]), PhotoFault.NO_PHOTO),
    "TIFF": (lambda: saved(halves(), "TIFF"), PhotoFault.NO_PHOTO),
    "moving PNG": (lambda: saved(MOVING[0], "PNG", save_all=True, append_images=MOVING[1:]), PhotoFault.MOVING),
    "moving WebP": (lambda: saved(MOVING[0], "WEBP", save_all=True, append_images=MOVING[1:]), PhotoFault.MOVING),
    "cut off": (lambda: saved(halves())[:-4000], PhotoFault.BROKEN),
    "cut off PNG": (lambda: saved(halves(), "PNG")[:-1000], PhotoFault.BROKEN),
    "head alone": (lambda: saved(halves())[:20], PhotoFault.NO_PHOTO),
    "bomb": (lambda: png(50_000, 50_000, (b"IDAT", zlib.compress(bytes(1_000_000)))), PhotoFault.TOO_MANY_PIXELS),
    "large bomb": (lambda: png(2**31 - 1, 2**31 - 1, (b"IDAT", b"")), PhotoFault.TOO_MANY_PIXELS),
    "bomb just above": (lambda: png(5_001, 5_000, (b"IDAT", b"")), PhotoFault.TOO_MANY_PIXELS),
    "bomb of text": (lambda: saved(halves(), "PNG", pnginfo=text_bomb()), PhotoFault.BROKEN),
    "bomb of a profile": (profile_bomb, PhotoFault.BROKEN),
    "no pixels": (lambda: png(400, 400, (b"IDAT", b"")), PhotoFault.BROKEN),
    "too small": (lambda: saved(Image.new("RGB", (2000, 95))), PhotoFault.TOO_SMALL),
    "one byte too long": (lambda: saved(halves()).ljust(BYTES_MAX + 1, b"\0"), PhotoFault.TOO_LARGE),
}
# A bomb takes a second to make.
REFUSED = {name: (cache(make), fault) for name, (make, fault) in REFUSED.items()}


def text_bomb() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("about", "a" * 50_000_000, zip=True)
    return info


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    make, fault = REFUSED[name]
    with pytest.raises(PhotoRefused) as refused:
        resize(make())
    assert refused.value.fault is fault


def test_the_longest_file_is_taken() -> None:
    assert resize(saved(halves()).ljust(BYTES_MAX, b"\0")).by_width


def test_every_damage_is_refused_or_taken() -> None:
    """A byte turned at each of many places: an answer or a refusal, and nothing else."""
    for data in (saved(halves(200, 150)), saved(halves(200, 150), "PNG"), saved(halves(200, 150), "WEBP")):
        for place in range(0, len(data), 7):
            damaged = bytearray(data)
            damaged[place] ^= 0xFF
            try:
                assert resize(bytes(damaged)).by_width
            except PhotoRefused:
                continue


def test_an_answer_is_read_as_it_was_written() -> None:
    made = resize(saved(halves(300, 300)))
    assert unpack(pack(made)) == made
    with pytest.raises(PhotoRefused) as refused:
        unpack(pack(PhotoRefused(PhotoFault.MOVING)))
    assert refused.value.fault is PhotoFault.MOVING
    for broken in (b"", b"{}", b'{"fault": "unheard"}', b'{"files": {"x": ""}, "blur": ""}'):
        with pytest.raises(PhotoRefused) as refused:
            unpack(broken)
        assert refused.value.fault is PhotoFault.BROKEN


async def test_photos_are_resized_apart() -> None:
    resizer = Resizer()
    assert (await resizer.resize(saved(halves()))).by_width == resize(saved(halves())).by_width
    for data, fault in ((SVG, PhotoFault.NO_PHOTO), (bytes(BYTES_MAX + 1), PhotoFault.TOO_LARGE)):
        with pytest.raises(PhotoRefused) as refused:
            await resizer.resize(data)
        assert refused.value.fault is fault


async def test_two_at_a_time_and_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    made, going, ready = resize(saved(halves(100, 100))), set[int](), asyncio.Event()
    most = 0

    async def slow(data: bytes, _: resizing.Shape) -> resizing.Resized:
        nonlocal most
        going.add(id(asyncio.current_task()))
        most = max(most, len(going))
        await ready.wait()
        going.discard(id(asyncio.current_task()))
        return made

    monkeypatch.setattr("gateway.contests.pictures.resize_apart._resize", slow)
    resizer = Resizer()
    tasks = [asyncio.create_task(resizer.resize(b"x")) for _ in range(AT_ONCE + WAITING_MAX + 1)]
    await asyncio.sleep(0)
    ready.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert most == AT_ONCE
    assert [type(one) for one in ended].count(TooManyWait) == 1
    assert ended.count(made) == AT_ONCE + WAITING_MAX
    assert await resizer.resize(b"x") == made


async def test_voters_are_answered_while_a_photo_is_made() -> None:
    large = saved(Image.effect_noise((4000, 4000), 40).convert("RGB"), quality=40)
    making = asyncio.create_task(Resizer().resize(large))
    turns = 0
    while not making.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert (await making).by_width
    assert turns > 50  # were it made here, there would be none


async def test_a_program_that_crashes_or_hangs_takes_nothing_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr("gateway.contests.pictures.resize_apart.SECONDS_MAX", 0.01)
        with pytest.raises(PhotoRefused) as refused:
            await Resizer().resize(saved(halves()))
    assert refused.value.fault is PhotoFault.BROKEN
    monkeypatch.setattr(resizing, "__name__", "gateway.contests.nothing_here")
    with pytest.raises(PhotoRefused) as refused:
        await Resizer().resize(saved(halves()))
    assert refused.value.fault is PhotoFault.BROKEN


def star(colour: tuple[int, int, int], width: int = 900) -> Image.Image:
    """A square of this colour on the left of nothing."""
    image = Image.new("RGBA", (width, width // 3), (0, 0, 0, 0))
    image.paste((*colour, 255), (0, 0, width // 3, width // 3))
    return image


SHAPES = [Shape.LOGO, Shape.BANNER]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("too small", "one byte too long")])
def test_what_is_no_photo_is_no_logo_and_no_banner(name: str, shape: Shape) -> None:
    make, fault = REFUSED[name]
    with pytest.raises(PhotoRefused) as refused:
        resize(make(), shape)
    # A bomb of a text or a profile is found when it is opened, or when what is too small is not even decoded.
    assert refused.value.fault in (fault, PhotoFault.TOO_SMALL)


@pytest.mark.parametrize(
    ("shape", "width", "height", "taken"),
    [
        (Shape.LOGO, 96, 24, True),
        (Shape.LOGO, 24, 96, True),
        (Shape.LOGO, 96, 23, False),
        (Shape.LOGO, 95, 95, False),
        (Shape.BANNER, 480, 160, True),
        (Shape.BANNER, 479, 160, False),
        (Shape.BANNER, 480, 159, False),
        (Shape.BANNER, 480, 3000, True),
    ],
)
def test_a_logo_or_banner_has_a_least_size(shape: Shape, width: int, height: int, taken: bool) -> None:
    data = saved(halves(width, height))
    if taken:
        assert resize(data, shape).by_width
        return
    with pytest.raises(PhotoRefused) as refused:
        resize(data, shape)
    assert refused.value.fault is PhotoFault.TOO_SMALL


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_but_pixels_is_left_of_a_logo_or_banner(shape: Shape) -> None:
    made = resize(with_place(), shape)
    for width, body in made.by_width.items():
        image = opened(body)
        assert (image.width, dict(image.getexif())) == (width, {})
        assert not {"exif", "xmp", "icc_profile"} & image.info.keys()
        assert not any(mark in body for mark in (b"Tecno", b"taken at home", b"Cocody"))


@pytest.mark.parametrize(
    ("width", "height", "widths"),
    [(2000, 1000, (480, 960, 1440)), (1200, 300, (480, 900)), (480, 160, (480,)), (700, 2000, (480, 700))],
)
def test_a_banner_is_three_times_as_wide_as_high(width: int, height: int, widths: tuple[int, ...]) -> None:
    made = resize(saved(halves(width, height)), Shape.BANNER)
    assert tuple(made.by_width) == widths
    assert made.height == widths[-1] // 3
    for wide, body in made.by_width.items():
        image = opened(body)
        assert image.size == (wide, wide // 3)
        assert near(image.convert("RGB").getpixel((5, 5)), RED)
        assert near(image.convert("RGB").getpixel((wide - 5, 5)), GREEN)


def test_a_banner_that_was_taken_upright_stands_so() -> None:
    made = resize(turned(), Shape.BANNER)  # 800 wide, red above green
    assert tuple(made.by_width) == (480, 800)
    image = opened(made.by_width[480]).convert("RGB")
    assert near(image.getpixel((240, 5)), RED)


def test_a_banner_costs_little_data() -> None:
    for noise in (40, 255):
        made = resize(saved(Image.effect_noise((1440, 480), noise).convert("RGB"), quality=60), Shape.BANNER)
        limits = dict(zip(BANNER_WIDTHS, BANNER_BYTES, strict=True))
        assert made.by_width
        assert all(len(body) <= limits[width] for width, body in made.by_width.items())


@pytest.mark.parametrize(
    ("colour", "needs_white"), [((10, 10, 40), True), ((200, 0, 0), True), ((250, 220, 60), False)]
)
def test_a_logo_keeps_its_shape_and_what_is_transparent(colour: tuple[int, int, int], needs_white: bool) -> None:
    made = resize(saved(star(colour), "PNG"), Shape.LOGO)
    assert (tuple(made.by_width), made.height, made.needs_white) == ((320, 640), 213, needs_white)
    for width, body in made.by_width.items():
        image = opened(body)
        assert (image.mode, image.width) == ("RGBA", width)
        assert abs(image.height - width / 3) < 1
        inside, outside = image.getpixel((width // 6, 20)), image.getpixel((width - 5, 20))
        assert isinstance(inside, tuple)
        assert isinstance(outside, tuple)
        assert near(inside[:3], colour)
        assert (inside[3], outside[3]) == (255, 0)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "LA", "RGBA", "I;16"])
def test_a_logo_of_any_mode_is_taken(mode: str) -> None:
    image = Image.new("I;16", (300, 100), 40_000) if mode == "I;16" else halves(300, 100, mode)
    made = resize(saved(image, "JPEG" if mode == "CMYK" else "PNG"), Shape.LOGO)
    assert (tuple(made.by_width), made.height, made.needs_white) == ((150, 300), 100, False)


def test_a_logo_of_nothing_is_taken_as_it_is() -> None:
    assert resize(saved(Image.new("RGBA", (300, 100), (0, 0, 0, 0)), "PNG"), Shape.LOGO).needs_white is False


async def test_a_logo_is_made_apart() -> None:
    data = saved(star((10, 10, 40)), "PNG")
    assert await Resizer().resize(data, Shape.LOGO) == resize(data, Shape.LOGO)
