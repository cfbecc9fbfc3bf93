"""Whose word about a caller's address is believed: that of our own proxies, and of nobody else."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_remotes import XForwardedFiltered

from gateway.values.network import Network, comes_from


class ForwardedByProxies(XForwardedFiltered):
    """`X-Forwarded-*` of requests that come from these networks. Whoever calls past the proxies says nothing:
    the library looks at the header alone, and an address may decide about money."""

    def __init__(self, proxies: Sequence[Network]) -> None:
        super().__init__(proxies)
        self._proxies = tuple(proxies)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on, with the address of whoever called the proxy."""
        if not comes_from(request.remote or "", self._proxies):
            return await handler(request)
        return await super().middleware(request, handler)
