"""Pictures in a Cloudinary account, which delivers them itself.

Source: "Upload API reference", "Admin API reference" (resources by prefix), "Transformation URL API reference". Our own
squares are uploaded and delivered as they are.
"""

import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
from pydantic import SecretStr

from gateway.storage.pictures import CONTENT_TYPE, Held, PicturesUnavailable
from gateway.values.cloudinary import Algorithm, signature_of

# What all our pictures there begin with.
_ENDING: Final = ".webp"
_SECONDS: Final = 15.0
_LISTED_AT_ONCE: Final = "500"


@dataclass(frozen=True, slots=True)
class CloudinaryAccount:
    """Where and as whom. `base_url`, `delivery_base_url`: of the API, and of what is shown; `folder`: what the names of
    our videos begin with, of which that of pictures is made."""

    cloud_name: str
    api_key: str
    api_secret: SecretStr
    algorithm: Algorithm
    base_url: str
    delivery_base_url: str
    folder: str


class CloudinaryPictures:
    """Pictures as images of one account."""

    def __init__(self, account: CloudinaryAccount) -> None:
        self._account = account
        self._api = f"{account.base_url}/v1_1/{account.cloud_name}"
        self._folder = f"{account.folder}-photos/"
        # A version is wanted where a name has a folder; it is not looked at.
        self._delivery = f"{account.delivery_base_url}/{account.cloud_name}/image/upload/v1/{self._folder}"
        self._client = httpx.AsyncClient(timeout=_SECONDS)

    def address(self, stem: str) -> str:
        """Theirs."""
        return self._delivery + stem

    def stem(self, address: str) -> str | None:
        """What follows theirs."""
        return address.removeprefix(self._delivery) if address.startswith(self._delivery) else None

    async def put(self, key: str, body: bytes) -> None:
        """Upload it under its name."""
        fields = self._signed(public_id=self._id_of(key))
        await self._call("POST", f"{self._api}/image/upload", data=fields, files={"file": (key, body, CONTENT_TYPE)})

    async def get(self, key: str) -> bytes | None:
        """Fetch what is delivered."""
        answer = await self._ask("GET", self._delivery + key)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _checked(answer).content

    async def delete(self, keys: Iterable[str]) -> None:
        """Destroy them one by one, in its caches too."""
        for key in keys:
            fields = self._signed(public_id=self._id_of(key), invalidate="true")
            found = await self._call("POST", f"{self._api}/image/destroy", data=fields)
            if found.get("result") not in ("ok", "not found"):
                raise PicturesUnavailable(f"destroy: {found.get('result')}")

    async def held(self) -> AsyncIterator[Held]:
        """List what begins with our folder."""
        asked = {"prefix": self._folder, "max_results": _LISTED_AT_ONCE}
        pair = (self._account.api_key, self._account.api_secret.get_secret_value())
        while True:
            found = await self._call("GET", f"{self._api}/resources/image/upload", params=asked, auth=pair)
            for one in found.get("resources", []):
                since = datetime.fromisoformat(one["created_at"])
                yield Held(one["public_id"].removeprefix(self._folder) + _ENDING, since)
            if not (cursor := found.get("next_cursor")):
                return
            asked["next_cursor"] = cursor

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()

    def _id_of(self, key: str) -> str:
        return self._folder + key.removesuffix(_ENDING)

    def _signed(self, **fields: str) -> dict[str, str]:
        stamped = {**fields, "timestamp": str(int(time.time()))}
        account = self._account
        signature = signature_of(stamped, account.api_secret.get_secret_value(), account.algorithm)
        return {**stamped, "api_key": account.api_key, "signature": signature}

    async def _call(self, method: str, url: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's own
        try:
            found = _checked(await self._ask(method, url, **more)).json()
        except ValueError:
            raise PicturesUnavailable("an answer that cannot be read") from None
        return found if isinstance(found, dict) else {}

    async def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        try:
            return await self._client.request(method, url, **more)
        except httpx.HTTPError as error:
            raise PicturesUnavailable(f"Cloudinary: {type(error).__name__}") from error


def _checked(answer: httpx.Response) -> httpx.Response:
    """An answer that says yes. Its reason is not shown: it may quote what was signed."""
    if answer.status_code != httpx.codes.OK:
        raise PicturesUnavailable(f"Cloudinary: {answer.status_code}")
    return answer
