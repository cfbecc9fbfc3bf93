"""Send a signed body to a server of somebody else's: once, to an address that was checked, with bounds on everything.

A name is resolved once, each answer is checked, and the connection goes to what was checked; TLS keeps to the name.
No redirects, no proxies of the environment, no cookies.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.values.webhook import address_fault, may_connect, signed_headers

CONNECT_SECONDS: Final = 3.0
TOTAL_SECONDS: Final = 15.0
ANSWER_BYTES_MAX: Final = 64 * 1024
SHOWN_BYTES: Final = 1024
_GONE: Final = 410
_HEADERS: Final = {
    "User-Agent": f"Spotlight/{version('spotlight')}",
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
}
Lookup = Callable[[str, int], Awaitable[list[str]]]
"""IP addresses of a name and a port. Raises OSError."""


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What became of one try. `fault`: a word for why there was no answer, else empty; `text`: the beginning of the
    answer."""

    status: int = 0
    text: str = ""
    fault: str = ""

    @property
    def taken(self) -> bool:
        """Whether the server took it."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the server wants nothing more."""
        return self.status == _GONE


class WebhookSender:
    """Sends. `local`: to this very machine too, over http; never in production. `lookup`: in place of DNS."""

    def __init__(self, *, local: bool, lookup: Lookup | None = None) -> None:
        self.local = local
        self._lookup = lookup or _look_up

    async def send(self, url: str, secret: str, message: str, body: bytes, timestamp: int) -> WebhookAnswer:
        """One try. Never raises for anything that a network or a server does."""
        if address_fault(url, local=self.local) is not None:
            return WebhookAnswer(fault="address_refused")
        resolver = _CheckedResolver(self._lookup, local=self.local)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, ssl=_trust())
        timeout = aiohttp.ClientTimeout(total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS)
        headers = {**_HEADERS, **signed_headers(secret, message, timestamp, body)}
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                ) as session,
                session.post(URL(url), data=body, headers=headers, allow_redirects=False) as response,
            ):
                return WebhookAnswer(response.status, await _beginning(response))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
            return WebhookAnswer(fault="certificate")
        except aiohttp.ClientConnectorDNSError:
            return WebhookAnswer(fault="address_refused" if resolver.refused else "unknown_name")
        except TimeoutError:
            return WebhookAnswer(fault="too_slow")
        except (aiohttp.ClientConnectionError, OSError):
            return WebhookAnswer(fault="unreachable")
        except (aiohttp.ClientError, ValueError):
            return WebhookAnswer(fault="unreadable")


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first of the answer, as plain characters; the rest is read so far as it is short."""
    read = bytearray()
    async for chunk in response.content.iter_any():
        read += chunk
        if len(read) > ANSWER_BYTES_MAX:
            response.close()
            break
    shown = bytes(read[:SHOWN_BYTES]).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in shown).strip()


class _CheckedResolver(AbstractResolver):
    """Resolves a name, unless one of its addresses is not for us to call."""

    def __init__(self, lookup: Lookup, *, local: bool) -> None:
        self._lookup = lookup
        self._local = local
        self.refused = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Its addresses. Raises OSError."""
        found = await self._lookup(host, port)
        if not found or not all(may_connect(address, local=self._local) for address in found):
            self.refused = bool(found)
            raise OSError("no address to call")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """The authorities that we trust."""
    return httpx.create_ssl_context()
