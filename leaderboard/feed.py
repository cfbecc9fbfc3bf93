"""The rankings of this process as ready bytes, and the streams of those who watch them.

One loop serves all viewers: it merges what changed since its last round into one frame, encodes that
frame once and hands it to each viewer without waiting for any. A viewer whose phone cannot keep
up is skipped and later sent the whole board, or disconnected; it never delays the others.
"""

import asyncio
import contextlib
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NamedTuple

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp.http import StreamWriter
from aiohttp_sse import EventSourceResponse
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.http.middleware import public_headers
from leaderboard import view_model
from leaderboard.ranking import Ranking

log = structlog.get_logger()

# The longest list the API hands out, and so the most that a stream's first frame holds.
ENTRIES_MAX: Final = 1000
# File descriptors are cheap; each viewer takes some 12 kB of memory.
VIEWERS_MAX: Final = 100_000
YIELD_EVERY: Final = 200
# Readers ask again each time; a cache in front of us may answer for one second.
JSON_CACHE: Final = "public, max-age=0, s-maxage=1"
HEARTBEAT: Final = b":\n\n"
# Our loop sends the heartbeats for all; the response's own timer shall never go off.
NO_OWN_PING: Final = 10 * 365 * 24 * 3600.0
STREAM_HEADERS: Final = MappingProxyType({hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*", "X-Content-Type-Options": "nosniff"})


def viewers_by_default() -> int:
    """Eight in ten of the connections that this process may hold open, as far as memory allows."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return VIEWERS_MAX if soft == resource.RLIM_INFINITY else min(soft * 8 // 10, VIEWERS_MAX)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How often and to how many. Intervals in seconds.

    `tick`: shortest time between two rounds; `heartbeat`: between signs of life; `viewers_max`: over
    all contests; `buffer_max`: unsent bytes at which a viewer is skipped; `skips_max`: rounds in
    a row after which such a viewer is disconnected; `socket_buffer`: bytes the kernel may hold for one
    viewer; `send_timeout`: how long sent bytes may stay unacknowledged; `reconnect_ms`: how long
    browsers wait before they come back.
    """

    tick: float = 0.25
    heartbeat: float = 15.0
    viewers_max: int = field(default_factory=viewers_by_default)
    buffer_max: int = 64 * 1024
    skips_max: int = 8
    socket_buffer: int = 64 * 1024
    send_timeout: float = 20.0
    reconnect_ms: int = 3000


def frame(event: str, version: int, payload: object) -> bytes:
    """One server-sent event. orjson writes no line breaks, so `data` is one line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (version, event.encode(), orjson.dumps(payload))


class Sent(NamedTuple):
    """Events as bytes of an answer: a chunk of HTTP/1.1, `plain` for HTTP/1.0, which has none."""

    plain: bytes
    chunk: bytes

    @classmethod
    def of(cls, events: bytes) -> "Sent":
        """Both forms of these events."""
        return cls(events, b"%x\r\n%b\r\n" % (len(events), events))


def read_event_id(text: str | None) -> int | None:
    """The version that a returning viewer received last; None when it names none."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON of a board, ready to send."""

    body: bytes
    etag: str
    headers: CIMultiDictProxy[str]
    headers_unchanged: CIMultiDictProxy[str]


class Viewer:
    """One open stream. `places`: how many of a whole board it wants."""

    __slots__ = ("_chunked", "_gone", "_places", "_response", "_settings", "_transport", "skips")

    def __init__(
        self,
        response: EventSourceResponse,
        transport: asyncio.Transport,
        settings: FeedSettings,
        places: int,
        *,
        chunked: bool,
    ) -> None:
        """`chunked`: how HTTP/1.1 sends what has no end."""
        self._response, self._transport, self._settings = response, transport, settings
        self._places, self._chunked = places, chunked
        self.skips = 0
        self._gone = False

    def send(self, events: Sent, whole: Callable[[int], bytes]) -> None:
        """Hand over events; never waits for the network.

        A viewer that is behind gets nothing this time, `whole` with its places instead of them once it has
        caught up, or is disconnected after too many rounds. A closed one is removed.
        """
        if self._gone:
            return
        if self._transport.is_closing():
            self.leave()
        elif self._transport.get_write_buffer_size() > self._settings.buffer_max:
            self.skips += 1
            if self.skips > self._settings.skips_max:
                log.info("viewer too slow, sent away", rounds=self.skips)
                self._transport.abort()
                self.leave()
        else:
            missed, self.skips = self.skips, 0
            self._write(Sent.of(whole(self._places)) if missed else events)

    def farewell(self, reconnect_ms: int) -> None:
        """End the stream and say when to come back."""
        if not self._gone and not self._transport.is_closing():
            self._write(Sent.of(b"retry: %d\n\n" % reconnect_ms))
        self.leave()

    def leave(self) -> None:
        """Let the handler of this stream return. Nothing is written from here on: the connection
        may already carry the answer to another request."""
        self._gone = True
        self._response.stop_streaming()

    def _write(self, events: Sent) -> None:
        try:
            # Not by aiohttp's writer, which makes the chunk again for each viewer (`tests/bench`, P11).
            self._transport.write(events.chunk if self._chunked else events.plain)
        except RuntimeError as error:  # uvloop's for a connection that is closed
            log.debug("viewer left", error=repr(error))
            self.leave()


class Board:
    """One contest's ranking: as bytes for those who ask, as frames for those who watch."""

    def __init__(self, ranking: Ranking, *, delayed: bool = False) -> None:
        self.ranking = ranking
        self.delayed = self._delay_sent = delayed
        self._confirming = self._confirming_sent = 0
        self.viewers: set[Viewer] = set()
        self._sent = ranking
        self._restated: int | None = None
        self._sales: Counter[str] = Counter()
        self._answers: dict[int, Answer] = {}
        self._wholes: dict[int, bytes] = {}

    def take(self, ranking: Ranking, sales: Sequence[tuple[str, int]]) -> bool:
        """Accept a newer ranking; whether there is something to send.

        An older one arrived late and changes nothing. One of the same
        version may carry another name or candidate. Corrections downward are not sales.
        """
        if ranking.version >= self.ranking.version and ranking != self.ranking:
            if ranking.version == self.ranking.version:
                self._restated = ranking.version
            self.ranking = ranking
            self._forget()
            if ranking.hidden:
                self._sales.clear()
        for code, quantity in sales:
            if quantity > 0 and self.ranking.hidden is None:
                self._sales[code] += quantity
        return self.ranking is not self._sent or bool(self._sales)

    def delay(self, delayed: bool) -> None:
        """Say on the board whether it is delayed."""
        self.delayed = delayed
        self._forget()

    @property
    def confirming(self) -> int:
        """Votes that count once their operator was asked; 0 while figures are hidden."""
        return 0 if self.ranking.hidden else self._confirming

    def confirm(self, votes: int) -> bool:
        """Say on the board how many votes are being confirmed; whether that is news."""
        if votes == self._confirming:
            return False
        self._confirming = votes
        # Who has this version does not have it as it is now.
        self._restated = self.ranking.version
        self._forget()
        return True

    def _forget(self) -> None:
        self._answers.clear()
        self._wholes.clear()

    def answer(self, limit: int) -> Answer:
        """The first `limit` places as JSON, made once per version."""
        shown = min(limit, len(self.ranking.entries))
        answer = self._answers.get(shown)
        if answer is None:
            answer = self._answers[shown] = self._make_answer(shown)
        return answer

    def _make_answer(self, shown: int) -> Answer:
        body = orjson.dumps(self._body(shown))
        etag = f'"{self.ranking.version}-{blake2b(body, digest_size=6).hexdigest()}"'
        # aiohttp copies its own kind of dictionary in a third of the time.
        headers = public_headers()
        headers.update({hdrs.ETAG: etag, hdrs.CACHE_CONTROL: JSON_CACHE, hdrs.CONTENT_TYPE: "application/json"})
        kept = (hdrs.ETAG, hdrs.CACHE_CONTROL, hdrs.ACCESS_CONTROL_ALLOW_ORIGIN, hdrs.SERVER)
        unchanged = CIMultiDict({name: headers[name] for name in kept})
        return Answer(body, etag, CIMultiDictProxy(headers), CIMultiDictProxy(unchanged))

    def is_known_to(self, last_event_id: str | None) -> bool:
        """Whether a viewer who received this event last has all. Of a version that was another before, nobody knows."""
        version = self.ranking.version
        return read_event_id(last_event_id) == version != self._restated

    def whole(self, places: int = ENTRIES_MAX) -> bytes:
        """The frame that needs no frame before it, with so many places."""
        shown = min(places, len(self.ranking.entries))
        held = self._wholes.get(shown)
        if held is None:
            payload = self._body(shown)
            # Who received a board without figures has no version of it, and gets the next one whole.
            version = 0 if self.ranking.hidden else self.ranking.version
            held = self._wholes[shown] = frame("leaderboard:initial", version, payload)
        return held

    def _body(self, shown: int) -> view_model.RankingBody:
        return view_model.ranking(self.ranking, shown, delayed=self.delayed, confirming=self.confirming)

    def skip(self) -> None:
        """What happened since the last call is not sent: a later viewer gets the whole board."""
        self._sent, self._delay_sent, self._confirming_sent = self.ranking, self.delayed, self.confirming
        self._sales.clear()

    def news(self) -> bytes:
        """All that happened since the last call, as frames; empty when nothing did."""
        parts: list[bytes] = []
        now, before = self.ranking, self._sent
        if self._delay_sent != self.delayed:
            self._delay_sent = self.delayed
            parts.append(frame("leaderboard:delayed", now.version, view_model.Delayed(delayed=self.delayed)))
        if self._confirming_sent != self.confirming:
            self._confirming_sent = self.confirming
            figure = view_model.Confirming(confirming=self.confirming)
            parts.append(frame("leaderboard:confirming", now.version, figure))
        if now is not before:
            change = view_model.update(before, now)
            parts.append(self.whole() if change is None else frame("leaderboard:update", now.version, change))
            self._sent = now
        if self._sales:
            parts.append(frame("vote:success", now.version, view_model.successes(now.version, self._sales)))
            self._sales.clear()
        return b"".join(parts)


class Boards:
    """Every contest's board, and the one loop that serves their viewers."""

    def __init__(self, settings: FeedSettings | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that never go back."""
        self.settings = settings or FeedSettings()
        self.viewers = 0
        self.delayed = False
        self._clock = clock
        self._boards: dict[str, Board] = {}
        self._changed = asyncio.Event()
        self._with_news: set[Board] = set()
        self._closing = False

    def update(self, ranking: Ranking, sales: Sequence[tuple[str, int]] = ()) -> None:
        """Take a newer ranking and the (candidate code, votes) counted since. Cheap; call it as
        often as you like, from the event loop."""
        board = self._boards.get(ranking.contest)
        if board is None:
            self._boards[ranking.contest] = Board(ranking, delayed=self.delayed)
        elif board.take(ranking, sales):
            self._with_news.add(board)
            self._changed.set()

    def delay(self, delayed: bool) -> None:
        """Say on all boards, and to all viewers, whether rankings are delayed."""
        if delayed == self.delayed:
            return
        self.delayed = delayed
        for board in self._boards.values():
            board.delay(delayed)
            self._with_news.add(board)
        self._changed.set()

    def confirm(self, votes: Mapping[str, int]) -> None:
        """Say on all boards, and to all viewers, how many votes are being confirmed. `votes`: by contest; of others
        none."""
        for slug, board in self._boards.items():
            if board.confirm(votes.get(slug, 0)):
                self._with_news.add(board)
                self._changed.set()

    def find(self, slug: str) -> Board | None:
        """A contest's board; None before its first ranking."""
        return self._boards.get(slug)

    @property
    def full(self) -> bool:
        """Whether another viewer must be turned away."""
        return self._closing or self.viewers >= self.settings.viewers_max

    async def watch(self, request: web.Request, board: Board, places: int = ENTRIES_MAX) -> web.StreamResponse:
        """Stream a board to this request until either side closes. Ask `full` first. `places`: how many
        of it are sent at first; changes are those of all."""
        transport = request.transport
        if transport is None:  # left while the request waited its turn
            return web.Response()
        response = EventSourceResponse(
            headers=STREAM_HEADERS, ping_interval=NO_OWN_PING, send_timeout=self.settings.send_timeout
        )
        self.viewers += 1
        try:
            writer = await response.prepare(request)
            if not isinstance(writer, StreamWriter):
                raise TypeError(f"cannot stream through {type(writer).__name__}")
            viewer = Viewer(response, transport, self.settings, places, chunked=writer.chunked)
            endpoint: socket.socket | None = transport.get_extra_info("socket")
            if endpoint is not None:
                # The kernel would otherwise queue megabytes of outdated frames for a slow phone.
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.settings.socket_buffer)
            try:
                first = b"retry: %d\n\n" % self.settings.reconnect_ms
                if not board.is_known_to(response.last_event_id):
                    first += board.whole(places)
                viewer.send(Sent.of(first), board.whole)
                board.viewers.add(viewer)
                await response.wait()
            finally:
                board.viewers.discard(viewer)
                viewer.leave()
        finally:
            self.viewers -= 1
        return response

    async def run(self) -> None:
        """Send changes and heartbeats to the viewers. Runs until cancelled."""
        heartbeat_at = self._clock() + self.settings.heartbeat
        while True:
            with contextlib.suppress(TimeoutError):  # nothing changed until the heartbeat: no error
                async with asyncio.timeout(max(0.0, heartbeat_at - self._clock())):
                    await self._changed.wait()
            began = self._clock()
            try:
                self._changed.clear()
                changed, self._with_news = self._with_news, set()
                for board in changed:
                    if not board.viewers:
                        board.skip()
                    elif news := board.news():
                        await self._send_all(board, news)
                if began >= heartbeat_at:
                    heartbeat_at = began + self.settings.heartbeat
                    for board in tuple(self._boards.values()):
                        await self._send_all(board, HEARTBEAT)
            except Exception:  # one board's trouble must not silence the others for the rest of the show
                log.exception("a round of the live ranking failed")
            await asyncio.sleep(max(0.0, self.settings.tick - (self._clock() - began)))

    async def close(self) -> None:
        """End all streams and admit no more. Viewers are asked to come back at different moments,
        so that they do not all reconnect at once."""
        self._closing = True
        watching = [viewer for board in self._boards.values() for viewer in board.viewers]
        for position, viewer in enumerate(watching):
            viewer.farewell(self.settings.reconnect_ms // 3 + position * 37 % (self.settings.reconnect_ms + 1))

    async def _send_all(self, board: Board, data: bytes) -> None:
        events = Sent.of(data)
        for position, viewer in enumerate(tuple(board.viewers), start=1):
            viewer.send(events, board.whole)
            if position % YIELD_EVERY == 0:
                await asyncio.sleep(0)  # let a voter's request through
