"""How a contest's pages look, or those of all contests of an organiser, by page and by API: colours, logo, banner."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import Field

from admin.access.guard import Form, Me, api_call, form, page, query_of, see_other, show
from admin.answers import SIGNED_IN, TAG, problem_of, staff_endpoint
from admin.contests.api import ContestPath
from admin.contests.photos import picture_refused, pictures_away, read_picture
from admin.contests.store import STAFF_CONTESTS
from channels.voting_service import VOTING_SERVICE
from gateway.contests.brand import (
    DARK,
    LIGHT,
    NIGHT,
    Brand,
    BrandPart,
    BrandPicture,
    ColoursRefused,
    Theme,
    Unreadable,
    read_colours,
    unreadable,
)
from gateway.contests.pictures.keep_brands import (
    OF_CONTEST,
    OF_ORGANISER,
    Brands,
    Find,
    UnknownOwner,
)
from gateway.contests.pictures.resizing import BYTES_MAX, PhotoRefused
from gateway.http.endpoint import ApiModel, InputModel, Line, Reply, answer, described, invalid
from gateway.values.colours import read_colour
from payments.requests import ActRefused, Right, Why

BRANDS: web.AppKey[Brands] = web.AppKey("brands", Brands)
OF_CONTESTS: Final = "/admin/contests/{slug}/brand"
OF_ORGANISERS: Final = "/admin/brand/{organiser}"
OWN: Final = "/admin/brand"
LEAST: Final = {
    BrandPart.LOGO: "a logo has at least 96 pixels one way and 24 the other",
    BrandPart.BANNER: "a banner has at least 480 by 160 pixels",
}


class OrganiserPath(InputModel):
    """The organiser that is meant."""

    organiser: Line = Field(max_length=100, description="The organiser's slug.")


class Colours(InputModel):
    """Colours such as `#7c1fa2`. An empty one is none: the organiser's, else ours."""

    accent: Line = Field("", max_length=20, description="Of light pages: links, buttons, the first place.")
    accent_dark: Line = Field("", max_length=20, description="Of dark pages; empty: a lighter shade of accent.")


class BrandFile(ApiModel):
    """One size of a picture."""

    width: int = Field(description="Pixels.")
    address: str = Field(description="Of a WebP file that never changes.")


class BrandLook(ApiModel):
    """Colours and pictures; an empty text or list where there is none."""

    accent: str
    accent_dark: str
    logo: list[BrandFile]
    banner: list[BrandFile]


class BrandDocument(ApiModel):
    """`own`: what is the contest's or organiser's own; `shown`: what its pages show."""

    own: BrandLook
    shown: BrandLook


def _look(brand: Brand) -> BrandLook:
    return BrandLook(
        accent=brand.accent, accent_dark=brand.accent_dark, logo=_files(brand.logo), banner=_files(brand.banner)
    )


def _files(picture: BrandPicture | None) -> list[BrandFile]:
    widths = () if picture is None else picture.widths
    return [BrandFile(width=width, address=f"{picture.address}-{width}.webp") for width in widths if picture]


async def _document(request: web.Request, me: Me, find: Find, slug: str) -> Reply:
    with _known(slug):
        _, own, default = await request.app[BRANDS].read(find, me.scope, slug)
    return Reply(200, BrandDocument(own=_look(own), shown=_look(own.over(default))))


@contextmanager
def _known(slug: str) -> Iterator[None]:
    """A contest or organiser that is not there, as a refusal to the person who asked."""
    try:
        yield
    except UnknownOwner:
        raise ActRefused(Why.UNKNOWN, f"there is no {slug!r} of yours") from None


def _slug(request: web.Request) -> str:
    return next(iter(request.match_info.values()))


def _set_up_colours(router: web.UrlDispatcher, address: str, find: Find, path_model: type[InputModel]) -> None:
    """Serve the API of the colours of one kind of owner. `address`: with its slug alone."""

    @staff_endpoint(Right.READ_CONTESTS, path=path_model, returns={200: BrandDocument}, problems=(404,))
    async def read(request: web.Request, me: Me, *, path: InputModel) -> Reply:
        """Read colours, logo and banner."""
        return await _document(request, me, find, _slug(request))

    @staff_endpoint(
        Right.EDIT_CONTEST, path=path_model, body=Colours, returns={200: BrandDocument}, problems=(404, 422)
    )
    async def write(request: web.Request, me: Me, *, path: InputModel, body: Colours) -> Reply:
        """Set the colours.

        422 for a colour that people cannot read with; each of the `errors` has its `ratio`, what is `wanted`, and the
        `nearest` shade that is taken.
        """
        slug = _slug(request)
        try:
            with _known(slug):
                typed = (body.accent, body.accent_dark)
                await request.app[BRANDS].set_colours(find, me.scope, slug, typed, me.email)
        except ColoursRefused as refused:
            raise invalid([_error(name, fault) for name, fault in refused.faults.items()]) from None
        return await _document(request, me, find, slug)

    router.add_get(address, read)
    router.add_put(address, write)


