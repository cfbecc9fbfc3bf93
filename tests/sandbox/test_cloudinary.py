"""The imitated Cloudinary against what its documents and clients say of it."""

import hashlib
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, encode_basic_auth, web
from PIL import Image

from sandbox.services.cloudinary.signing import digest, text_to_sign
from tests.movies import mp4
from tests.sandbox.country import Country

ISSUED = {"cloud_name": "cloud", "api_key": "42", "api_secret": "abcd", "delivery_base_url": "http://here"}
UPLOAD = "/cloudinary/v1_1/cloud/video/upload"
DESTROY = "/cloudinary/v1_1/cloud/video/destroy"
KEY = {"Authorization": encode_basic_auth("42", "abcd")}
HOOK = "/api/webhooks/cloudinary"


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    async with Country(tmp_path, {"cloudinary": ISSUED}) as started:
        await started.order(cloudinary={"delay_ms": 0, "repeat_seconds": 0.01})
        yield started


def signed(version: int = 2, algorithm: Any = "sha1", **given: str) -> dict[str, str]:
    given = {"timestamp": str(int(time.time())), **given}
    text = text_to_sign(given, version).encode()
    return {**given, "api_key": "42", "signature": digest(text, "abcd", algorithm)}


async def post(
    country: Country, fields: dict[str, str], file: bytes | None = None, address: str = UPLOAD, **headers: str
) -> tuple[int, Any, Any]:
    form = FormData(fields)
    if file is not None:
        form.add_field("file", io.BytesIO(file), filename="film.mp4", content_type="video/mp4")
    async with country.client.post(address, data=form, headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers


VECTOR = {"timestamp": "1315060510", "public_id": "sample", "eager": "w_400,h_300,c_pad|w_260,h_200,c_crop"}


@pytest.mark.parametrize(
    ("given", "version", "algorithm", "signature"),
    [
        (VECTOR, 2, "sha1", "7e775a49f317e77d8f0af0fb11891b6e6edf21c0"),
        (VECTOR, 2, "sha256", "7b36c75000ac5fd7bb429580ca06caba2242edbb362f78b27d5ac11cda1a3f4b"),
        ({"public_id": "a&b", "timestamp": "1315060510"}, 2, "sha1", "0a9fe2d8ce2fab414604306325ec19423e4fbf2b"),
        ({"public_id": "a&b", "timestamp": "1315060510"}, 1, "sha1", "77168d08545b7820e52f6d8d8d56c127bf7ff3f4"),
    ],
)
def test_signatures_are_those_of_the_vectors(given: Any, version: int, algorithm: Any, signature: str) -> None:
    assert digest(text_to_sign(given, version).encode(), "abcd", algorithm) == signature


@pytest.mark.parametrize("long", [False, True])
async def test_an_upload_is_answered_with_what_the_file_says(country: Country, long: bool) -> None:
    film = mp4(42.6, long=long)
    status, body, headers = await post(country, signed(public_id="a/b", context="candidate=07|say=x\\=y"), film)
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    held = {name: body[name] for name in ("public_id", "format", "bytes", "duration", "width", "height")}
    assert held == {
        "public_id": "a/b",
        "format": "mp4",
        "bytes": len(film),
        "duration": 42.6,
        "width": 720,
        "height": 1280,
    }
    assert body["context"] == {"custom": {"candidate": "07", "say": "x=y"}}
    proof = f"public_id=a/b&version={body['version']}abcd".encode()
    assert body["signature"] == hashlib.sha1(proof).hexdigest()
    assert body["video"] == {"codec": "avc1"}


async def test_a_recording_says_its_duration_elsewhere(country: Country) -> None:
    assert (await post(country, signed(), mp4(12, fragments=True)))[1]["duration"] == 12


@pytest.mark.parametrize(("version", "algorithm"), [(1, "sha1"), (2, "sha256"), (1, "sha256")])
async def test_both_versions_and_both_hashes_are_taken(country: Country, version: int, algorithm: str) -> None:
    assert (await post(country, signed(version, algorithm, public_id="a&b"), mp4(3)))[0] == 200


def _without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    ("fields", "file", "status", "message"),
    [
        ({**signed(), "public_id": "x"}, mp4(3), 401, "Invalid Signature"),
        (signed(timestamp=str(int(time.time()) - 3700)), mp4(3), 400, "Stale request"),
        ({**signed(), "api_key": "43"}, mp4(3), 401, "Unknown API key 43"),
        (_without(signed(), "signature"), mp4(3), 400, "Upload preset must be specified"),
        (_without(signed(), "timestamp"), mp4(3), 400, "Missing required parameter - timestamp"),
        (signed(), None, 400, "Missing required parameter - file"),
        ({**signed(), "file": "https://x.test/a.mp4"}, None, 400, "Error in loading 'https://x.test/a.mp4'"),
        (signed(), b"MZ\x90\x00", 400, "Unsupported video format"),
        (signed(), mp4(3)[:60], 400, "Unsupported video format"),
        (signed(allowed_formats="webm"), mp4(3), 400, "Video file format mp4 not allowed"),
    ],
)
async def test_what_is_refused(country: Country, fields: Any, file: bytes | None, status: int, message: str) -> None:
    got, body, headers = await post(country, fields, file)
    assert (got, headers["X-Cld-Error"]) == (status, body["error"]["message"])
    assert body["error"]["message"].startswith(message)


