"""Photos of candidates on our pages: small ones, from hosts that the page's policy then names.

A photo's address comes from the organiser. Readers' browsers fetch it, without a referrer; we never do. Cloudinary cuts
a small square from an address that asks for it; source: its "Transformation URL API reference".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from yarl import URL

from gateway.contests.contest import Candidate, Contest

# More would make a page's policy too long; candidates on further hosts are shown without a photo.
HOSTS_MAX: Final = 4
# Screens of phones have two dots and more for each pixel of a page.
_DOTS: Final = 2
_CLOUDINARY: Final = re.compile(r"(https://res\.cloudinary\.com/[\w-]+/image/upload/)(?!s--)(.+)", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that a page may show. `origin`: what its policy must allow, `https://img.example`."""

    address: str
    origin: str

    def square(self, side: int) -> str:
        """The address of a square of so many pixels of a page; of the whole photo where its host cuts none."""
        dots = side * _DOTS
        return _CLOUDINARY.sub(rf"\1c_fill,f_auto,g_auto,h_{dots},q_auto,w_{dots}/\2", self.address)


def photo_of(candidate: Candidate) -> Photo | None:
    """The photo of an eligible candidate; None without one, and for an address that no policy can name."""
    if candidate.photo_url is None or not candidate.eligible:
        return None
    try:
        address = URL(candidate.photo_url)
        host, port = address.raw_host or "", address.explicit_port
    except ValueError:
        return None
    if address.scheme != "https" or address.raw_user is not None or _HOST.fullmatch(host) is None:
        return None
    return Photo(str(address), f"https://{host}" if port is None else f"https://{host}:{port}")


def photos_of(contest: Contest) -> Mapping[str, Photo]:
    """Photos of the candidates that are shown with one, by code."""
    shown: dict[str, Photo] = {}
    origins: set[str] = set()
    for candidate in contest.eligible:
        photo = photo_of(candidate)
        if photo is None or (photo.origin not in origins and len(origins) == HOSTS_MAX):
            continue
        origins.add(photo.origin)
        shown[candidate.code] = photo
    return shown
