"""Pictures of ours at `/media/…`: they never change, so a browser asks for each once."""

from typing import Final

from aiohttp import hdrs, web

from gateway.http.static_files import STATIC_CACHE
from gateway.storage.pictures import CONTENT_TYPE, OWN_ADDRESSES, Pictures

_KEY: Final = r"{owner:[0-9a-f]{32}}/{name:[A-Za-z0-9_-]{22}-[0-9]{1,4}\.webp}"


def setup(app: web.Application, pictures: Pictures) -> None:
    """Serve what this store holds."""

    async def serve(request: web.Request) -> web.Response:
        """The picture of this address. Raises web.HTTPNotFound."""
        owner, name = request.match_info["owner"], request.match_info["name"]
        # The name is random and its bytes are for ever: it says itself which version it is.
        tag = f'"{name.removesuffix(".webp")}"'
        headers = {
            hdrs.CACHE_CONTROL: STATIC_CACHE,
            hdrs.ETAG: tag,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        }
        if tag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        body = await pictures.get(f"{owner}/{name}")
        if body is None:
            raise web.HTTPNotFound
        headers[hdrs.CONTENT_TYPE] = CONTENT_TYPE
        headers[hdrs.CONTENT_DISPOSITION] = f'inline; filename="{name}"'
        return web.Response(body=body, headers=headers)

    app.router.add_get(OWN_ADDRESSES + _KEY, serve)