async def test_a_file_of_more_than_a_hundred_megabytes_is_refused(country: Country) -> None:
    got, body, _ = await post(country, signed(), mp4(3, length=100 * 1024 * 1024 + 1))
    assert (got, body["error"]["message"]) == (400, "File size too large. Got 104857601. Maximum is 104857600.")


async def test_an_ordered_error_and_another_cloud(country: Country) -> None:
    assert (await post(country, signed(), mp4(3), UPLOAD.replace("cloud/", "other/")))[0] == 401
    await country.order(cloudinary={"error": 420})
    assert (await post(country, signed(), mp4(3)))[0] == 420


async def test_an_id_is_kept_or_overwritten(country: Country) -> None:
    first = (await post(country, signed(public_id="a"), mp4(3)))[1]
    kept = (await post(country, signed(public_id="a", overwrite="0"), mp4(5)))[1]
    assert (kept["existing"], kept["duration"], kept["version"]) == (True, 3, first["version"])
    new = (await post(country, signed(public_id="a", overwrite="1"), mp4(5)))[1]
    assert (new["duration"], new["asset_id"]) == (5, first["asset_id"])
    assert new["version"] > first["version"]


async def test_parts(country: Country) -> None:
    film, step = mp4(9, length=11 * 1024 * 1024), 5 * 1024 * 1024
    fields = signed(public_id="long")

    async def send(first: int, last: int, total: str) -> tuple[int, Any]:
        headers = {"X-Unique-Upload-Id": "u1", "Content-Range": f"bytes {first}-{last}/{total}"}
        return (await post(country, fields, film[first : last + 1], **headers))[:2]

    assert await send(0, step - 1, "-1") == (200, {"done": False, "public_id": "long", "kind": "upload"})
    assert (await send(step + 1, 2 * step, "*"))[0] == 400  # a gap
    assert (await send(0, step - 1, "*"))[0] == 400  # an overlap
    assert (await send(step, step + 9, "*"))[0] == 400  # too short
    assert (await send(step, 2 * step - 1, "*"))[1]["done"] is False
    status, whole = await send(2 * step, len(film) - 1, str(len(film)))
    assert (status, whole["bytes"], whole["duration"]) == (200, len(film), 9)


async def test_an_asset_is_asked_for_and_destroyed(country: Country) -> None:
    await country.order(cloudinary={"duration_after_ms": 60_000})
    await post(country, signed(public_id="a/b"), mp4(3))
    where = "/cloudinary/v1_1/cloud/resources/video/upload/a%2Fb"
    assert (await country.json("GET", where))[0] == 401
    assert (await country.json("GET", where, headers={"Authorization": encode_basic_auth("42", "abce")}))[0] == 401
    status, body = await country.json("GET", where, headers=KEY)
    assert (status, body["public_id"], "duration" in body) == (200, "a/b", False)
    await country.order(cloudinary={"duration_after_ms": 0})
    assert (await country.json("GET", where, headers=KEY))[1]["duration"] == 3
    assert await country.json("GET", "/cloudinary/v1_1/cloud/ping", headers=KEY) == (200, {"status": "ok"})
    gone = signed(public_id="a/b", invalidate="true")
    assert (await post(country, {**gone, "public_id": "c"}, address=DESTROY))[0] == 401
    assert (await post(country, gone, address=DESTROY))[1] == {"result": "ok"}
    assert (await post(country, gone, address=DESTROY))[1] == {"result": "not found"}
    assert (await country.json("GET", where, headers=KEY))[0] == 404


