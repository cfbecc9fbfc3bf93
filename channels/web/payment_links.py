"""The address of an operator's page for an order just placed, waited for a moment.

A worker asks the operator; its answer is a row. One question every tick asks for all who wait, however many,
and no connection is held between two.
"""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web

from channels.voting_service import VotingService
from gateway.storage.engine import DatabaseUnavailable

WAIT_SECONDS: Final = 1.0
TICK_SECONDS: Final = 0.1

_log = structlog.get_logger(__name__)


class PaymentLinks:
    """The links that this process waits for. Seconds: `wait` for each at most, `tick` between two questions."""

    def __init__(self, service: VotingService, *, wait: float = WAIT_SECONDS, tick: float = TICK_SECONDS) -> None:
        self._service = service
        self._wait = wait
        self._tick = tick
        self._waiting: dict[UUID, asyncio.Future[str]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def of(self, vote_id: UUID) -> str | None:
        """The link of this order's payment, as soon as it is known; None when it is not in time."""
        found = self._waiting.setdefault(vote_id, asyncio.get_running_loop().create_future())
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="payment links")
        try:
            async with asyncio.timeout(self._wait):
                return await asyncio.shield(found)
        except TimeoutError:
            return None
        finally:
            if self._waiting.get(vote_id) is found:
                del self._waiting[vote_id]

    async def _ask(self) -> None:
        """Ask for all until nobody waits."""
        while self._waiting:
            await asyncio.sleep(self._tick)
            try:
                links = await self._service.payment_links(list(self._waiting))
            except DatabaseUnavailable as error:  # the orders are placed: their pages come without a link
                _log.warning("payment_links_not_read", error=str(error), orders=len(self._waiting))
                continue
            for vote_id, link in links.items():
                found = self._waiting.get(vote_id)
                if found is not None and not found.done():
                    found.set_result(link)

    async def close(self, _: web.Application | None = None) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)


PAYMENT_LINKS: web.AppKey[PaymentLinks] = web.AppKey("payment_links", PaymentLinks)
