"""One simulated company, and what it is given when it is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from sandbox.courier import Courier
from sandbox.phones.faults import Channel
from sandbox.phones.handset import Phones


@dataclass(frozen=True, slots=True)
class Context:
    """What a company is given. `gateway`: where the gateway listens, without a trailing slash. `credentials`: what
    the gateway's owner was issued, by lower-case name; absent ones are not checked."""

    code: str
    phones: Phones
    channel: Channel
    courier: Courier
    gateway: str
    credentials: Mapping[str, str]

    def address(self, path: str) -> str:
        """The gateway's address for a path, with the word that it shares with this company, if there is one."""
        secret = self.credentials.get("shared_secret")
        key = f"?key={quote(secret, safe='')}" if secret else ""
        return f"{self.gateway}{path}{key}"


@dataclass(frozen=True, slots=True)
class Company:
    """`build`: makes the application that is served under `/{code}`, from a `Context` or an operator's one."""

    code: str
    build: Callable[[Any], web.Application]