def _set_up_pictures(router: web.UrlDispatcher, address: str, find: Find, path_model: type[InputModel]) -> None:
    """The same for logo and banner."""

    def put(part: BrandPart) -> Handler:
        @described(
            path=path_model,
            returns={200: BrandDocument},
            problems=(*SIGNED_IN, 404, 408, 413, 422),
            tag=TAG,
        )
        @api_call(Right.EDIT_CONTEST)
        async def put_picture(request: web.Request, me: Me) -> web.Response:
            """Set a picture.

            The body is the file: JPEG, PNG or WebP by its content, at most 5 MiB and 25 megapixels. It is written anew
            in several sizes: a banner as strips three times as wide as high, a logo with what is transparent.
            """
            slug, brands = _slug(request), request.app[BRANDS]
            try:
                with _known(slug):
                    await brands.read(find, me.scope, slug)
                    await brands.keep(find, me.scope, slug, part, await read_picture(request), me.email)
            except ActRefused as refused:
                raise problem_of(refused) from None
            except PhotoRefused as refused:
                raise picture_refused(refused.fault, LEAST[part]) from None
            except OSError:
                raise pictures_away() from None
            return answer(await _document(request, me, find, slug))

        return put_picture

    def delete(part: BrandPart) -> Handler:
        @staff_endpoint(Right.EDIT_CONTEST, path=path_model, returns={200: BrandDocument}, problems=(404,))
        async def delete_picture(request: web.Request, me: Me, *, path: InputModel) -> Reply:
            """Remove a picture."""
            slug = _slug(request)
            with _known(slug):
                await request.app[BRANDS].remove(find, me.scope, slug, part, me.email)
            return await _document(request, me, find, slug)

        return delete_picture

    for part in BrandPart:
        router.add_put(f"{address}/{part.value}", put(part))
        router.add_delete(f"{address}/{part.value}", delete(part))


_ABOUT: Final = {"text": "as text on a page", "large": "as a part of a page", "button": "under the text of a button"}


def _error(name: str, fault: Unreadable | None) -> dict[str, object]:
    loc = ["body", "accentDark" if name == "accent_dark" else name]
    if fault is None:
        return {"loc": loc, "msg": "a colour like #7c1fa2 is wanted"}
    msg = f"the contrast is {shown_ratio(fault.ratio)} to 1 {_ABOUT[fault.about]}, {fault.wanted} to 1 is wanted"
    return {"loc": loc, "msg": msg, "ratio": fault.ratio, "wanted": fault.wanted, "nearest": fault.nearest}


def shown_ratio(ratio: float) -> str:
    """A ratio with two decimals, never rounded up to one that would be enough."""
    return f"{int(ratio * 100) / 100:.2f}"


@dataclass(frozen=True, slots=True)
class Sketch:
    """A page in small, as a theme shows it. `bar`: how much of the colour lies on a card."""

    name: str
    ground: str
    card: str
    ink: str
    link: str
    lead: str
    on_lead: str
    bar: float
    night: str
    total: str


_INK: Final = {"light": "#1a1130", "dark": "#f5f1ff"}
_OURS: Final = {"light": ("#ffc83d", "#5b21b6"), "dark": ("#ffc83d", "#c4b0ff")}


def sketch(brand: Brand, theme: Theme) -> Sketch:
    """A page of a brand; without colours, as we have it."""
    ground, card = theme.grounds[:2]
    colour = brand.accent if theme is LIGHT else brand.on_dark
    button, link = (colour, colour) if colour else _OURS[theme.name]
    on_lead, total = (theme.on_colour, brand.on_dark) if colour else (NIGHT, "#ffc83d")
    bar = theme.bar / 255
    return Sketch(theme.name, ground, card, _INK[theme.name], link, button, on_lead, bar, NIGHT, total)


async def _shown(
    request: web.Request, me: Me, *, typed: Form | None = None, faults: Form | None = None, status: int = 200
) -> web.Response:
    """The page. `typed`: colours that are not saved; `faults`: what is wrong with a file, by the picture's name."""
    find, slug = _named(request)
    with _known(slug):
        owner, own, default = await request.app[BRANDS].read(find, me.scope, slug)
    around: dict[str, object] = {}
    if owner.contest_id is not None:
        held = await request.app[STAFF_CONTESTS].held(slug, me.scope)
        around = {"contest": held.contest, "phase": held.contest.phase_at(request.app[VOTING_SERVICE].now())}
    saved = {"accent": own.accent, "accent_dark": own.accent_dark}
    given = saved if typed is None else {name: typed.get(name, "") for name in saved}
    refused: Mapping[str, Unreadable | None] = {}
    try:
        read_colours(given["accent"], given["accent_dark"])
    except ColoursRefused as error:
        refused = error.faults
    tried = Brand(read_colour(given["accent"]) or "", read_colour(given["accent_dark"]) or "").over(default)
    return show(
        request,
        me,
        "contests/brand.html",
        status=status,
        owner=owner,
        base=_base(request),
        own=own,
        pictures_shown=own.over(default),
        inherited=default,
        typed=given,
        refused=refused,
        ratio=shown_ratio,
        sketches=[sketch(tried, theme) for theme in (LIGHT, DARK)],
        faults=faults or {},
        **around,
    )


