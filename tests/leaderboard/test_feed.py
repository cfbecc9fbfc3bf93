import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from gateway.contests.rounds import Round
from leaderboard.feed import Board, Boards, FeedSettings, read_event_id, viewers_by_default
from leaderboard.ranking import Score, ranking_from
from tests.leaderboard.service import application
from tests.rigs.voting_service import FakeVotingService

STREAM = "/api/contests/star/leaderboard/events"
QUICK = FeedSettings(tick=0.05, heartbeat=30.0, viewers_max=100)


@dataclass
class Event:
    id: str | None
    name: str | None
    data: object
    lines: list[str]


async def next_event(response: ClientResponse, seconds: float = 3.0) -> Event:
    """The next block of a stream, comments and `retry` included."""
    lines: list[str] = []
    async with asyncio.timeout(seconds):
        while line := (await response.content.readline()).decode().rstrip("\n"):
            lines.append(line)
    fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
    data = json.loads(fields["data"]) if "data" in fields else None
    return Event(fields.get("id"), fields.get("event"), data, lines)


class Country:
    """A running application with its boards, its service and a client."""

    def __init__(self, settings: FeedSettings) -> None:
        self.service, self.boards = FakeVotingService(), Boards(settings)
        self.boards.update(self.service.ranking("star"))
        self.client = TestClient(TestServer(application(self.service, self.boards)))

    def sell(self, code: str, quantity: int) -> None:
        self.boards.update(self.service.count(code, quantity), [(code, quantity)])

    async def watch(self, last: str | None = None) -> ClientResponse:
        response = await self.client.get(STREAM, headers={"Last-Event-ID": last} if last is not None else {})
        assert response.status == 200
        assert (await next_event(response)).lines == [f"retry: {self.boards.settings.reconnect_ms}"]
        return response

    async def settled(self, viewers: int) -> None:
        deadline = time.monotonic() + 3
        while self.boards.viewers != viewers:
            assert time.monotonic() < deadline, f"{self.boards.viewers} viewers, not {viewers}"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def country(settings: FeedSettings = QUICK) -> AsyncIterator[Country]:
    made = Country(settings)
    async with made.client:
        yield made


async def test_viewers_are_shown_that_the_ranking_is_delayed_and_that_it_no_longer_is() -> None:
    async with country() as here:
        response = await here.watch()
        assert "delayed" not in (await next_event(response)).lines[-1]
        here.boards.delay(True)
        here.sell("07", 5)
        said, update = [await next_event(response) for _ in range(2)]
        assert (said.name, said.data, update.name) == ("leaderboard:delayed", {"delayed": True}, "leaderboard:update")
        late = await here.watch()
        first = await next_event(late)
        assert isinstance(first.data, dict)
        assert first.data["delayed"] is True
        path = "/api/contests/star/leaderboard"
        delayed = await here.client.get(path)
        assert (await delayed.json())["delayed"] is True
        page = await (await here.client.get("/c/star?lang=en")).text()
        assert 'data-state="behind">Delayed, up to 5 s<' in page
        here.boards.delay(False)
        assert (await next_event(late)).data == {"delayed": False}
        tag = delayed.headers["ETag"]
        again = await here.client.get(path, headers={"If-None-Match": tag})
        assert (again.status, "delayed" in await again.json()) == (200, False)
        assert "Delayed, up to 5 s<" not in await (await here.client.get("/c/star?lang=en")).text()


async def test_viewers_are_shown_how_many_votes_are_being_confirmed_until_none_is() -> None:
    async with country() as here:
        response = await here.watch()
        assert "confirming" not in (await next_event(response)).lines[-1]
        here.boards.confirm({"star": 1240, "mboa": 7})
        sent = await next_event(response)
        assert (sent.name, sent.data) == ("leaderboard:confirming", {"confirming": 1240})
        # Who has this version of the board does not have the figure.
        back = await next_event(await here.watch(sent.id))
        assert isinstance(back.data, dict)
        assert back.data["confirming"] == 1240
        path = "/api/contests/star/leaderboard"
        tag = (await here.client.get(path)).headers["ETag"]
        page = await (await here.client.get("/c/star?lang=en")).text()
        assert '<p id="confirming"><b>1,240</b> votes being confirmed</p>' in page
        assert "1,240 votes being confirmed<br/>" in await (await here.client.get("/c/star/b?lang=en")).text()
        here.boards.confirm({})
        assert (await next_event(response)).data == {"confirming": 0}
        again = await here.client.get(path, headers={"If-None-Match": tag})
        assert (again.status, "confirming" in await again.json()) == (200, False)
        assert '<p id="confirming" hidden>' in await (await here.client.get("/c/star?lang=en")).text()


