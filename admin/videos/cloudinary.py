"""Cloudinary as we use it: what a browser uploads with, the question what it holds, and the order to destroy.

Source: "Upload API reference", "Admin API reference", Python SDK 1.46.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from gateway.contests.videos import EAGER, FORMATS, Asset, Delivery
from gateway.values.cloudinary import Algorithm, is_genuine, signature_of
from payments.answers import read_object
from payments.http_call import STATUS, Answer, HttpCaller, Outcome
from payments.registration import BaseUrl
from payments.token_cache import basic

CODE: Final = "cloudinary"
_LISTED_AT_ONCE: Final = 500
WEBHOOK: Final = "/api/webhooks/cloudinary"
# Key, secret or cloud are wrong, or the account is shut.
_OURS_TO_MEND: Final = frozenset({401, 403})


class CloudinarySettings(BaseModel):
    """`CLOUDINARY_*`: videos of candidates are uploaded there.

    `cloud_name`, `api_key`, `api_secret`: from the console. `signature_algorithm`: sha256 where the account is set to
    it. `base_url`, `delivery_base_url`: of the API, and of what is shown. `folder`: what the names of our videos begin
    with; videos in it that we do not know are deleted, so two servers with one account have two folders.
    """

    model_config = ConfigDict(frozen=True)

    cloud_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    api_key: Annotated[str, Field(pattern=r"^[0-9]{1,40}$")]
    api_secret: SecretStr = Field(min_length=4)
    signature_algorithm: Algorithm = Algorithm.SHA1
    folder: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")] = "spotlight"
    base_url: BaseUrl = "https://api.cloudinary.com"
    delivery_base_url: BaseUrl = "https://res.cloudinary.com"


class Away(Exception):
    """Cloudinary gave no answer that says something; ask again later. `alarm`: it will not pass by itself."""

    def __init__(self, why: str, *, alarm: bool = False) -> None:
        super().__init__(why)
        self.alarm = alarm


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """What a browser posts besides the file: `fields` as they are, to `url`."""

    url: str
    fields: Mapping[str, str]


class _Resource(BaseModel):
    """The Admin API's answer about an asset. `duration`: left out while it is not known."""

    asset_id: str
    version: int
    format: str = ""
    bytes: int
    duration: float | None = None
    width: int = 0
    height: int = 0
    is_audio: bool | None = None


class _Listed(BaseModel):
    """A line of a listing."""

    public_id: str
    created_at: AwareDatetime


class _Listing(BaseModel):
    """The Admin API's answer about assets whose names begin alike. `next_cursor`: where there are more."""

    resources: list[_Listed]
    next_cursor: str | None = None


class Cloudinary:
    """One account. `public_url`: where it can call us, without a trailing slash."""

    def __init__(self, settings: CloudinarySettings, public_url: str) -> None:
        self._settings = settings
        self._notification_url = public_url + WEBHOOK
        self._api = f"{settings.base_url}/v1_1/{settings.cloud_name}"
        self._caller = HttpCaller(CODE)
        self.folder: Final = settings.folder
        self.delivery: Final = Delivery(settings.delivery_base_url, settings.cloud_name)

    @property
    def upload_url(self) -> str:
        """Where browsers post videos."""
        return f"{self._api}/video/upload"

    def sign_upload(self, public_id: str, *, contest: str, code: str, now: datetime) -> SignedUpload:
        """The upload of one video under this id. Nothing in it is chosen by who uploads: a signature of other fields
        would open the account."""
        fields = {
            "allowed_formats": ",".join(FORMATS),
            "context": f"candidate={code}|contest={contest}",
            "eager": EAGER,
            "eager_async": "1",
            "eager_notification_url": self._notification_url,
            "notification_url": self._notification_url,
            "overwrite": "0",
            "public_id": public_id,
        }
        return SignedUpload(self.upload_url, self._signed(fields, now))

    def _signed(self, fields: Mapping[str, str], now: datetime) -> dict[str, str]:
        stamped = {**fields, "timestamp": str(int(now.timestamp()))}
        secret = self._settings.api_secret.get_secret_value()
        signature = signature_of(stamped, secret, self._settings.signature_algorithm)
        return {**stamped, "api_key": self._settings.api_key, "signature": signature}

    def is_genuine(self, body: bytes, timestamp: str, signature: str, now: datetime) -> bool:
        """Whether a notification is Cloudinary's own, and of now."""
        secret, algorithm = self._settings.api_secret.get_secret_value(), self._settings.signature_algorithm
        return is_genuine(body, timestamp, signature, secret=secret, algorithm=algorithm, now=now)

    async def ask(self, public_id: str) -> Asset | None:
        """What it holds under this id; None for nothing. Raises Away."""
        status, found = await self._admin(f"/{quote(public_id)}", "resource", public_id)
        # A proxy in between has a 404 of its own.
        if status == 404 and "error" in found:
            return None
        if status != 200:
            raise Away(str(status), alarm=status in _OURS_TO_MEND)
        try:
            resource = _Resource.model_validate(found)
        except ValidationError:
            raise Away("an answer that cannot be read") from None
        return Asset(
            asset_id=resource.asset_id,
            version=resource.version,
            format=resource.format,
            bytes=resource.bytes,
            seconds=resource.duration,
            width=resource.width,
            height=resource.height,
            has_picture=not resource.is_audio and resource.width > 0 and resource.height > 0,
        )

    async def names(self) -> AsyncIterator[tuple[str, datetime]]:
        """The names of all videos that it holds under ours, and since when. Raises Away."""
        asked = {"prefix": f"{self.folder}/", "max_results": str(_LISTED_AT_ONCE)}
        while True:
            status, found = await self._admin(f"?{urlencode(asked)}", "resources", self.folder)
            if status != 200:
                raise Away(str(status), alarm=status in _OURS_TO_MEND)
            try:
                listing = _Listing.model_validate(found)
            except ValidationError:
                raise Away("an answer that cannot be read") from None
            for one in listing.resources:
                yield one.public_id, one.created_at
            if listing.next_cursor is None:
                return
            asked["next_cursor"] = listing.next_cursor

    async def _admin(self, what: str, call: str, reference: str) -> tuple[int, Mapping[str, Any]]:
        """Ask the Admin API about videos. Raises Away."""
        pair = basic(self._settings.api_key, self._settings.api_secret.get_secret_value())
        outcome = await self._caller.call(
            "GET",
            f"{self._api}/resources/video/upload{what}",
            what=call,
            timeouts=STATUS,
            reference=reference,
            headers={"Authorization": pair},
        )
        return _read(outcome)

    async def destroy(self, public_id: str, now: datetime) -> None:
        """Delete what it holds under this id, in its caches too. Raises Away."""
        fields = self._signed({"invalidate": "true", "public_id": public_id}, now)
        outcome = await self._caller.call(
            "POST",
            f"{self._api}/video/destroy",
            what="destroy",
            timeouts=STATUS,
            reference=public_id,
            data=fields,
        )
        status, found = _read(outcome)
        if status != 200 or found.get("result") not in ("ok", "not found"):
            raise Away(str(status), alarm=status in _OURS_TO_MEND)

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()


def _read(outcome: Outcome) -> tuple[int, Mapping[str, Any]]:
    """Status and JSON object of an answer. Raises Away where none came."""
    if not isinstance(outcome, Answer):
        raise Away(outcome.error)
    return outcome.status, read_object(outcome.body)
