"""Pictures in a bucket that speaks S3: Amazon's, or one of the many others. They are served by us, so the bucket stays
private; source: obstore's documentation."""

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Annotated, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.storage.pictures import CONTENT_TYPE, OWN_ADDRESSES, Held, PicturesUnavailable, own_stem

if TYPE_CHECKING:
    from obstore.store import S3Config

# Of a bucket that is not there, too.
FAILURES: Final = (BaseError, FileNotFoundError)
_TRIES: Final = 2
_SECONDS: Final = "15s"


class BucketSettings(BaseModel):
    """`S3_*`, and `EXPORTS_S3_*`.

    `bucket` must be there. `base_url`: of a service that is not Amazon's. `prefix`: what all keys begin with. Without
    `access_key_id` and `secret_access_key`, those of the machine's own role are used.
    """

    model_config = ConfigDict(frozen=True)

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    base_url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9/_-]*$")] = ""


def open_bucket(settings: BucketSettings) -> S3Store:
    """The bucket, below the prefix. It connects with its first call."""
    given: S3Config = {"region": settings.region}
    if settings.base_url is not None:
        given["endpoint"] = settings.base_url
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        given["access_key_id"] = settings.access_key_id
        given["secret_access_key"] = settings.secret_access_key.get_secret_value()
    plain = settings.base_url is not None and settings.base_url.startswith("http://")
    return S3Store(
        settings.bucket,
        prefix=settings.prefix or None,
        config=given,
        client_options={"allow_http": plain, "timeout": _SECONDS},
        retry_config={"max_retries": _TRIES},
    )


class BucketPictures:
    """Pictures as objects of one bucket."""

    def __init__(self, settings: BucketSettings) -> None:
        self._store = open_bucket(settings)

    def address(self, stem: str) -> str:
        """Ours."""
        return OWN_ADDRESSES + stem

    def stem(self, address: str) -> str | None:
        """What follows ours."""
        return own_stem(address)

    async def put(self, key: str, body: bytes) -> None:
        """Write the object."""
        try:
            await obstore.put_async(self._store, key, body, attributes={"Content-Type": CONTENT_TYPE})
        except FAILURES as error:
            raise _unavailable(error) from error

    async def get(self, key: str) -> bytes | None:
        """Read the object."""
        try:
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except FAILURES as error:
            raise _unavailable(error) from error

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects, many with one request."""
        try:
            if named := list(keys):
                await obstore.delete_async(self._store, named)
        except FAILURES as error:
            raise _unavailable(error) from error

    async def held(self) -> AsyncIterator[Held]:
        """List the bucket below the prefix."""
        try:
            async for some in obstore.list(self._store):
                for one in some:
                    yield Held(one["path"], one["last_modified"])
        except FAILURES as error:
            raise _unavailable(error) from error

    async def aclose(self) -> None:
        """They close with the store."""


def _unavailable(error: Exception) -> PicturesUnavailable:
    return PicturesUnavailable(str(error).partition("\n")[0])