async def test_a_new_viewer_gets_the_whole_board_first() -> None:
    async with country() as here:
        here.sell("07", 5)
        response = await here.watch()
        assert response.content_type == "text/event-stream"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        first = await next_event(response)
        assert (first.name, first.id) == ("leaderboard:initial", "1")
        assert isinstance(first.data, dict)
        assert first.data["entries"][0] == {"rank": 1, "code": "07", "name": "Awa Ouattara", "votes": 5}
        assert len(first.data["entries"]) == 12


async def test_a_change_is_sent_as_difference_with_its_applause() -> None:
    async with country() as here:
        response = await here.watch()
        await next_event(response)
        here.sell("07", 5)
        change, applause = await next_event(response), await next_event(response)
        assert (change.name, change.id) == ("leaderboard:update", "1")
        assert change.data == {"version": 1, "totalVotes": 5, "changed": [["07", 5]]}
        assert (applause.name, applause.data) == ("vote:success", {"version": 1, "votes": [["07", 5]]})


async def test_a_new_round_is_a_new_board() -> None:
    async with country() as here:
        now, hour = here.service.now(), timedelta(hours=1)
        rounds = (Round(1, "One", now - hour, now), Round(2, "Two", now, now + hour))
        contest = here.service.shown[0]
        here.service.shown[0] = replace(contest, rounds=rounds, reopens_at=now, _by_code={})
        here.service.scores["1:07"] = 5
        here.boards.update(here.service.ranking("star"))
        response = await here.watch()
        first = await next_event(response)
        here.service.shown[0] = replace(contest, rounds=rounds, _by_code={})
        here.boards.update(here.service.ranking("star"))
        second = await next_event(response)
        assert [one.name for one in (first, second)] == ["leaderboard:initial"] * 2
        assert isinstance(first.data, dict)
        assert isinstance(second.data, dict)
        found = [(one["round"]["name"], one["totalVotes"], one["version"]) for one in (first.data, second.data)]
        assert found == [("One", 5, 0), ("Two", 0, 0)]


async def test_many_changes_become_few_frames() -> None:
    async with country(replace(QUICK, tick=0.2)) as here:
        response = await here.watch()
        await next_event(response)
        updates: list[Event] = []

        async def read() -> None:
            while True:
                event = await next_event(response, 30)
                updates.extend([event] if event.name == "leaderboard:update" else [])

        reader, began = asyncio.create_task(read()), time.monotonic()
        for _ in range(50):
            here.sell("03", 1)
            here.sell("04", 2)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        reader.cancel()
        assert 2 <= len(updates) <= (time.monotonic() - began) / 0.2 + 1
        assert updates[-1].data == {"version": 100, "totalVotes": 150, "changed": [["04", 100], ["03", 50]]}


async def test_corrections_downward_are_sent_but_not_applauded() -> None:
    async with country() as here:
        here.sell("07", 5)
        response = await here.watch()
        await next_event(response)
        here.sell("07", -2)
        here.sell("08", 1)
        change, applause = await next_event(response), await next_event(response)
        assert change.data == {"version": 3, "totalVotes": 4, "changed": [["07", 3], ["08", 1]]}
        assert applause.data == {"version": 3, "votes": [["08", 1]]}


async def test_a_new_candidate_makes_every_client_read_the_board_anew() -> None:
    async with country() as here:
        response = await here.watch()
        await next_event(response)
        now = here.service.ranking("star")
        scores = [Score(e.code, e.name, e.votes) for e in now.entries] + [Score("13", "Nadia Kacou", 0)]
        here.boards.update(ranking_from("star", now.version, scores))
        event = await next_event(response)
        assert event.name == "leaderboard:initial"
        assert isinstance(event.data, dict)
        assert len(event.data["entries"]) == 13


