"""Files in a bucket that speaks S3, which the service alone may read; source: obstore's documentation."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

import obstore

from gateway.storage.bucket_pictures import FAILURES, BucketSettings, open_bucket
from gateway.storage.files import READ_BYTES, FilesUnavailable, Stored


class BucketFiles:
    """Files as objects of one bucket. Parts of uploads that were cut off are deleted by a rule of the bucket itself."""

    def __init__(self, settings: BucketSettings) -> None:
        self._store = open_bucket(settings)

    async def put(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Write the object, some megabytes in memory at a time."""
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for part in parts:
                size += len(part)
                yield part

        try:
            await obstore.put_async(self._store, key, counted())
        except FAILURES as error:
            raise _unavailable(error) from error
        return size

    async def get(self, key: str) -> Stored | None:
        """Begin to read the object."""
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError:
            return None
        except FAILURES as error:
            raise _unavailable(error) from error

        async def parts() -> AsyncGenerator[bytes, None]:
            async for part in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(part)

        return Stored(found.meta["size"], parts())

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects, many with one request."""
        try:
            if named := list(keys):
                await obstore.delete_async(self._store, named)
        except FAILURES as error:
            raise _unavailable(error) from error

    async def keys(self) -> Sequence[str]:
        """List the bucket below the prefix."""
        try:
            return [one["path"] async for some in obstore.list(self._store) for one in some]
        except FAILURES as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> FilesUnavailable:
    return FilesUnavailable(str(error).partition("\n")[0])
