"""Questions about a second factor, between the page that puts one and the answer."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about the second factor that a page has put. `password`: of which password's hash the page knew that
    it was right; empty where the person is signed in."""

    email: str
    challenge: bytes
    at: datetime
    password: str