@pytest.mark.parametrize(
    ("last", "whole"),
    [("2", False), ("1", True), ("99", True), ("two", True), ("", True), ("-2", True), ("٢", True), ("2" * 40, True)],
)
async def test_last_event_id(last: str, whole: bool) -> None:
    async with country() as here:
        here.sell("01", 1)
        here.sell("02", 1)
        response = await here.watch(last)
        if not whole:
            here.sell("05", 1)
        event = await next_event(response)
        assert event.name == ("leaderboard:initial" if whole else "leaderboard:update")


async def test_a_returning_viewer_gets_the_whole_of_a_version_that_was_another_before() -> None:
    async with country() as here:
        here.sell("01", 1)
        now = here.service.ranking("star")
        # Somebody is evicted, and no vote was counted.
        here.boards.update(ranking_from("star", now.version, [Score(e.code, e.name, e.votes) for e in now.entries[1:]]))
        event = await next_event(await here.watch("1"))
        assert event.name == "leaderboard:initial"
        assert isinstance(event.data, dict)
        assert len(event.data["entries"]) == 11


async def test_a_returning_viewer_goes_on_after_a_restart_at_the_same_version() -> None:
    async with country() as here:
        here.sell("01", 4)
        await next_event(await here.watch())
    async with country() as again:
        again.service.scores["01"], again.service.version = 4, 1
        again.boards.update(again.service.ranking("star"))
        response = await again.watch("1")
        again.sell("02", 9)
        assert (await next_event(response)).data == {"version": 2, "totalVotes": 13, "changed": [["02", 9]]}


async def test_heartbeats_come_through_the_same_loop() -> None:
    async with country(replace(QUICK, heartbeat=0.1)) as here:
        response = await here.watch()
        await next_event(response)
        for _ in range(3):
            assert (await next_event(response)).lines == [":"]


async def test_viewers_above_the_cap_are_turned_away_politely() -> None:
    async with country(replace(QUICK, viewers_max=2)) as here:
        first, _ = await here.watch(), await here.watch()
        refused = await here.client.get(STREAM)
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.content_type == "application/problem+json"
        first.close()
        here.sell("01", 1)
        await here.settled(viewers=1)
        await here.watch()


async def test_one_who_leaves_is_forgotten() -> None:
    async with country(replace(QUICK, heartbeat=0.05)) as here:
        for _ in range(3):
            (await here.watch()).close()
        await here.settled(viewers=0)


def slow_reader(port: int) -> socket.socket:
    """A viewer whose phone takes in almost nothing."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.connect(("127.0.0.1", port))
    slow.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return slow


async def read_all(slow: socket.socket, seen: bytearray) -> None:
    slow.setblocking(False)
    while data := await asyncio.get_running_loop().sock_recv(slow, 65536):
        seen += data


async def quiet(seen: bytearray) -> None:
    """Until something came and then nothing more."""
    before, length = len(seen), -1
    async with asyncio.timeout(10):
        while length in (-1, before) or length != len(seen):
            length = len(seen)
            await asyncio.sleep(0.3)


def port_of(here: Country) -> int:
    port = here.client.port
    assert port is not None
    return port


def shout(here: Country) -> None:
    """A change whose frame is large: everybody gets another name."""
    here.service.version += 1
    names = [Score(f"{n:03d}", f"{here.service.version} {'é' * 10}", n) for n in range(400)]
    here.boards.update(ranking_from("star", here.service.version, names))


async def test_a_slow_reader_is_disconnected_and_delays_no_other() -> None:
    slowly = replace(QUICK, tick=0.005, buffer_max=8192, skips_max=5, socket_buffer=4096)
    async with country(slowly) as here:
        with slow_reader(port_of(here)):
            await here.settled(viewers=1)
            quick = await here.watch("0")
            async with asyncio.timeout(10):
                while here.boards.viewers == 2:
                    shout(here)
                    event = await next_event(quick)
                    assert event.id == str(here.service.version)


async def test_a_reader_who_catches_up_gets_the_whole_board() -> None:
    slowly = replace(QUICK, tick=0.005, buffer_max=8192, skips_max=10_000, socket_buffer=4096)
    async with country(slowly) as here:
        with slow_reader(port_of(here)) as slow:
            await here.settled(viewers=1)
            board = here.boards.find("star")
            assert board is not None
            (viewer,) = board.viewers
            async with asyncio.timeout(10):
                while viewer.skips < 3:
                    shout(here)
                    await asyncio.sleep(0.01)
            missed = b"id: %d\n" % board.ranking.version
            seen = bytearray()
            drain = asyncio.create_task(read_all(slow, seen))
            await quiet(seen)
            for step in (1, 2):
                scores = [Score(e.code, e.name, e.votes + (e.code == "007")) for e in board.ranking.entries]
                here.boards.update(ranking_from("star", board.ranking.version + 1, scores))
                await quiet(seen)
                last_event = bytes(seen).rpartition(b"event: ")[2].partition(b"\n")[0]
                assert last_event == (b"leaderboard:initial" if step == 1 else b"leaderboard:update")
            drain.cancel()
            assert missed not in seen


class Closed:
    """The transport of a connection that closed and does not say so."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        raise RuntimeError("the handler is closed")


