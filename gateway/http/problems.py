"""Errors of the API in the form of RFC 9457: `application/problem+json`."""

from collections.abc import Mapping
from typing import Final

import orjson
from aiohttp import hdrs, web

PROBLEM_TYPE: Final = "application/problem+json"
# A kind of problem that needs no page of its own beyond its title.
NO_KIND: Final = "about:blank"


class Problem(Exception):
    """Raised anywhere below a handler to answer with what went wrong.

    `title`: the kind of problem in a few words, the same each time. `detail`: this occurrence, in
    the caller's language; the title where there is nothing more to say. `kind`: the stable address
    of the kind of problem, the member `type`. `extra`: further members; `errors` lists invalid
    fields as `{"loc": […], "msg": …}`.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        kind: str = NO_KIND,
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self._body = {"type": kind, "title": title, "status": status, "detail": detail or title} | extra

    def response(self) -> web.Response:
        """The answer that carries it."""
        response = web.Response(status=self.status, headers=self.headers, body=orjson.dumps(self._body))
        response.headers[hdrs.CONTENT_TYPE] = PROBLEM_TYPE
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response
