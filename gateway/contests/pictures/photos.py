"""Photos of candidates on our pages: small ones, ours or from hosts that the page's policy then names.

An uploaded photo is there in squares of several sizes. Any other address comes from the organiser: readers' browsers
fetch it, without a referrer; we never do. Cloudinary cuts a small square from an address that asks for it; source: its
"Transformation URL API reference".
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from yarl import URL

from gateway.contests.contest import Candidate, Contest, Picture

# More would make a page's policy too long; candidates on further hosts are shown without a photo.
HOSTS_MAX: Final = 4
# Screens of phones have two dots and more for each pixel of a page.
_DOTS: Final = 2
_CLOUDINARY: Final = re.compile(r"(https://res\.cloudinary\.com/[\w-]+/image/upload/)(?!s--)(.+)", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)


# What a policy calls the pages' own host.
_OURS: Final = "'self'"


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that a page may show. `origin`: what its policy must allow, `https://img.example`; `sides`, `blur`: of
    one that was uploaded, see `Picture`."""

    address: str
    origin: str
    sides: tuple[int, ...] = ()
    blur: bytes = b""

    @property
    def srcset(self) -> str:
        """Its squares for a browser to choose from; empty where there is one size only."""
        return ", ".join(f"{self._of(side)} {side}w" for side in self.sides)

    @property
    def placeholder(self) -> str:
        """What is shown until the photo is there, inside the page; empty without one."""
        return f"data:image/webp;base64,{b64encode(self.blur).decode()}" if self.blur else ""

    def _of(self, side: int) -> str:
        return f"{self.address}-{side}.webp"

    def square(self, side: int) -> str:
        """The address of a square of so many pixels of a page; of the whole photo where its host cuts none."""
        dots = side * _DOTS
        if self.sides:
            return self._of(next((held for held in self.sides if held >= dots), self.sides[-1]))
        return _CLOUDINARY.sub(rf"\1c_fill,f_auto,g_auto,h_{dots},q_auto,w_{dots}/\2", self.address)


def photo_of(candidate: Candidate) -> Photo | None:
    """The photo of an eligible candidate, see `shown`."""
    return shown(candidate.photo, candidate.photo_url) if candidate.eligible else None


def shown(photo: Picture | None, photo_url: str | None) -> Photo | None:
    """An uploaded photo, else the one at an address elsewhere; None without either, and for an address that no policy
    can name."""
    if photo is not None:
        absolute = URL(photo.address).absolute
        origin = str(URL(photo.address).origin()) if absolute else _OURS
        return Photo(photo.address, origin, photo.sides, photo.blur)
    if photo_url is None:
        return None
    try:
        address = URL(photo_url)
        host, port = address.raw_host or "", address.explicit_port
    except ValueError:
        return None
    if address.scheme != "https" or address.raw_user is not None or _HOST.fullmatch(host) is None:
        return None
    return Photo(str(address), f"https://{host}" if port is None else f"https://{host}:{port}")


def address_of(candidate: Candidate, base_url: str) -> str | None:
    """Where others than browsers on our pages find the photo at its largest; None without one. `base_url`: ours."""
    photo = candidate.photo
    if photo is None:
        return candidate.photo_url
    return str(URL(base_url).join(URL(f"{photo.address}-{photo.sides[-1]}.webp")))


def photos_of(contest: Contest) -> Mapping[str, Photo]:
    """Photos of the candidates that are shown with one, by code."""
    shown: dict[str, Photo] = {}
    origins: set[str] = set()
    for candidate in contest.eligible:
        photo = photo_of(candidate)
        if photo is None or (photo.origin not in (_OURS, *origins) and len(origins) == HOSTS_MAX):
            continue
        origins |= {photo.origin} - {_OURS}
        shown[candidate.code] = photo
    return shown
