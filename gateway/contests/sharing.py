"""What a page needs to be shared: its full address, a picture, a sentence, and the code to dial.

The picture and the QR code are served beside the page: `/card.png` and `/qr.svg` (`channels.web`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from gateway.contests.contest import Candidate, Contest

# Facebook's and WhatsApp's size for a large picture.
CARD_WIDTH: Final = 1200
CARD_HEIGHT: Final = 630


@dataclass(frozen=True, slots=True)
class Share:
    """A page that people send each other. `path`: its place here; `address`, `image`: full addresses;
    `star_code`: what to dial for it, such as `*789*07#`; `star_link`: the same for a handset; `text`:
    what is sent."""

    path: str
    address: str
    image: str
    text: str
    star_code: str
    star_link: str

    @property
    def whatsapp(self) -> str:
        """Opens WhatsApp with the text; the sender chooses to whom."""
        return f"https://wa.me/?text={quote(self.text, safe='')}"


def page_path(contest: Contest, candidate: Candidate | None = None) -> str:
    """The page of a contest, or of a candidate in it."""
    base = f"/c/{contest.slug}"
    return base if candidate is None else f"{base}/{candidate.code}"


def star_code(contest: Contest, candidate: Candidate | None = None) -> str:
    """What to dial for a contest, or for a candidate at once: `*789#`, `*789*07#`; empty without a service code."""
    if candidate is None or not contest.dial_code:
        return contest.dial_code
    return f"{contest.dial_code.removesuffix('#')}*{candidate.code}#"


def dial_link(code: str) -> str:
    """A star code as a link: `tel:*789*07%23`."""
    return "tel:" + quote(code, safe="*")


def share_of(
    base_url: str, contest: Contest, candidate: Candidate | None, say: Callable[..., str], language: str
) -> Share:
    """How to share a page. `base_url`: our public address without a last `/`; `say`: says a phrase
    by its key in the reader's language.

    The picture's address changes with the contest's version and brand, because readers of it keep it long.
    """
    path, code = page_path(contest, candidate), star_code(contest, candidate)
    address = base_url + path
    about, names = "contest", {"contest": contest.name}
    if candidate is not None:
        about, names = "candidate", {**names, "name": candidate.name}
    brand = f"-{contest.brand.tag}" if contest.brand.shown else ""
    text = say(f"share.{about}_text", **names, address=address) + (say("share.or_dial", code=code) if code else "")
    return Share(
        path=path,
        address=address,
        image=f"{address}/card.png?lang={language}&v={contest.version}{brand}",
        text=text,
        star_code=code,
        star_link=dial_link(code),
    )
