"""What every store of pictures does alike, each on a real one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.storage.bucket_pictures import BucketPictures, BucketSettings
from gateway.storage.pictures import FolderPictures, Held, Pictures, PicturesUnavailable
from tests.rigs.bucket import new_bucket, s3_server

STEM = "0a" * 16 + "/Xw2_u-9rTq0bLk3mNsPv1g"
KEYS = [f"{STEM}-{side}.webp" for side in (96, 320, 960)]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


def bucket(address: str, name: str, prefix: str = "") -> BucketPictures:
    given = {"bucket": name, "base_url": address, "access_key_id": "key", "secret_access_key": "secret"}
    return BucketPictures(BucketSettings.model_validate(given | {"prefix": prefix}))


@pytest.fixture(params=["folder", "bucket", "prefix"])
def pictures(request: pytest.FixtureRequest, s3: str, tmp_path: Path) -> Pictures:
    if request.param == "folder":
        return FolderPictures(tmp_path / "pictures")
    return bucket(s3, new_bucket(s3), "spotlight/pictures" if request.param == "prefix" else "")


async def all_of(pictures: Pictures) -> list[Held]:
    return sorted([held async for held in pictures.held()], key=lambda held: held.key)


async def test_what_is_put_is_held_until_it_is_deleted(pictures: Pictures) -> None:
    assert await all_of(pictures) == []
    assert await pictures.get(KEYS[0]) is None
    for number, key in enumerate(KEYS):
        await pictures.put(key, bytes([number]) * 1000)
    assert await pictures.get(KEYS[1]) == b"\1" * 1000
    held = await all_of(pictures)
    assert [one.key for one in held] == sorted(KEYS)
    assert all(abs(one.since - datetime.now(UTC)) < timedelta(minutes=1) for one in held)
    await pictures.put(KEYS[1], b"again")
    assert await pictures.get(KEYS[1]) == b"again"
    await pictures.delete([KEYS[0], KEYS[2]])
    await pictures.delete([KEYS[0]])
    await pictures.delete([])
    assert [one.key for one in await all_of(pictures)] == [KEYS[1]]
    assert await pictures.get(KEYS[0]) is None


async def test_an_address_is_read_back(pictures: Pictures) -> None:
    assert pictures.stem(pictures.address(STEM)) == STEM
    assert pictures.stem("https://elsewhere.example/x") is None


@pytest.mark.parametrize("key", ["../secret_key", "a/../../secret_key", "/etc/passwd", "", "a/..", ".."])
async def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret_key").write_bytes(b"secret")
    folder = FolderPictures(tmp_path / "pictures")
    for act in (folder.get(key), folder.put(key, b"x"), folder.delete([key])):
        with pytest.raises(OSError, match="no key"):
            await act
    assert (tmp_path / "secret_key").read_bytes() == b"secret"


async def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_bytes(b"a file where the folder should be")
    with pytest.raises(NotADirectoryError):
        await FolderPictures(tmp_path / "pictures").put(KEYS[0], b"x")


async def test_a_bucket_that_is_not_there_or_does_not_answer(s3: str) -> None:
    for pictures in (bucket(s3, "not-there"), bucket("http://127.0.0.1:1", "nobody")):
        with pytest.raises(PicturesUnavailable):
            await pictures.put(KEYS[0], b"x")
        with pytest.raises(PicturesUnavailable):
            await pictures.delete(KEYS)
        with pytest.raises(PicturesUnavailable):
            await all_of(pictures)
    assert await bucket(s3, "not-there").get(KEYS[0]) is None
    with pytest.raises(PicturesUnavailable):
        await bucket("http://127.0.0.1:1", "nobody").get(KEYS[0])
