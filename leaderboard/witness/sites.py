"""Take the keys of a site's logs when their first checkpoint comes, and trust no others for them ever after.

A witness of all contests of a site needs no line for each. The keys are kept in the list of logs, where they can be
compared with what the organiser printed.
"""

import asyncio
import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

from leaderboard.log.notes import NoteWrong
from leaderboard.witness.folder import Folder, FolderWrong
from leaderboard.witness.rules import read_logs

ANSWER_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 16 * 1024
# Anybody may name a log that is not there: a site is asked no more often than this.
BETWEEN_SECONDS: Final = 0.5
_SITE: Final = re.compile(r"https?://[A-Za-z0-9[][A-Za-z0-9.:\[\]/_~-]*")
_PATH: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_log = structlog.get_logger(__name__)


class Sites:
    """Sites whose logs are trusted at first sight, each like `https://vote.example`. FolderWrong."""

    def __init__(self, folder: Folder, sites: Iterable[str]) -> None:
        self._folder = folder
        self._sites = tuple(site.rstrip("/") for site in sites)
        for site in self._sites:
            if not _SITE.fullmatch(site):
                raise FolderWrong(f"--site: {site!r} is not like https://vote.example")
        self._lock = asyncio.Lock()
        self._asked = -BETWEEN_SECONDS

    async def meet(self, origin: str) -> None:
        """Take the keys of a log that is not known yet, where it is of one of the sites."""
        address = self._address(origin)
        if address is None:
            return
        async with self._lock:
            if origin in self._folder.logs or time.monotonic() < self._asked + BETWEEN_SECONDS:
                return
            self._asked = time.monotonic()
            try:
                published = await _read(f"{address}/vkey")
                keys = read_logs(published.splitlines()).get(origin, ())
            except (aiohttp.ClientError, TimeoutError, OSError, NoteWrong) as error:
                _log.warning("log_not_met", log=origin, error=type(error).__name__)
                return
            if keys:
                self._folder.add(keys)
                _log.info("log_met", log=origin, keys=[key.text for key in keys])

    def _address(self, origin: str) -> str | None:
        for site in self._sites:
            host = site.partition("://")[2]
            path = origin.removeprefix(host)
            if path != origin and _PATH.fullmatch(path):
                return f"{site}{path}"
        return None


async def _read(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, allow_redirects=False) as response:
        if response.status != HTTPStatus.OK:
            return ""
        read = bytearray()
        async for chunk in response.content.iter_any():
            read += chunk
            if len(read) > ANSWER_BYTES_MAX:
                response.close()
                return ""
        return read.decode("utf-8", "replace")
