"""Photos are resized in programs of their own: one that takes too long, takes too much or crashes ends alone, and the
process that serves voters answers meanwhile."""

import asyncio
import sys
from typing import Final

import structlog

from gateway.contests.pictures import resizing
from gateway.contests.pictures.resizing import PhotoFault, PhotoRefused, Resized, Shape, unpack
from gateway.storage.pictures import PicturesUnavailable

AT_ONCE: Final = 2
# Each holds its file in memory meanwhile.
WAITING_MAX: Final = 20
SECONDS_MAX: Final = 30.0
_log = structlog.get_logger(__name__)


class TooManyWait(PicturesUnavailable):
    """More photos wait than there is room for. Nothing was changed; the same request may be repeated."""


class Resizer:
    """Resizes two photos at a time; others wait."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._present = 0

    async def resize(self, data: bytes, shape: Shape = Shape.PHOTO) -> Resized:
        """The files of a picture. Raises PhotoRefused, TooManyWait."""
        if len(data) > resizing.BYTES_MAX:
            raise PhotoRefused(PhotoFault.TOO_LARGE)
        if self._present == AT_ONCE + WAITING_MAX:
            raise TooManyWait("too many photos at once")
        self._present += 1
        try:
            async with self._places:
                return await _resize(data, shape)
        finally:
            self._present -= 1


async def _resize(data: bytes, shape: Shape) -> Resized:
    # Its environment is empty: what reads a stranger's file needs none of our secrets.
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", resizing.__name__, shape.value),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            written, complaint = await program.communicate(data)
    except TimeoutError:
        _log.warning("photo_took_too_long", bytes=len(data))
        raise PhotoRefused(PhotoFault.BROKEN) from None
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    if program.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:200]
        _log.warning("photo_not_read", code=program.returncode, error=last, bytes=len(data))
        raise PhotoRefused(PhotoFault.BROKEN)
    return unpack(written)