def _named(request: web.Request) -> tuple[Find, str]:
    organiser = request.match_info.get("organiser")
    return (OF_CONTEST, request.match_info["slug"]) if organiser is None else (OF_ORGANISER, organiser)


def _base(request: web.Request) -> str:
    """The address of the page whose form was sent."""
    named = request.match_info
    return (OF_ORGANISERS if "organiser" in named else OF_CONTESTS).format(**named)


def _part(request: web.Request) -> BrandPart:
    return BrandPart(request.path.removesuffix("/remove").rpartition("/")[2])


@page(Right.EDIT_CONTEST)
async def brand_page(request: web.Request, me: Me) -> web.StreamResponse:
    """Colours, logo and banner, and the forms that set them; colours behind the address are tried, not saved."""
    asked = query_of(request)
    return await _shown(request, me, typed=asked if "accent" in asked else None)


@form(Right.EDIT_CONTEST)
async def set_colours(request: web.Request, me: Me, fields: Form) -> web.StreamResponse:
    """Save the colours, or show them again with what is wrong; a shade that was offered is taken."""
    typed = {name: fields.get(f"use_{name}") or fields.get(name, "") for name in ("accent", "accent_dark")}
    wished = read_colour(fields.get("accent", ""))
    if "use_accent" in fields and not typed["accent_dark"] and wished and unreadable(wished, DARK) is None:
        typed["accent_dark"] = wished  # dark pages and the stage have what was wished
    find, slug = _named(request)
    try:
        with _known(slug):
            colours = (typed["accent"], typed["accent_dark"])
            await request.app[BRANDS].set_colours(find, me.scope, slug, colours, me.email)
    except ColoursRefused:
        return await _shown(request, me, typed=typed, status=422)
    return see_other(_base(request))


@form(Right.EDIT_CONTEST, files=BYTES_MAX)
async def set_picture(
    request: web.Request, me: Me, _: Form, files: AsyncIterator[tuple[str, bytes]]
) -> web.StreamResponse:
    """Make the file that was sent the logo or the banner."""
    (find, slug), part = _named(request), _part(request)
    try:
        with _known(slug):
            await request.app[BRANDS].read(find, me.scope, slug)
            async for _name, data in files:
                if not data:
                    break
                await request.app[BRANDS].keep(find, me.scope, slug, part, data, me.email)
                return see_other(_base(request))
        fault = "no_file"
    except PhotoRefused as refused:
        fault = refused.fault.value
    except OSError:
        fault = "away"
    return await _shown(request, me, faults={part.value: fault}, status=422)


@form(Right.EDIT_CONTEST)
async def remove_picture(request: web.Request, me: Me, _: Form) -> web.StreamResponse:
    """There is no logo or banner any more."""
    find, slug = _named(request)
    with _known(slug):
        await request.app[BRANDS].remove(find, me.scope, slug, _part(request), me.email)
    return see_other(_base(request))


@page(Right.EDIT_CONTEST)
async def own_page(request: web.Request, me: Me) -> web.StreamResponse:
    """To the page of one's own organiser; from the platform, to the list of all."""
    slug = await request.app[BRANDS].organiser(me.scope)
    return see_other("/admin/organisers" if slug is None else f"{OWN}/{slug}")


def setup(app: web.Application, brands: Brands) -> None:
    """Serve them. The application needs STAFF_CONTESTS, VOTING_SERVICE and mounted pages."""
    app[BRANDS] = brands
    router = app.router
    for address, find, path_model in (
        ("/api/admin/contests/{slug}/brand", OF_CONTEST, ContestPath),
        ("/api/admin/organisers/{organiser}/brand", OF_ORGANISER, OrganiserPath),
    ):
        _set_up_colours(router, address, find, path_model)
        _set_up_pictures(router, address, find, path_model)
    router.add_get(OWN, own_page)
    for address in (OF_CONTESTS, OF_ORGANISERS):
        router.add_get(address, brand_page)
        router.add_post(address, set_colours)
        for part in BrandPart:
            router.add_post(f"{address}/{part.value}", set_picture)
            router.add_post(f"{address}/{part.value}/remove", remove_picture)
            # Where a form leads whose sender had to sign in again.
            router.add_get(f"{address}/{part.value}", brand_page)
            router.add_get(f"{address}/{part.value}/remove", brand_page)
