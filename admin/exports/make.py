"""Make the exports that are due, in the background: a worker's process that is cut off leaves nothing behind but a
row, which another one takes up when the lease is out."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import structlog

from admin.exports.lines import journal_lines, order_lines, written_in
from admin.exports.month import Months
from admin.exports.rules import OF_ORDERS
from admin.exports.store import Exports, Job
from admin.exports.tables import Written
from admin.orders.listed import ListedOrders
from gateway.contests.contest import Contest
from gateway.http.pages import Pages
from payments.ledger.book import Book

# Between two looks whether it is still wanted, at which it is written how far it is.
TICK_SECONDS: Final = 1.0
# Of a file that are written at once.
_PART_CHARACTERS: Final = 64 * 1024
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """How many lines of a file are written, of how many; None before they are counted."""

    done: int = 0
    total: int | None = None

    def add(self, lines: int) -> None:
        """So many more."""
        self.done += lines


class Maker:
    """Makes exports, one after the other. `pages`: what has our words, built when the first one is made."""

    def __init__(
        self,
        exports: Exports,
        listed: ListedOrders,
        book: Book,
        months: Months,
        pages: Callable[[], Pages],
        tick: float = TICK_SECONDS,
    ) -> None:
        self._exports = exports
        self._listed = listed
        self._book = book
        self._months = months
        self._pages = pages
        self._tick = tick

    async def make_due(self) -> int:
        """Make all that are due; how many were tried."""
        tried = 0
        while (job := await self._exports.claim()) is not None:
            await self._make(job)
            tried += 1
        return tried

    async def _make(self, job: Job) -> None:
        progress = Progress()
        writing = asyncio.create_task(self._write(job, progress))
        try:
            while not (await asyncio.wait({writing}, timeout=self._tick))[0]:
                if not await self._exports.renew(job, progress.done, progress.total):
                    _log.info("export_stopped", export=str(job.id))
                    return
            size = await writing
        except Exception:
            _log.exception("export_failed", export=str(job.id), tries=job.tries)
            await self._exports.give_back(job)
            return
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        if not await self._exports.finish(job, progress.done, size):
            await self._exports.files.delete([job.key])

    async def _write(self, job: Job, progress: Progress) -> int:
        """Write the file; its size in bytes."""
        contest = await self._listed.contest(job.slug, job.scope)
        by = written_in(self._pages(), job.language, contest)
        if job.month is None:
            parts = self._table(job, contest, by, progress)
        else:
            parts = self._workbook(job, job.month, contest, by, progress)
        async with aclosing(parts):
            return await self._exports.files.put(job.key, parts)

    async def _table(self, job: Job, contest: Contest, by: Written, progress: Progress) -> AsyncGenerator[bytes, None]:
        scope, wanted = job.scope, job.filter
        if job.kind in OF_ORDERS:
            progress.total = await self._listed.count(contest, scope, wanted)
            lines = order_lines(self._listed, contest, scope, job.kind, wanted, by, whole=job.whole, count=progress.add)
        else:
            progress.total = await self._book.journal_length(scope, at=wanted.as_of, contest=contest.slug)
            lines = journal_lines(self._book, contest, scope, wanted, by, count=progress.add)
        held, characters = [], 0
        async for line in lines:
            held.append(line)
            characters += len(line)
            if characters >= _PART_CHARACTERS:
                yield "".join(held).encode()
                held, characters = [], 0
        yield "".join(held).encode()

    async def _workbook(
        self, job: Job, first: date, contest: Contest, by: Written, progress: Progress
    ) -> AsyncGenerator[bytes, None]:
        from admin.exports.workbook import workbook  # a tenth of a second, for few processes

        month = await self._months.read(contest, job.scope, first)
        progress.total = month.total.orders
        yield await asyncio.to_thread(workbook, month, by, job.asked_by, str(by.moment(datetime.now(UTC))))
        progress.add(month.total.orders)
