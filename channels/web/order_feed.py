"""Orders that wait for their payment: a stream of each order's states, and the address of the operator's page.

One loop asks for all streams: one statement a round, however many are waiting. Each stream then
writes for itself, so that a slow phone delays no other. Addresses of pages are asked for in the same way.
"""

import asyncio
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web
from aiohttp_sse import EventSourceResponse

from channels.voting_service import VotingService
from channels.web.models import VoteState
from gateway.storage.engine import DatabaseUnavailable
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus

EVENT: Final = "vote:state"
STREAM_HEADERS: Final = MappingProxyType({"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})
LINK_WAIT_SECONDS: Final = 1.0
LINK_TICK_SECONDS: Final = 0.1

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How often and for how many. Seconds.

    `tick`: from one round to the next; `heartbeat`: between signs of life; `streams_max`: open at
    once in this process; `send_timeout`: how long a frame may stay unsent; `reconnect_ms`: how long
    browsers wait before they come back.
    """

    tick: float = 1.0
    heartbeat: float = 15.0
    streams_max: int = 5_000
    send_timeout: float = 20.0
    reconnect_ms: int = 3_000


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream sends about an order. `final`: nothing follows."""

    id: str
    data: bytes
    final: bool


def frame_of(order: OrderView) -> Frame:
    """The order as one server-sent event. Its id changes with its content only."""
    body = VoteState.model_validate(order).model_dump_json(by_alias=True).encode()
    name = blake2b(body, digest_size=6).hexdigest()
    data = b"id: %s\nevent: %s\ndata: %s\n\n" % (name.encode(), EVENT.encode(), body)
    return Frame(name, data, final=order.status is not PublicStatus.PENDING)


class Followed:
    """An order that is followed. `mark`: the service's mark of its state; empty before the first."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.mark = ""
        self.streams = 0
        self._changed = asyncio.Event()

    def show(self, frame: Frame) -> None:
        """Say this from now on."""
        if frame.id != self.frame.id:
            self.frame = frame
            self.wake()

    def wake(self) -> None:
        """Wake all who wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until there is something new."""
        await self._changed.wait()


class OrderFeed:
    """Every order that is followed in this process, and the one loop that asks about them."""

    def __init__(self, service: VotingService, settings: FeedSettings | None = None) -> None:
        self.settings = settings or FeedSettings()
        self.streams = 0
        self._service = service
        self._followed: dict[UUID, Followed] = {}
        self._has_streams = asyncio.Event()
        self._closing = False

    @property
    def full(self) -> bool:
        """Whether another stream must be turned away."""
        return self._closing or self.streams >= self.settings.streams_max

    async def follow(self, request: web.Request, order: OrderView) -> web.StreamResponse:
        """Stream an order until its end is known or either side goes. Ask `full` first.

        204 to a browser that comes back after it received the end: it then stays away.
        """
        seen, frame = request.headers.get("Last-Event-ID"), frame_of(order)
        if frame.final and seen == frame.id:
            return web.Response(status=204)
        if request.transport is None:  # left while the request waited its turn
            return web.Response()
        response = EventSourceResponse(
            headers=STREAM_HEADERS, ping_interval=self.settings.heartbeat, send_timeout=self.settings.send_timeout
        )
        followed = self._join(order.vote_id, frame)
        try:
            await response.prepare(request)
            await self._run_until_gone(response, followed, seen)
        finally:
            self._leave(order.vote_id, followed)
        return response

    async def _run_until_gone(self, response: EventSourceResponse, followed: Followed, seen: str | None) -> None:
        async with response:
            sending = asyncio.create_task(self._send_states(response, followed, seen))
            gone = asyncio.create_task(response.wait())
            try:
                await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sending.cancel()
                gone.cancel()
                await asyncio.gather(sending, gone, return_exceptions=True)

    async def _send_states(self, response: EventSourceResponse, followed: Followed, seen: str | None) -> None:
        """Every frame that the reader has not seen, the final one last."""
        try:
            # Not all come back in the same moment when this process ends.
            pause = self.settings.reconnect_ms + self.streams * 37 % self.settings.reconnect_ms
            await self._write(response, b"retry: %d\n\n" % pause)
            while not self._closing:
                frame = followed.frame
                if frame.id != seen:
                    await self._write(response, frame.data)
                    seen = frame.id
                if frame.final:
                    return
                if frame is followed.frame:
                    await followed.change()
        except (ConnectionError, TimeoutError, RuntimeError) as error:
            _log.debug("order_stream_lost", error=repr(error))

    async def _write(self, response: EventSourceResponse, data: bytes) -> None:
        async with asyncio.timeout(self.settings.send_timeout):
            await response.write(data)

    def _join(self, vote_id: UUID, frame: Frame) -> Followed:
        # What is there already is at most a tick old, and may be newer than what this reader brings.
        followed = self._followed.setdefault(vote_id, Followed(frame))
        followed.streams += 1
        self.streams += 1
        self._has_streams.set()
        return followed

    def _leave(self, vote_id: UUID, followed: Followed) -> None:
        self.streams -= 1
        followed.streams -= 1
        if not followed.streams and self._followed.get(vote_id) is followed:
            del self._followed[vote_id]
        if not self._followed:
            self._has_streams.clear()

    async def run(self) -> None:
        """Ask about what is followed, once a tick while there are followers. Runs until cancelled."""
        away = False
        while True:
            await self._has_streams.wait()
            try:
                await self._look()
                away = False
            except DatabaseUnavailable as error:
                if not away:  # sent once: the streams stay open and the next round may succeed
                    _log.warning("order_feed_without_house", error=str(error), orders=len(self._followed))
                away = True
            except Exception:  # one order's trouble must not silence the others
                _log.exception("order_feed_failed", orders=len(self._followed))
            await asyncio.sleep(self.settings.tick)

    async def _look(self) -> None:
        open_orders = {vote: held.mark for vote, held in self._followed.items() if not held.frame.final}
        if not open_orders:
            return
        changed = await self._service.changed_orders(open_orders)
        for vote_id, (mark, order) in changed.items():
            if (followed := self._followed.get(vote_id)) is not None:
                followed.mark = mark
                followed.show(frame_of(order))

    async def close(self) -> None:
        """End all streams and admit no more: browsers reconnect to the process that listens then."""
        self._closing = True
        for followed in self._followed.values():
            followed.wake()


ORDER_FEED: web.AppKey[OrderFeed] = web.AppKey("order_feed", OrderFeed)


class PaymentLinks:
    """The links that this process waits for. Seconds: `wait` for each at most, `tick` between two questions."""

    def __init__(
        self, service: VotingService, *, wait: float = LINK_WAIT_SECONDS, tick: float = LINK_TICK_SECONDS
    ) -> None:
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
        """Ask for all until none waits."""
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
