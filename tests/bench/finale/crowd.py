"""`python -m tests.bench.finale.crowd PORT PATH COUNT`: viewers of a stream who only read, until standard input ends.

In a process of their own: in the one that times hops, an answer would wait until each viewer has read its frame.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from gateway.http.limits import raise_file_limit
from tests.bench.finale.processes import Part
from tests.bench.live import gather

_STOP_SECONDS = 20.0


@asynccontextmanager
async def crowd(port: int, path: str, count: int) -> AsyncIterator[Part]:
    """So many viewers, each of whom has its first event, until the block ends; their process."""
    arguments = ("-m", "tests.bench.finale.crowd", str(port), path, str(count))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not await process.stdout.readline():
            raise RuntimeError("the viewers did not come in")
        yield Part(process.pid)
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)


async def _watch(port: int, path: str, count: int) -> None:
    screens = await gather(port, path, count)
    for screen in screens:
        screen.rest()
    print("there", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    raise_file_limit()
    uvloop.run(_watch(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
