"""Videos of candidates: what may be uploaded, the states of an upload, and where a video is delivered.

A browser uploads to Cloudinary by itself, with parameters that we signed. What Cloudinary or the browser tells us
afterwards only makes us ask; the answer decides. A person approves a video before anybody sees it on our pages.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlsplit

SECONDS_MAX: Final = 60
BYTES_MAX: Final = 50 * 1024 * 1024
# A phone's MOV is delivered as MP4, like everything.
FORMATS: Final = ("mov", "mp4")
# Players and converters round a duration.
_SECONDS_ROUNDED: Final = 0.5
# How long Cloudinary takes an upload after we signed it.
SIGNED_FOR: Final = timedelta(hours=1)
# An upload that began in the last moment of that hour is in progress for a while.
_UPLOADED_LATE: Final = timedelta(hours=1)
_DURATION_AWAITED: Final = timedelta(hours=24)
_FIRST_REPEAT: Final = timedelta(seconds=5)
_REPEAT_MAX: Final = timedelta(hours=1)
# Sides of at most so many pixels: for screens of phones, and their data.
_PLAYED: Final = "c_limit,h_720,q_auto,w_720"
_POSTER: Final = "c_limit,h_640,q_auto,so_10p,w_640"
EAGER: Final = f"{_PLAYED}/mp4|{_POSTER}/jpg"


def origin_of(address: str) -> str:
    """Scheme, host and port of an address: what a page's policy names."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class VideoState(StrEnum):
    """Where an upload stands."""

    ISSUED = "issued"  # signed for a browser, and nothing was found of it yet
    UPLOADED = "uploaded"  # Cloudinary has it, and does not know all about it yet
    READY = "ready"  # checked, and waits for a person
    APPROVED = "approved"  # shown to voters
    REJECTED = "rejected"  # by a rule or by a person
    GONE = "gone"  # never uploaded, removed, or replaced


# What has no file at Cloudinary, or must not have one for long.
OVER: Final = frozenset({VideoState.REJECTED, VideoState.GONE})


class VideoFault(StrEnum):
    """Why a rule rejects a video."""

    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    WRONG_FORMAT = "wrong_format"
    NO_PICTURE = "no_picture"
    NO_DURATION = "no_duration"  # none was known after a day
    REPLACED = "replaced"  # another file has taken the place of the one that was checked


@dataclass(frozen=True, slots=True)
class Video:
    """An approved video. Width and height in pixels."""

    public_id: str
    version: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Film:
    """A video as a page shows it: its poster, and the video once somebody taps it. `origin`: of both addresses."""

    played: str
    poster: str
    origin: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where videos are delivered from. `base`: without a trailing slash."""

    base: str
    cloud: str

    def film(self, video: Video) -> Film:
        """What a page shows of a video."""
        return Film(self.played(video), self.poster(video), origin_of(self.base), video.width, video.height)

    def played(self, video: Video) -> str:
        """The address of the video as it is played."""
        return self._address(video, _PLAYED, "mp4")

    def poster(self, video: Video) -> str:
        """The address of the picture that stands for it."""
        return self._address(video, _POSTER, "jpg")

    def _address(self, video: Video, how: str, ending: str) -> str:
        return f"{self.base}/{self.cloud}/video/upload/{how}/v{video.version}/{quote(video.public_id)}.{ending}"


@dataclass(frozen=True, slots=True)
class Asset:
    """What Cloudinary holds under an id. `seconds`: None while it does not know; lengths in bytes and pixels."""

    asset_id: str
    version: int
    format: str
    bytes: int
    seconds: float | None
    width: int
    height: int
    has_picture: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload of which Cloudinary is asked. `checks`: how often it was asked since its last change of state;
    `asset_id`, `version`: of the file that was checked."""

    state: VideoState
    issued_at: datetime
    checks: int = 0
    asset_id: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of an upload. `ask_at`: when to ask again or, once it is over, to destroy the file; None: never."""

    state: VideoState
    ask_at: datetime | None = None
    fault: VideoFault | None = None


def fault_of(asset: Asset) -> VideoFault | None:
    """Why a file must not be shown; None also while its duration is not known."""
    if asset.bytes > BYTES_MAX:
        return VideoFault.TOO_LARGE
    if asset.format not in FORMATS:
        return VideoFault.WRONG_FORMAT
    if asset.seconds is not None and asset.seconds >= SECONDS_MAX + _SECONDS_ROUNDED:
        return VideoFault.TOO_LONG
    return None if asset.has_picture else VideoFault.NO_PICTURE


def after_asking(upload: Upload, found: Asset | None, now: datetime) -> Next:
    """What becomes of an upload that is not over, given what Cloudinary holds of it."""
    if found is None:
        return _after_nothing(upload, now)
    if upload.asset_id is not None and (found.asset_id, found.version) != (upload.asset_id, upload.version):
        return Next(VideoState.REJECTED, now, VideoFault.REPLACED)
    if fault := fault_of(found):
        return Next(VideoState.REJECTED, now, fault)
    if upload.state in (VideoState.READY, VideoState.APPROVED):
        return Next(upload.state)
    if found.seconds is not None:
        return Next(VideoState.READY)
    if now - upload.issued_at > _DURATION_AWAITED:
        return Next(VideoState.REJECTED, now, VideoFault.NO_DURATION)
    return Next(VideoState.UPLOADED, now + pause(upload.checks))


def first_question(issued_at: datetime) -> datetime:
    """When Cloudinary is asked about an upload of which nothing was heard: no file can come any more."""
    return issued_at + SIGNED_FOR + _UPLOADED_LATE


def _after_nothing(upload: Upload, now: datetime) -> Next:
    over_at = first_question(upload.issued_at)
    if upload.state is VideoState.ISSUED and now < over_at:
        return Next(VideoState.ISSUED, over_at)
    return Next(VideoState.GONE)


def after_destroying(upload: Upload, now: datetime) -> Next:
    """What becomes of an upload that is over and whose file is gone: while the signature is good, another file may
    come to the same id, so it is destroyed once more."""
    over_at = first_question(upload.issued_at)
    return Next(upload.state, over_at if now < over_at else None)


def pause(checks: int) -> timedelta:
    """How long to wait before Cloudinary is asked again, after so many questions without an answer that helps."""
    return min(_REPEAT_MAX, _FIRST_REPEAT * (1 << min(checks, 10)))
