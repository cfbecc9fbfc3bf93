"""What becomes of an upload, by what Cloudinary holds of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.contests.videos import (
    Asset,
    Delivery,
    Next,
    Upload,
    Video,
    VideoFault,
    VideoState,
    after_asking,
    after_destroying,
    fault_of,
    first_question,
    pause,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)
OVER = first_question(NOW)
GOOD = Asset("a1", 3, "mp4", 50 * 1024 * 1024, 60.4, 720, 1280, has_picture=True)
HALF = replace(GOOD, seconds=None)
ISSUED = Upload(VideoState.ISSUED, NOW)
UPLOADED = Upload(VideoState.UPLOADED, NOW, 2, "a1", 3)
READY = Upload(VideoState.READY, NOW, 0, "a1", 3)
APPROVED = replace(READY, state=VideoState.APPROVED)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"bytes": 50 * 1024 * 1024 + 1}, VideoFault.TOO_LARGE),
        ({"seconds": 60.5}, VideoFault.TOO_LONG),
        ({"seconds": None}, None),
        ({"format": "mov"}, None),
        ({"format": "avi"}, VideoFault.WRONG_FORMAT),
        ({"has_picture": False}, VideoFault.NO_PICTURE),
    ],
)
def test_what_is_wrong_with_a_file(change: dict[str, Any], fault: VideoFault | None) -> None:
    assert fault_of(replace(GOOD, **change)) is fault


@pytest.mark.parametrize(
    ("upload", "found", "now", "after"),
    [
        (ISSUED, None, NOW, Next(VideoState.ISSUED, OVER)),
        (ISSUED, None, OVER, Next(VideoState.GONE)),
        (ISSUED, GOOD, NOW, Next(VideoState.READY)),
        (ISSUED, GOOD, OVER, Next(VideoState.READY)),
        (ISSUED, HALF, NOW, Next(VideoState.UPLOADED, NOW + timedelta(seconds=5))),
        (ISSUED, replace(GOOD, seconds=61), NOW, Next(VideoState.REJECTED, NOW, VideoFault.TOO_LONG)),
        (UPLOADED, HALF, NOW, Next(VideoState.UPLOADED, NOW + timedelta(seconds=20))),
        (UPLOADED, GOOD, NOW, Next(VideoState.READY)),
        (UPLOADED, None, NOW, Next(VideoState.GONE)),
        (
            UPLOADED,
            HALF,
            NOW + timedelta(hours=25),
            Next(VideoState.REJECTED, NOW + timedelta(hours=25), VideoFault.NO_DURATION),
        ),
        (READY, GOOD, NOW, Next(VideoState.READY)),
        (READY, HALF, NOW, Next(VideoState.READY)),
        (READY, None, NOW, Next(VideoState.GONE)),
        (APPROVED, GOOD, NOW, Next(VideoState.APPROVED)),
        (APPROVED, None, NOW, Next(VideoState.GONE)),
        (APPROVED, replace(GOOD, version=4), NOW, Next(VideoState.REJECTED, NOW, VideoFault.REPLACED)),
        (APPROVED, replace(GOOD, asset_id="b"), NOW, Next(VideoState.REJECTED, NOW, VideoFault.REPLACED)),
    ],
)
def test_what_becomes_of_an_upload(upload: Upload, found: Asset | None, now: datetime, after: Next) -> None:
    assert after_asking(upload, found, now) == after


def test_a_file_is_destroyed_once_more_when_the_signature_is_over() -> None:
    over = replace(READY, state=VideoState.REJECTED)
    assert after_destroying(over, NOW) == Next(VideoState.REJECTED, OVER)
    assert after_destroying(over, OVER) == Next(VideoState.REJECTED)


def test_pauses_grow_to_an_hour() -> None:
    assert [pause(n).total_seconds() for n in (0, 1, 9, 10, 1000)] == [5, 10, 2560, 3600, 3600]


def test_where_a_video_is_delivered() -> None:
    film = Delivery("https://res.cloudinary.com", "cloud").film(Video("spotlight/star/07-x", 9, 720, 1280))
    base = "https://res.cloudinary.com/cloud/video/upload"
    assert film.played == f"{base}/c_limit,h_720,q_auto,w_720/v9/spotlight/star/07-x.mp4"
    assert film.poster == f"{base}/c_limit,h_640,q_auto,so_10p,w_640/v9/spotlight/star/07-x.jpg"
    assert film.origin == "https://res.cloudinary.com"
