"""Which pictures are kept in memory, and when the store is asked again."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import pytest

from gateway.storage.kept_pictures import KeptPictures
from gateway.storage.pictures import Held, PicturesUnavailable


class Far:
    """A store that answers when it is told to, and counts who asks."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.open, self.begun = asyncio.Event(), asyncio.Event()
        self.open.set()
        self.away = False

    def address(self, stem: str) -> str:
        return f"/media/{stem}"

    def stem(self, address: str) -> str | None:
        return address.removeprefix("/media/")

    async def put(self, key: str, body: bytes) -> None:
        self.bodies[key] = body

    async def get(self, key: str) -> bytes | None:
        self.asked.append(key)
        self.begun.set()
        found = self.bodies.get(key)
        await self.open.wait()
        if self.away:
            raise PicturesUnavailable("away")
        return found

    async def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.bodies.pop(key, None)

    async def held(self) -> AsyncIterator[Held]:
        yield Held("a", datetime.now(UTC))

    async def aclose(self) -> None:
        self.open.clear()


@pytest.fixture
def far() -> Far:
    return Far()


async def test_it_is_asked_for_once(far: Far) -> None:
    pictures = KeptPictures(far)
    await pictures.put("a", b"1")
    assert far.asked == []
    assert [await pictures.get("a") for _ in range(3)] == [b"1"] * 3
    assert far.asked == ["a"]


async def test_many_who_ask_at_once_wait_for_one_answer(far: Far) -> None:
    far.bodies["a"], pictures = b"1", KeptPictures(far)
    far.open.clear()
    readers = [asyncio.create_task(pictures.get("a")) for _ in range(50)]
    await asyncio.sleep(0)
    readers[0].cancel()
    await asyncio.sleep(0)
    far.open.set()
    answers = await asyncio.gather(*readers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [b"1"] * 49
    assert far.asked == ["a"]


async def test_what_is_not_there_or_fails_is_asked_for_again(far: Far) -> None:
    pictures = KeptPictures(far)
    assert await pictures.get("a") is None
    far.away = True
    for _ in range(2):
        with pytest.raises(PicturesUnavailable):
            await pictures.get("a")
    far.away, far.bodies["a"] = False, b"1"
    assert await pictures.get("a") == b"1"
    assert far.asked == ["a"] * 4


async def test_what_is_deleted_is_shown_no_more(far: Far) -> None:
    far.bodies |= {"a": b"1", "b": b"2"}
    pictures = KeptPictures(far)
    await pictures.get("a")
    far.open.clear()
    far.begun.clear()
    late = asyncio.create_task(pictures.get("b"))
    await far.begun.wait()
    await pictures.delete(["a", "b", "c"])
    far.open.set()
    assert await late == b"2"  # it was there when it was asked for, and is not kept
    assert (await pictures.get("a"), await pictures.get("b")) == (None, None)


async def test_the_oldest_go_first(far: Far) -> None:
    far.bodies |= {"a": b"1" * 40, "b": b"2" * 40, "c": b"3" * 40, "large": b"4" * 101}
    pictures = KeptPictures(far, bytes_max=100)
    for key in ("a", "b", "a", "c", "large", "a", "c", "b"):
        await pictures.get(key)
    assert far.asked == ["a", "b", "c", "large", "b"]


async def test_it_is_asked_for_again_after_a_while(far: Far) -> None:
    far.bodies["a"], pictures = b"1", KeptPictures(far, seconds_max=0.0)
    await pictures.get("a")
    await pictures.get("a")
    assert far.asked == ["a", "a"]
    assert pictures._bytes == 1


async def test_the_rest_is_the_stores(far: Far) -> None:
    pictures = KeptPictures(far)
    assert (pictures.address("x"), pictures.stem("/media/x")) == ("/media/x", "x")
    assert [held.key async for held in pictures.held()] == ["a"]
    await pictures.aclose()
    assert not far.open.is_set()
