"""One simulated company, and what it is given when it is built."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from sandbox.courier import Courier
from sandbox.phones.faults import Channel
from sandbox.phones.handset import Phones


def same(given: str, expected: str | None) -> bool:
    """Whether a secret is the issued one; where none was issued, any will do."""
    return bool(given) and (not expected or hmac.compare_digest(given.encode(), expected.encode()))


@dataclass(frozen=True, slots=True)
class Context:
    """What a company is given. `gateway`: where the gateway listens, without a trailing slash. `credentials`: what
    the gateway's owner was issued, by lower-case name; absent ones are not checked. `data_dir`: where the country keeps
    its files."""

    code: str
    phones: Phones
    channel: Channel
    courier: Courier
    gateway: str
    credentials: Mapping[str, str]
    data_dir: Path

    def issued(self, **given: str) -> bool:
        """Whether each of these secrets is the one issued under its name; where none was issued, any will do."""
        return all(same(secret, self.credentials.get(name)) for name, secret in given.items())

    def address(self, path: str) -> str:
        """The gateway's address for a path, with the word that it shares with this company, if there is one."""
        secret = self.credentials.get("shared_secret")
        key = f"?key={quote(secret, safe='')}" if secret else ""
        return f"{self.gateway}{path}{key}"


@dataclass(frozen=True, slots=True)
class Company:
    """`build`: makes the application that is served under `/{code}`, from a `Context` or an operator's one.

    `demo`: what the gateway of a demo is configured with, by name without the code in front; `{gateway}` stands for the
    gateway's address, `{country}` for that of this side. It opens nothing outside the demo. Its base URL is added; a
    company without any is not called. `accounts`: names of further accounts that the merchant has here.
    """

    code: str
    build: Callable[[Any], web.Application]
    demo: Mapping[str, str] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()

    def demo_environment(self, country: str, gateway: str) -> dict[str, str]:
        """`demo` as environment variables. `country`: where this side listens, without a trailing slash."""
        given = {"BASE_URL": f"{country}/{self.code}", **self.demo} if self.demo else {}
        return {
            f"{self.code.upper()}_{name}": text.format(gateway=gateway, country=country) for name, text in given.items()
        }