async def test_a_video_is_delivered_in_parts_and_with_a_poster(country: Country) -> None:
    film = mp4(3)
    await post(country, signed(public_id="a/b"), film)
    base = "/cloudinary/cloud/video/upload/c_limit,w_640"
    async with country.client.get(f"{base}/v1/a/b.mp4", headers={"Range": "bytes=4-7"}) as part:
        assert (part.status, await part.read(), part.content_type) == (206, film[4:8], "video/mp4")
    async with country.client.get(f"{base}/v1/a/b.jpg") as poster:
        with Image.open(io.BytesIO(await poster.read())) as picture:
            assert (picture.format, picture.size) == ("JPEG", (360, 640))
    async with country.client.get(f"{base}/v1/a/c.mp4") as unknown:
        assert unknown.status == 404


async def test_a_browser_may_upload_from_another_origin(country: Country) -> None:
    async with country.client.options(UPLOAD) as answer:
        assert answer.status == 200
        assert "X-Unique-Upload-Id" in answer.headers["Access-Control-Allow-Headers"]


def _told(country: Country) -> list[tuple[str, Any]]:
    """Kind and body of every notification that is signed rightly."""
    found = []
    for call in country.received:
        secret = b"abcd"
        at = call.headers["x-cld-timestamp"].encode()
        given = call.headers["x-cld-signature"]
        made = hashlib.new("sha1" if len(given) == 40 else "sha256", call.body + at + secret).hexdigest()
        body = json.loads(call.body)
        found.append((body["notification_type"] if made == given else "forged", body))
    return found


async def _uploaded(country: Country, notification: str, **more: Any) -> None:
    await country.order(cloudinary={"notification": notification, **more})
    hook = country.gateway_url + HOOK
    fields = signed(notification_url=hook, eager="c_limit,w_640/mp4|so_1/jpg", eager_async="1")
    assert (await post(country, fields, mp4(3)))[0] == 200


@pytest.mark.parametrize(
    ("notification", "kinds"),
    [
        ("normal", ["upload", "eager"]),
        ("twice", ["upload", "eager", "upload", "eager"]),
        ("eager_first", ["eager", "upload"]),
        ("no_duration", ["upload", "eager"]),
        ("forged", ["forged", "forged"]),
        ("old", ["upload", "eager"]),
    ],
)
async def test_an_upload_is_told(country: Country, notification: str, kinds: list[str]) -> None:
    await _uploaded(country, notification)
    await country.until(lambda: len(country.received) == len(kinds))
    told = _told(country)
    assert [kind for kind, _ in told] == kinds
    upload = next(body for _, body in told if body["notification_type"] == "upload")
    eager = next(body for _, body in told if body["notification_type"] == "eager")
    assert ("duration" in upload, "duration" in eager) == (notification != "no_duration", False)
    assert [one["transformation"] for one in eager["eager"]] == ["c_limit,w_640/mp4", "so_1/jpg"]
    age = time.time() - int(country.received[0].headers["x-cld-timestamp"])
    assert (age > 7200) == (notification == "old")


async def test_a_sha256_account_and_a_refused_notification(country: Country) -> None:
    await country.order(cloudinary={"algorithm": "sha256"})
    answers = iter((500, 200, 200))

    async def answer(_: Any) -> web.Response:
        return web.Response(status=next(answers))

    country.answers[HOOK] = answer
    await _uploaded(country, "normal")
    await country.until(lambda: len(country.received) == 3)
    assert [kind for kind, _ in _told(country)] == ["upload", "upload", "eager"]
    assert len(country.received[0].headers["x-cld-signature"]) == 64


async def test_nothing_is_told_where_nothing_is_ordered(country: Country) -> None:
    await _uploaded(country, "none")
    await _uploaded(country, "normal")
    await country.until(lambda: len(country.received) == 2)


async def test_who_owns_the_account_deletes_in_the_console(country: Country) -> None:
    await post(country, signed(public_id="a"), mp4(3))
    where = "/cloudinary/v1_1/cloud/resources/video/upload?public_ids[]=a&public_ids[]=b"
    assert (await country.json("DELETE", where, headers=KEY))[1]["deleted"] == {"a": "deleted", "b": "not_found"}
    await country.until(lambda: country.received)
    ((kind, body),) = _told(country)
    assert (kind, body["resources"][0]["public_id"]) == ("delete", "a")


async def test_what_was_uploaded_stays_when_the_country_starts_again(country: Country) -> None:
    await post(country, signed(public_id="a"), mp4(3))
    await country.stop()
    await country.start()
    async with country.client.get("/cloudinary/cloud/video/upload/v1/a.mp4") as found:
        assert found.status == 200


async def test_images(country: Country) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (4, 3)).save(picture, "PNG")
    where = UPLOAD.replace("video", "image")
    _, body, _ = await post(country, signed(public_id="p"), picture.getvalue(), where)
    assert (body["format"], body["width"], body["resource_type"]) == ("png", 4, "image")
    assert (await post(country, signed(), mp4(3), where))[0] == 400
