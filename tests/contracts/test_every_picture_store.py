"""What every store of pictures does alike, each on a real one."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.storage.bucket_pictures import BucketPictures, BucketSettings
from gateway.storage.cloudinary_pictures import CloudinaryAccount, CloudinaryPictures
from gateway.storage.kept_pictures import KeptPictures
from gateway.storage.pictures import FolderPictures, Held, Pictures, PicturesUnavailable
from gateway.values.cloudinary import Algorithm
from tests.rigs.bucket import new_bucket, s3_server
from tests.rigs.photos import halves, saved
from tests.sandbox.country import Country

STEM = "0a" * 16 + "/Xw2_u-9rTq0bLk3mNsPv1g"
KEYS = [f"{STEM}-{side}.webp" for side in (96, 320, 960)]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


def bucket(address: str, name: str, prefix: str = "") -> BucketPictures:
    given = {"bucket": name, "base_url": address, "access_key_id": "key", "secret_access_key": "secret"}
    return BucketPictures(BucketSettings.model_validate(given | {"prefix": prefix}))


CLOUD = {"cloud_name": "cloud", "api_key": "42", "api_secret": "abcd", "delivery_base_url": "http://here"}


def cloud(address: str, secret: str = "abcd") -> CloudinaryPictures:
    base = f"{address.rstrip('/')}/cloudinary"
    return CloudinaryPictures(
        CloudinaryAccount("cloud", "42", SecretStr(secret), Algorithm.SHA1, base, base, "spotlight")
    )


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[str]:
    """Where the simulated Cloudinary is."""
    async with Country(tmp_path / "country", {"cloudinary": CLOUD}) as started:
        yield str(started.client._base_url)


@pytest.fixture(params=["folder", "bucket", "prefix", "kept", "cloudinary"])
async def pictures(request: pytest.FixtureRequest, s3: str, country: str, tmp_path: Path) -> AsyncIterator[Pictures]:
    store: Pictures
    match request.param:
        case "folder":
            store = FolderPictures(tmp_path / "pictures")
        case "cloudinary":
            store = cloud(country)
        case "kept":
            store = KeptPictures(bucket(s3, new_bucket(s3)))
        case _:
            store = bucket(s3, new_bucket(s3), "spotlight/pictures" if request.param == "prefix" else "")
    yield store
    await store.aclose()


async def all_of(pictures: Pictures) -> list[Held]:
    return sorted([held async for held in pictures.held()], key=lambda held: held.key)


async def test_what_is_put_is_held_until_it_is_deleted(pictures: Pictures) -> None:
    assert await all_of(pictures) == []
    assert await pictures.get(KEYS[0]) is None
    bodies = [saved(halves(side, side), "WEBP") for side in (96, 320, 960)]
    for key, body in zip(KEYS, bodies, strict=True):
        await pictures.put(key, body)
    assert [await pictures.get(key) for key in KEYS] == bodies
    held = await all_of(pictures)
    assert [one.key for one in held] == sorted(KEYS)
    assert all(abs(one.since - datetime.now(UTC)) < timedelta(minutes=1) for one in held)
    await pictures.put(KEYS[1], bodies[1])
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
    with pytest.raises(PicturesUnavailable, match="NotADirectoryError"):
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


async def test_a_cloud_that_refuses_or_does_not_answer(country: str) -> None:
    for pictures in (cloud(country, "another secret"), cloud("http://127.0.0.1:1")):
        with pytest.raises(PicturesUnavailable):
            await pictures.put(KEYS[0], saved(halves(96, 96), "WEBP"))
        with pytest.raises(PicturesUnavailable):
            await pictures.delete(KEYS)
        with pytest.raises(PicturesUnavailable):
            await all_of(pictures)
        await pictures.aclose()


async def test_a_long_list_comes_in_pieces(country: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.cloudinary_pictures._LISTED_AT_ONCE", "2")
    pictures = cloud(country)
    for key in KEYS:
        await pictures.put(key, saved(halves(96, 96), "WEBP"))
    assert [held.key for held in await all_of(pictures)] == sorted(KEYS)
    await pictures.aclose()
