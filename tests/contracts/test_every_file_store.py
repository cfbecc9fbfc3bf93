"""What every store of private files does alike, each on a real one."""

import stat
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from gateway.storage.bucket_files import BucketFiles
from gateway.storage.bucket_pictures import BucketSettings
from gateway.storage.files import READ_BYTES, UNFINISHED, Files, FilesUnavailable, FolderFiles
from tests.rigs.bucket import new_bucket, s3_server

KEYS = ["0a" * 16 + "/1", "0a" * 16 + "/2", "0b" * 16 + "/1"]
# More than a bucket takes at once, in parts that do not fit.
PARTS = [bytes([n]) * (READ_BYTES + n) for n in range(30)]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


def bucket(address: str, name: str) -> BucketFiles:
    given = {"bucket": name, "base_url": address, "access_key_id": "key", "secret_access_key": "secret"}
    return BucketFiles(BucketSettings.model_validate(given | {"prefix": "spotlight/exports"}))


async def made(parts: list[bytes], fails: bool = False) -> AsyncGenerator[bytes, None]:
    for part in parts:
        yield part
    if fails:
        raise ValueError("cut off")


async def content(files: Files, key: str) -> bytes | None:
    found = await files.get(key)
    if found is None:
        return None
    read = b"".join([part async for part in found.parts])
    assert len(read) == found.size
    return read


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_a_file_is_kept_whole_or_not_at_all(kind: str, s3: str, tmp_path: Path) -> None:
    files: Files = FolderFiles(tmp_path / "exports") if kind == "folder" else bucket(s3, new_bucket(s3))
    assert await files.keys() == []
    assert await files.get(KEYS[0]) is None
    whole = b"".join(PARTS)
    assert await files.put(KEYS[0], made(PARTS)) == len(whole)
    assert await files.put(KEYS[1], made([])) == 0
    with pytest.raises(ValueError, match="cut off"):
        await files.put(KEYS[2], made(PARTS, fails=True))
    assert sorted(await files.keys()) == KEYS[:2]
    assert [await content(files, key) for key in KEYS] == [whole, b"", None]
    await files.delete(KEYS)
    await files.delete([])
    assert await files.keys() == []


async def test_a_folder_is_for_our_own_user_and_names_what_was_cut_off(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path / "exports")
    await files.put(KEYS[0], made(PARTS))
    kept = tmp_path / "exports" / KEYS[0]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (kept, kept.parent)] == [0o600, 0o700]
    left = KEYS[1] + UNFINISHED
    (tmp_path / "exports" / left).write_bytes(b"x")
    assert sorted(await files.keys()) == [KEYS[0], left]
    await files.delete([left, KEYS[0]])
    assert list((tmp_path / "exports").iterdir()) == []


async def test_a_store_that_is_not_there_says_so(s3: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"where the folder should be")
    for files in (bucket(s3, "not-there"), bucket("http://127.0.0.1:1", "nobody"), FolderFiles(tmp_path / "file")):
        with pytest.raises(FilesUnavailable):
            await files.put(KEYS[0], made(PARTS[:1]))
    with pytest.raises(FilesUnavailable):
        await bucket("http://127.0.0.1:1", "nobody").get(KEYS[0])