async def test_a_connection_that_closed_costs_the_others_nothing() -> None:
    async with country() as here:
        await here.watch("0")
        board = here.boards.find("star")
        assert board is not None
        (gone,) = board.viewers
        gone._transport = Closed()  # type: ignore[assignment] # it has what a viewer calls
        others = [await here.watch("0") for _ in range(3)]
        here.sell("07", 5)
        assert {(await next_event(other)).name for other in others} == {"leaderboard:update"}
        await here.settled(viewers=3)


async def test_a_proxy_that_speaks_http_1_0_gets_events_without_chunks() -> None:
    async with country() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(here))
        writer.write(f"GET {STREAM} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(3):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"transfer-encoding" not in head.lower()
            first = await reader.readuntil(b"\n\n")
            assert first == b"retry: %d\n\n" % here.boards.settings.reconnect_ms
            assert (await reader.readuntil(b"\n\n")).startswith(b"id: ")
            here.sell("07", 5)
            assert (await reader.readuntil(b"\n\n")).startswith(b"id: ")
            await here.boards.close()
            assert (await reader.read()).splitlines()[-2].startswith(b"retry: ")
        writer.close()


async def test_closing_says_when_to_come_back() -> None:
    async with country() as here:
        responses = [await here.watch() for _ in range(3)]
        for response in responses:
            await next_event(response)
        await here.boards.close()
        waits = {(await next_event(response)).lines[0] for response in responses}
        assert len(waits) == 3
        assert all(wait.startswith("retry: ") for wait in waits)
        assert [await response.content.read() for response in responses] == [b"", b"", b""]
        assert (await here.client.get(STREAM)).status == 503


async def test_the_clock_is_the_one_passed_in() -> None:
    seconds = 0.0
    boards = Boards(replace(QUICK, heartbeat=1000.0, tick=0.01), clock=lambda: seconds)
    service = FakeVotingService()
    boards.update(service.ranking("star"))
    async with TestClient(TestServer(application(service, boards))) as client:
        response = await client.get(STREAM)
        await next_event(response)
        await next_event(response)
        seconds = 1001.0
        boards.update(service.count("01", 1))
        assert (await next_event(response)).name == "leaderboard:update"
        assert (await next_event(response)).lines == [":"]


def test_an_older_ranking_changes_nothing() -> None:
    service = FakeVotingService()
    old, new = service.ranking("star"), service.count("01", 1)
    board = Board(new)
    assert not board.take(old, ())
    assert board.ranking is new
    assert board.news() == b""


def test_bytes_are_made_once_a_version() -> None:
    service = FakeVotingService()
    board = Board(service.ranking("star"))
    first = board.answer(100)
    assert board.answer(12) is first is board.answer(1000)
    assert board.whole() is board.whole()
    board.take(service.count("01", 1), ())
    assert board.answer(100).etag != first.etag


def test_a_new_name_at_the_same_version_has_another_tag() -> None:
    here = ranking_from("star", 3, [Score("01", "Aya", 1)])
    board = Board(here)
    before = board.answer(100).etag
    board.take(ranking_from("star", 3, [Score("01", "Aya Koné", 1)]), ())
    assert board.answer(100).etag != before


def test_event_ids_are_plain_numbers() -> None:
    assert read_event_id("0042") == 42
    assert read_event_id(None) is None


def test_default_cap_leaves_room_for_other_connections() -> None:
    assert 0 < viewers_by_default() <= 100_000_000
