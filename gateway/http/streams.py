"""How many streams may be open: of one address, and of this process."""

import asyncio
import resource
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiohttp import hdrs, web

from gateway.http.problems import Problem
from gateway.values.network import Network, comes_from, subject_of

RETRY_AFTER_SECONDS: Final = "10"
SHARED_FACTOR: Final = 10
# Where the hard limit is "unlimited", the kernel's usual one.
FILES_WITHOUT_LIMIT: Final = 1 << 20


class StreamCap:
    """The streams of each address, of all kinds together, in this process. `per_address`: how many it
    may have open at once; None for any number. One in the networks `shared` stands for many subscribers
    and may have `SHARED_FACTOR` times as many."""

    def __init__(self, per_address: int | None = None, shared: Sequence[Network] = ()) -> None:
        self._per_address = per_address
        self._shared = shared
        self._open: defaultdict[str, set[asyncio.Transport]] = defaultdict(set)

    @contextmanager
    def place(self, request: web.Request) -> Iterator[None]:
        """Hold one of the address's places. Problem 503 when none is free."""
        subject, transport = subject_of(request.remote or ""), request.transport
        if transport is None:  # the reader has left
            yield
            return
        held, most = self._open[subject], self._most(request.remote or "")
        if most is not None and len(held) >= most:
            # A stream notices at its next frame that its reader has left; the connection knows at once.
            held -= {one for one in held if one.is_closing()}
            if len(held) >= most:
                raise _full(most)
        held.add(transport)
        try:
            yield
        finally:
            held.discard(transport)
            if not held and self._open.get(subject) is held:
                del self._open[subject]

    def _most(self, remote: str) -> int | None:
        if self._per_address is None or not comes_from(remote, self._shared):
            return self._per_address
        return self._per_address * SHARED_FACTOR


def _full(most: int) -> Problem:
    return Problem(
        503,
        "Too many streams",
        f"At most {most} streams are open from one address. Ask for the state itself.",
        kind="/problems/too_many_streams",
        headers={hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS},
    )


def raise_file_limit() -> int:
    """Let this process open as many files and connections as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WITHOUT_LIMIT if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
