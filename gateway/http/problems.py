"""Errors of the API in the form of RFC 9457: `application/problem+json`."""

from collections.abc import Mapping
from typing import Final

import orjson
from aiohttp import hdrs, web

PROBLEM_TYPE: Final = "application/problem+json"
# A kind of problem that needs no page of its own beyond its title.
NO_KIND: Final = "about:blank"


def problem(
    status: int,
    title: str,
    detail: str | None = None,
    *,
    kind: str = NO_KIND,
    headers: Mapping[str, str] | None = None,
    **extra: object,
) -> web.Response:
    """An answer that says what went wrong.

    `title`: the kind of problem in a few words, the same each time. `detail`: this occurrence, in
    the caller's language; the title where there is nothing more to say. `kind`: the stable address
    of the kind of problem, the member `type`. `extra`: further members; `errors` lists invalid
    fields as `{"loc": […], "msg": …}`.
    """
    body = {"type": kind, "title": title, "status": status, "detail": detail or title}
    response = web.Response(status=status, headers=headers, body=orjson.dumps(body | extra))
    response.headers[hdrs.CONTENT_TYPE] = PROBLEM_TYPE
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


class Problem(Exception):
    """Raised anywhere below a handler to answer with a problem. Arguments as `problem` has them."""

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
        self.kind = kind
        self.headers = headers
        self.extra = extra

    def response(self) -> web.Response:
        """The answer that carries it."""
        return problem(self.status, self.title, self.detail, kind=self.kind, headers=self.headers, **self.extra)
