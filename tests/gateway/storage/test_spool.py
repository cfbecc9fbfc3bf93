"""The second store on its own: what is on the disk, and what comes back from it."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from io import FileIO
from pathlib import Path

import pytest

from gateway.storage import spool as spools
from gateway.storage.spool import Segment, Spool, SpoolFull


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def spool(place: Path) -> AsyncIterator[Spool]:
    spool = Spool(place, "callbacks")
    yield spool
    await spool.aclose()


def only(place: Path) -> Path:
    """The one file in there."""
    (path,) = place.iterdir()
    return path


def size(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir())


def segments(spool: Spool) -> list[Segment]:
    """Every closed segment, each removed once it is read."""
    found = []
    for segment in spool.closed():
        found.append(segment)
        spool.remove(segment)
    return found


def records(spool: Spool) -> list[bytes]:
    return [record for segment in segments(spool) for record in segment.records]


async def test_what_was_appended_comes_back_in_its_order_and_then_is_gone(spool: Spool) -> None:
    given = [b"", b"\x00\xff", b"x" * 70_000, *(b"%d" % number for number in range(50))]
    await asyncio.gather(*(spool.append(record) for record in given))
    assert spool.waiting().records == len(given)
    assert records(spool) == given
    assert spool.empty
    assert spool.waiting() == spools.Waiting(0, 0.0, 0)


async def test_only_we_may_read_it(spool: Spool, place: Path) -> None:
    await spool.append(b"a number of a voter")
    path = only(place)
    assert [stat.S_IMODE(os.stat(held).st_mode) for held in (path, place)] == [0o600, 0o700]


async def test_many_at_once_share_an_fsync(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    await asyncio.gather(*(spool.append(b"%d" % number) for number in range(500)))
    assert 0 < len(synced) <= 4
    assert len(records(spool)) == 500


async def test_a_successor_reads_what_a_killed_process_left(place: Path) -> None:
    killed = Spool(place, "callbacks")
    await killed.append(b"one")
    await killed.append(b"two")
    successor = Spool(place, "callbacks")
    assert records(successor) == []  # it is locked by who writes it, as long as that one lives
    assert successor.waiting().records == 2
    await killed.aclose()
    assert records(successor) == [b"one", b"two"]


@pytest.mark.parametrize("torn", range(1, 12))
async def test_a_torn_end_costs_only_the_record_that_was_never_answered(spool: Spool, place: Path, torn: int) -> None:
    await spool.append(b"answered")
    await spool.append(b"cut")
    await spool.aclose()
    path = only(place)
    os.truncate(path, path.stat().st_size - torn)
    (segment,) = segments(spool)
    assert (segment.records, segment.whole) == ((b"answered",), True)


async def test_a_flipped_bit_costs_one_record_and_is_reported(spool: Spool, place: Path) -> None:
    for record in (b"first", b"second", b"third"):
        await spool.append(record)
    await spool.aclose()
    path = only(place)
    data = bytearray(path.read_bytes())
    data[data.index(b"second")] ^= 1
    path.write_bytes(bytes(data))
    (segment,) = segments(spool)
    assert (segment.records, segment.whole) == ((b"first", b"third"), False)


async def test_a_file_that_is_no_segment_is_not_taken_for_an_empty_one(spool: Spool, place: Path) -> None:
    os.mkdir(place)
    (place / "callbacks-00000000000000000001-1.spool").write_bytes(b"something else altogether")
    (segment,) = segments(spool)
    assert (segment.records, segment.whole) == ((), False)


async def test_what_is_refused_is_kept_and_not_read_again(spool: Spool, place: Path) -> None:
    await spool.append(b"poison")
    for segment in spool.closed():
        spool.refuse(segment)
    assert spool.empty
    assert spool.waiting() == spools.Waiting(0, 0.0, 1)
    assert b"poison" in only(place).read_bytes()


async def test_it_has_an_end(place: Path) -> None:
    spool = Spool(place, "callbacks", bytes_max=1_000, segment_bytes=300)
    kept = 0

    async def fill() -> None:
        nonlocal kept
        for _ in range(100):
            await spool.append(b"x" * 100)
            kept += 1

    with pytest.raises(SpoolFull):
        await fill()
    assert 5 <= kept <= 9
    assert size(place) <= 1_000
    found = segments(spool)
    assert len(found) > 1
    assert sum(len(segment.records) for segment in found) == kept
    await spool.append(b"there is room again")
    await spool.aclose()


async def test_a_full_disk_leaves_no_half_record(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    await spool.append(b"before")
    real = spools._write_all

    def half(file: FileIO, data: bytes) -> None:
        real(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(spools, "_write_all", half)
        with pytest.raises(OSError, match="No space"):
            await spool.append(b"during")
    await spool.append(b"after")
    assert records(spool) == [b"before", b"after"]


async def test_a_place_that_cannot_be_written_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the directory should be")
    with pytest.raises(OSError, match="exists"):
        await Spool(tmp_path / "spool", "callbacks").append(b"lost")
