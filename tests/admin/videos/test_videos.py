"""Candidates' videos against the imitated Cloudinary: from the signature to the public snapshot."""

import hashlib
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, encode_basic_auth
from sqlalchemy import text

from admin.access.rules import Role
from admin.videos.cloudinary import Cloudinary, CloudinarySettings
from admin.videos.store import Decision
from channels.web.nominations import NOMINATIONS
from gateway.contests.nominations import Nominee
from gateway.http.raw_exchange import RawRequest
from gateway.storage.doorbell import Work
from tests.admin.back_office import Office, open_office, other_organiser
from tests.movies import mp4
from tests.rigs.nominations import texts
from tests.sandbox.country import Country

AWA, YAO = "awa@house.test", "yao@house.test"
SECRET = "secret-of-the-account"
ISSUED = {"cloud_name": "cloud", "api_key": "42", "api_secret": SECRET, "delivery_base_url": "http://cdn.test"}
HOOK = "/api/webhooks/cloudinary"
VIDEO = "/api/admin/contests/star/candidates/07/video"
PAGE = "/admin/contests/star/candidates/07/video"
UPLOAD = {"contest": "star", "candidateCode": "07"}
MIB = 1024 * 1024


@dataclass
class Studio:
    """The back office, the imitated Cloudinary, and a moderator's access token. Notifications wait for `bring`."""

    office: Office
    country: Country
    client: ClientSession

    async def sign(self, **body: Any) -> Any:
        async with self.client.post("/api/upload/signature", json=body or UPLOAD) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def send(self, signed: Any, file: bytes) -> tuple[int, Any]:
        """Upload as a browser does."""
        form = FormData(signed["fields"])
        form.add_field("file", io.BytesIO(file), filename="film.mp4")
        async with self.country.client.post(signed["uploadUrl"], data=form) as answer:
            return answer.status, await answer.json()

    async def upload(self, file: bytes) -> str:
        """Sign and upload; its name."""
        signed = await self.sign()
        status, body = await self.send(signed, file)
        assert status == 200, body
        return str(body["public_id"])

    async def told(self, count: int = 2) -> list[RawRequest]:
        """So many notifications that came."""
        await self.country.until(lambda: len(self.country.received) >= count)
        return self.country.received

    async def bring(self, notification: RawRequest, **change: Any) -> int:
        """A notification to our address; the status."""
        names = ("x-cld-timestamp", "x-cld-signature", "content-type")
        headers = {name: notification.headers[name] for name in names} | change.pop("headers", {})
        body = change.pop("body", notification.body)
        stranger = await self.office.browser()
        async with stranger.post(HOOK, data=body, headers=headers) as answer:
            return answer.status

    async def hint(self, public_id: str) -> None:
        """Cloudinary is asked at once."""
        store = self.office.videos.store
        await store.ask_now(await store.candidate(None, "star", "07"), public_id)

    async def work(self) -> None:
        """What a worker does until nothing is due."""
        while await self.office.videos.step():
            pass

    async def row(self, public_id: str) -> Any:
        (found,) = await self.office.rig.rows("select * from video_uploads where public_id = :id", id=public_id)
        return found

    async def held(self, public_id: str) -> bool:
        """Whether Cloudinary has the file."""
        where = f"/cloudinary/v1_1/cloud/resources/video/upload/{public_id}"
        headers = {"Authorization": encode_basic_auth("42", SECRET)}
        return (await self.country.json("GET", where, headers=headers))[0] == 200

    async def decide(self, public_id: str, status: str, reason: str = "") -> tuple[int, Any]:
        body = {"publicId": public_id, "status": status, "reason": reason}
        async with self.client.patch(VIDEO, json=body) as answer:
            return answer.status, await answer.json()

    async def ready(self) -> str:
        """A video that waits for a person."""
        public_id = await self.upload(mp4(12))
        await self.hint(public_id)
        await self.work()
        assert (await self.row(public_id)).state == "ready"
        return public_id

    async def shown(self, code: str = "07") -> str | None:
        """The video that voters see."""
        directory = self.office.rig.directory
        await directory.refresh()
        contest = directory.by_slug("star")
        candidate = contest and contest.candidate(code)
        return candidate.video.public_id if candidate and candidate.video else None

    async def age(self, by: timedelta) -> None:
        """Everything was signed so much earlier."""
        async with self.office.rig.engine.begin() as connection:
            statement = "update video_uploads set ask_at = ask_at - cast(:by as interval)"
            await connection.execute(text(statement), {"by": by})
        self.office.ahead += by


@asynccontextmanager
async def open_studio(app_url: str, folder: Path, **more: Any) -> AsyncIterator[Studio]:
    async with Country(folder, {"cloudinary": ISSUED}) as country:
        await country.order(cloudinary={"delay_ms": 0, "repeat_seconds": 60})
        settings = CloudinarySettings(**{**ISSUED, "base_url": str(country.address.with_path("/cloudinary")), **more})
        async with open_office(app_url, cloudinary=Cloudinary(settings, country.gateway_url)) as office:
            await office.hire(AWA)
            token = await office.token(AWA)
            async with ClientSession(
                office.server.make_url("/"), headers={"Authorization": f"Bearer {token}"}
            ) as client:
                yield Studio(office, country, client)


@pytest.fixture
async def studio(database: Any, tmp_path: Path) -> AsyncIterator[Studio]:
    async with open_studio(database.app_url, tmp_path) as opened:
        yield opened


async def test_a_video_comes_from_a_browser_to_voters(studio: Studio) -> None:
    signed = await studio.sign()
    assert set(signed) == {"uploadUrl", "fields", "expiresAt"}
    assert signed["uploadUrl"].endswith("/cloudinary/v1_1/cloud/video/upload")
    public_id = signed["fields"]["public_id"]
    assert (await studio.row(public_id)).state == "issued"
    assert (await studio.send(signed, mp4(42.6)))[0] == 200
    for notification in await studio.told():
        assert await studio.bring(notification) == 200
    assert studio.office.rig.doorbell.rung[-1] == Work.VIDEOS
    await studio.work()
    row = await studio.row(public_id)
    assert (row.state, row.milliseconds, row.width, row.height) == ("ready", 42600, 720, 1280)
    assert await studio.shown() is None
    status, body = await studio.decide(public_id, "approved")
    assert (status, body["videos"][0]["state"]) == (200, "approved")
    assert body["videos"][0]["video"].startswith("http://cdn.test/cloud/video/upload/")
    assert await studio.shown() == public_id
    acts = [
        (line.act, line.detail.get("candidate")) for line in await studio.office.rig.rows("select * from audit_log")
    ]
    assert ("video.issued", "07") in acts
    assert ("video.approved", "07") in acts


async def test_only_what_we_chose_is_signed(studio: Studio) -> None:
    first, second = await studio.sign(), await studio.sign()
    fields = first["fields"]
    assert set(fields) == {
        *("allowed_formats", "api_key", "context", "eager", "eager_async", "eager_notification_url"),
        *("notification_url", "overwrite", "public_id", "signature", "timestamp"),
    }
    assert fields["context"] == "candidate=07|contest=star"
    assert SECRET not in json.dumps(first)
    assert fields["public_id"] != second["fields"]["public_id"]
    changed = {**first, "fields": {**fields, "public_id": "spotlight/star/08-x"}}
    assert (await studio.send(changed, mp4(3)))[0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"contest": "star", "candidateCode": "99"}, 404),
        ({"contest": "none", "candidateCode": "07"}, 404),
        ({"contest": "star"}, 422),
        ({**UPLOAD, "eager": "x"}, 422),
        ({**UPLOAD, "contest": "a\u0000b"}, 422),
    ],
)
async def test_whose_video_it_is_must_be_said(studio: Studio, body: Any, status: int) -> None:
    async with studio.client.post("/api/upload/signature", json=body) as answer:
        assert answer.status == status
    assert await studio.office.rig.rows("select * from video_uploads") == []


async def test_who_may_not_moderate_signs_and_decides_nothing(studio: Studio) -> None:
    public_id = await studio.ready()
    await other_organiser(studio.office.rig)
    await studio.office.hire(YAO, Role.FINANCE)
    await studio.office.hire("eve@house.test", Role.OWNER, "other")
    for email, expected in ((YAO, 403), ("eve@house.test", 404)):
        headers = {"Authorization": f"Bearer {await studio.office.token(email)}"}
        body = {"publicId": public_id, "status": "approved"}
        async with studio.client.post("/api/upload/signature", json=UPLOAD, headers=headers) as answer:
            assert answer.status == expected
        async with studio.client.patch(VIDEO, json=body, headers=headers) as answer:
            assert answer.status == expected
    stranger = await studio.office.browser()
    async with stranger.post("/api/upload/signature", json=UPLOAD) as answer:
        assert answer.status == 401
    assert (await studio.row(public_id)).state == "ready"


async def test_who_was_nominated_uploads_by_their_own_link(studio: Studio) -> None:
    rig = studio.office.rig
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set nominations = true where slug = 'star'"))
    nominee = Nominee("Adjoua Kouassi", "+2250501020399", consent=True)
    token = await studio.office.app[NOMINATIONS].nominate("star", nominee, "nonce", "fr")
    stranger = await studio.office.browser()

    async def sign(**body: str) -> tuple[int, Any]:
        async with stranger.post("/api/upload/signature", json=body) as answer:
            return answer.status, await answer.json()

    status, signed = await sign(nomination=token)
    assert status == 200
    assert (await studio.send(signed, mp4(3)))[0] == 200
    assert (await studio.row(signed["fields"]["public_id"])).issued_by == "nomination"
    assert (await sign(nomination=token[::-1]))[0] == 404
    assert (await sign(nomination=token, **UPLOAD))[0] == 422
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set status = 'approved', code = '13' where code = '000001'"))
    assert (await sign(nomination=token))[0] == 200
    async with rig.engine.begin() as connection:
        await connection.execute(text("update video_uploads set ask_at = now() where state = 'issued'"))
    await studio.work()
    public_id, organiser = signed["fields"]["public_id"], rig.contest.organiser_id
    for decision, why in ((Decision.APPROVED, ""), (Decision.REJECTED, "Too dark")):
        nominations = studio.office.app[NOMINATIONS]
        await studio.office.videos.decide(organiser, "star", "13", public_id, decision, why, AWA, nominations)
    told = {kind: words for kind, _, words in await texts(rig)}
    assert "votre vidéo est publiée" in told["nomination_video_taken"]
    assert told["nomination_video_refused"].endswith("Motif: Too dark")
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set status = 'withdrawn' where code = '13'"))
    assert (await sign(nomination=token))[0] == 409


async def test_a_candidate_follows_their_video_on_their_own_page(studio: Studio) -> None:
    rig = studio.office.rig
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set nominations = true where slug = 'star'"))
    nominee = Nominee("Adjoua Kouassi", "+2250501020399", consent=True)
    token = await studio.office.app[NOMINATIONS].nominate("star", nominee, "nonce", "fr")
    link, stranger = f"/nominations/{token}", await studio.office.browser(**{"Accept-Language": "en"})

    async def page() -> str:
        async with stranger.get(link) as answer:
            return await answer.text()

    shown = await page()
    assert (f'data-nomination="{token}"' in shown, "No video yet." in shown) == (True, True)
    async with stranger.post("/api/upload/signature", json={"nomination": token}) as answer:
        signed = await answer.json()
    assert "Being uploaded." in await page()
    public_id = signed["fields"]["public_id"]
    # What a phone recorded.
    assert (await studio.send(signed, mp4(12, brand=b"qt  ")))[1]["format"] == "mov"
    async with stranger.post(f"{link}/video", data={"public_id": public_id}) as answer:
        assert answer.status == 200
    await studio.work()
    shown = await page()
    assert ("Waits for the team." in shown, "/mp4" in shown or ".mp4" in shown) == (True, True)
    staff = await studio.office.signed_in(AWA)
    async with staff.get("/admin/contests/star/moderation") as answer:
        assert "/candidates/000001/video" in await answer.text()
    headers = {"Authorization": studio.client.headers["Authorization"]}
    address = "/api/admin/contests/star/candidates/000001/video"
    decision = {"publicId": public_id, "status": "rejected", "reason": "Too dark"}
    async with stranger.patch(address, json=decision, headers=headers) as answer:
        assert answer.status == 200
    shown = await page()
    assert ("Not accepted." in shown, "Too dark" in shown) == (True, True)
    await studio.work()
    assert not await studio.held(public_id)
    async with stranger.post("/api/upload/signature", json={"nomination": token}) as answer:
        signed = await answer.json()
    await studio.send(signed, mp4(12, length=51 * MIB))
    async with stranger.post(f"{link}/video", data={"public_id": signed["fields"]["public_id"]}) as answer:
        assert answer.status == 200
    await studio.work()
    assert "larger than 50 MB" in await page()
    assert not await studio.held(signed["fields"]["public_id"])
    # Another candidate's upload is not this one's to ask about.
    other = await studio.upload(mp4(12))
    before = (await studio.row(other)).ask_at
    async with stranger.post(f"{link}/video", data={"public_id": other}) as answer:
        assert answer.status == 200
    assert (await studio.row(other)).ask_at == before


async def test_an_organisers_moderator_signs_and_decides(studio: Studio) -> None:
    await studio.office.hire(YAO, Role.MODERATOR, "demo")
    studio.client.headers["Authorization"] = f"Bearer {await studio.office.token(YAO)}"
    first, second = await studio.ready(), await studio.ready()
    for public_id in (first, second):
        assert (await studio.decide(public_id, "approved"))[0] == 200
    assert await studio.shown() == second
    status, body = await studio.decide(second, "removed", "the family asked us")
    assert (status, [one["state"] for one in body["videos"]]) == (200, ["gone", "gone"])
    assert [line.actor for line in await studio.office.audit("video.removed")] == [YAO]


async def test_signatures_are_limited(studio: Studio) -> None:
    for _ in range(10):
        await studio.sign()
    async with studio.client.post("/api/upload/signature", json=UPLOAD) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "600")
    await studio.sign(contest="star", candidateCode="08")


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (partial(mp4, 60.4, length=50 * MIB), None),
        (partial(mp4, 12, length=51 * MIB), "too_large"),
        (partial(mp4, 61), "too_long"),
        (partial(mp4, 12, picture=False), "no_picture"),
    ],
    ids=["as large and long as may be", "51 MB", "61 s", "sound alone"],
)
async def test_a_bad_file_is_destroyed(studio: Studio, file: Callable[[], bytes], fault: str | None) -> None:
    public_id = await studio.upload(file())
    assert await studio.held(public_id)
    for notification in await studio.told():
        await studio.bring(notification)
    await studio.work()
    row = await studio.row(public_id)
    assert (row.state, row.fault) == ("rejected" if fault else "ready", fault)
    assert await studio.held(public_id) == (fault is None)


async def test_what_comes_after_the_destruction_is_destroyed_too(studio: Studio) -> None:
    signed = await studio.sign()
    await studio.send(signed, mp4(61))
    await studio.hint(signed["fields"]["public_id"])
    await studio.work()
    public_id = signed["fields"]["public_id"]
    assert not await studio.held(public_id)
    # The signature is good for an hour, and no notification came.
    assert (await studio.send(signed, mp4(3)))[0] == 200
    await studio.age(timedelta(hours=2, seconds=1))
    await studio.work()
    row = await studio.row(public_id)
    assert (row.state, row.ask_at, await studio.held(public_id)) == ("rejected", None, False)


@pytest.mark.parametrize("notification", ["normal", "twice", "eager_first", "no_duration"])
async def test_notifications_in_any_order_and_number_mean_the_same(studio: Studio, notification: str) -> None:
    await studio.country.order(cloudinary={"notification": notification})
    public_id = await studio.upload(mp4(12))
    for one in await studio.told(4 if notification == "twice" else 2):
        assert await studio.bring(one) == 200
        await studio.work()
    assert (await studio.row(public_id)).state == "ready"
    kinds = await studio.office.rig.rows("select kind, body from video_notifications order by kind")
    assert [row.kind for row in kinds] == ["eager", "upload"]


async def test_a_repeated_notification_asks_nothing(studio: Studio) -> None:
    public_id = await studio.upload(mp4(12))
    (upload, *_) = await studio.told()
    assert await studio.bring(upload) == 200
    await studio.work()
    assert await studio.bring(upload) == 200
    assert (await studio.row(public_id)).ask_at is None


@pytest.mark.parametrize("notification", ["forged", "old"])
async def test_what_is_not_signed_lately_changes_nothing(studio: Studio, notification: str) -> None:
    await studio.country.order(cloudinary={"notification": notification})
    public_id = await studio.upload(mp4(12))
    for one in await studio.told(1):
        assert await studio.bring(one) == 401
    row = await studio.row(public_id)
    assert (row.state, row.checks) == ("issued", 0)
    assert await studio.office.rig.rows("select * from video_notifications") == []
    assert await studio.office.videos.step() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{}"},
        {"headers": {"x-cld-signature": ""}},
        {"headers": {"x-cld-timestamp": "now"}},
        {"headers": {"x-cld-signature": "0" * 64}},
    ],
)
async def test_a_changed_notification_is_refused(studio: Studio, change: Any) -> None:
    await studio.upload(mp4(12))
    (upload, *_) = await studio.told()
    assert await studio.bring(upload, **change) == 401
    assert await studio.office.rig.rows("select * from video_notifications") == []


def signed_by_us(body: bytes) -> RawRequest:
    """What the account's secret signs."""
    at = str(int(time.time()))
    signature = hashlib.sha1(body + at.encode() + SECRET.encode()).hexdigest()
    headers = {"x-cld-timestamp": at, "x-cld-signature": signature, "content-type": "application/json"}
    return RawRequest("POST", HOOK, headers, body)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b"\xff", 400),
        (b'{"notification_type": ""}', 400),
        (b'{"notification_type": "moderation", "request_id": 7}', 200),
        (b'{"notification_type": "new", "resources": {"x": 1}, "public_id": ["a"]}', 200),
        (b'{"notification_type": "upload", "asset_id": "\\ud800", "version": 1, "public_id": "\\u0000"}', 200),
        (b'{"notification_type": "upload", "asset_id": "' + b"a" * 5000 + b'", "version": {}}', 200),
    ],
)
async def test_whatever_cloudinary_signs_is_no_fault_of_ours(studio: Studio, body: bytes, status: int) -> None:
    assert await studio.bring(signed_by_us(body)) == status
    assert len(await studio.office.rig.rows("select * from video_notifications")) == (status == 200)


async def test_a_body_that_is_too_long_is_refused(studio: Studio) -> None:
    assert await studio.bring(signed_by_us(b" " * 65 * 1024)) == 413


async def test_an_account_of_sha256(database: Any, tmp_path: Path) -> None:
    async with open_studio(database.app_url, tmp_path, signature_algorithm="sha256") as studio:
        await studio.country.order(cloudinary={"algorithm": "sha256"})
        await studio.upload(mp4(12))
        assert [await studio.bring(one) for one in await studio.told()] == [200, 200]
        assert await studio.bring(signed_by_us(b"{}")) == 401


async def test_a_duration_that_is_not_known_yet_is_asked_for_again(studio: Studio) -> None:
    await studio.country.order(cloudinary={"duration_after_ms": 3_600_000})
    public_id = await studio.upload(mp4(12))
    await studio.hint(public_id)
    await studio.work()
    row = await studio.row(public_id)
    assert (row.state, row.milliseconds) == ("uploaded", None)
    assert row.ask_at is not None
    assert (await studio.decide(public_id, "approved"))[0] == 409
    await studio.country.order(cloudinary={"duration_after_ms": 0})
    await studio.age(timedelta(minutes=1))
    await studio.work()
    assert (await studio.row(public_id)).state == "ready"


async def test_without_any_notification_an_upload_is_found(studio: Studio) -> None:
    await studio.country.order(cloudinary={"notification": "none"})
    public_id, never = await studio.upload(mp4(12)), (await studio.sign())["fields"]["public_id"]
    assert await studio.office.videos.step() == 0
    await studio.age(timedelta(hours=2, seconds=1))
    await studio.work()
    assert [(await studio.row(one)).state for one in (public_id, never)] == ["ready", "gone"]
    assert (await studio.row(never)).ask_at is None


@pytest.mark.parametrize("error", [401, 403, 420, 423, 500, 503])
async def test_while_cloudinary_is_away_nothing_is_decided(studio: Studio, error: int) -> None:
    public_id = await studio.upload(mp4(12))
    await studio.hint(public_id)
    await studio.country.order(cloudinary={"error": error})
    assert await studio.office.videos.step() == 1
    row = await studio.row(public_id)
    assert (row.state, row.checks) == ("issued", 1)
    assert row.ask_at > studio.office.now()
    await studio.country.order(cloudinary={"error": 0})
    await studio.age(timedelta(minutes=1))
    await studio.work()
    assert (await studio.row(public_id)).state == "ready"


async def test_a_hint_that_comes_while_cloudinary_is_asked_is_not_lost(studio: Studio) -> None:
    store = studio.office.videos.store
    public_id = (await studio.sign())["fields"]["public_id"]
    await studio.hint(public_id)
    (claimed,) = await store.claim(5)
    await studio.hint(public_id)
    await store.later(claimed, studio.office.now() + timedelta(hours=1))
    assert [one.public_id for one in await store.claim(5)] == [public_id]


async def test_another_video_takes_the_place_of_the_first(studio: Studio) -> None:
    first, second = await studio.ready(), await studio.ready()
    moments = [await studio.office.rig.one("select clock_timestamp()")]
    for one in (first, second):
        await studio.decide(one, "approved")
        moments.append(await studio.office.rig.one("select clock_timestamp()"))
    assert await studio.shown() == second
    await studio.work()
    assert ((await studio.row(first)).state, await studio.held(first)) == ("gone", False)
    assert await studio.held(second)
    # What persons had decided by a moment is dated, what Cloudinary had is not.
    for at, states in zip(moments, ((None, None), ("approved", None), ("gone", "approved")), strict=True):
        asked = {"asOf": at.isoformat()}
        async with studio.client.get(VIDEO, params=asked) as answer:
            found = {one["publicId"]: one["state"] for one in (await answer.json())["videos"]}
        assert (found[first], found[second]) == states


@pytest.mark.parametrize("status", ["rejected", "removed"])
async def test_a_person_takes_a_video_away(studio: Studio, status: str) -> None:
    public_id = await studio.ready()
    assert (await studio.decide(public_id, status))[0] == 422
    await studio.decide(public_id, "approved")
    assert (await studio.decide(public_id, status, "not the candidate"))[0] == 200
    assert await studio.shown() is None
    await studio.work()
    row = await studio.row(public_id)
    assert (row.reason, row.decided_by, await studio.held(public_id)) == ("not the candidate", AWA, False)
    assert (await studio.decide(public_id, "approved"))[0] == 409
    assert (await studio.decide("spotlight/star/07-other", "approved"))[0] == 404


async def test_a_video_that_was_deleted_in_the_console_is_shown_no_more(studio: Studio) -> None:
    public_id = await studio.ready()
    await studio.decide(public_id, "approved")
    studio.country.received.clear()
    where = f"/cloudinary/v1_1/cloud/resources/video/upload?public_ids[]={public_id}"
    await studio.country.json("DELETE", where, headers={"Authorization": encode_basic_auth("42", SECRET)})
    (told,) = await studio.told(1)
    assert await studio.bring(told) == 200
    await studio.work()
    assert (await studio.row(public_id)).state == "gone"
    assert await studio.shown() is None


async def test_files_that_no_row_knows_are_destroyed(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    # In pieces of one.
    monkeypatch.setattr("admin.videos.cloudinary._LISTED_AT_ONCE", 1)
    known = await studio.ready()
    videos, stray, others = studio.office.videos, "spotlight/star/07-stray", "spotlight-two/star/07-theirs"
    assert videos.cloudinary is not None
    for name in (stray, others):
        upload = videos.cloudinary.sign_upload(name, contest="star", code="07", now=videos.now())
        assert (await studio.send({"uploadUrl": upload.url, "fields": upload.fields}, mp4(3)))[0] == 200
    # Its row may only be on its way.
    assert await videos.sweep() == 0
    studio.office.ahead += timedelta(days=1, minutes=1)
    await studio.country.order(cloudinary={"error": 500})
    assert await videos.sweep() == 0
    await studio.country.order(cloudinary={"error": 0})
    assert await videos.sweep() == 1
    assert [await studio.held(name) for name in (known, stray, others)] == [True, False, True]


async def test_pages(studio: Studio) -> None:
    browser, office = await studio.office.signed_in(AWA), studio.office
    async with browser.get(PAGE) as shown:
        assert shown.status == 200
        policy = shown.headers["Content-Security-Policy"]
    upload = str(studio.country.address.origin())
    assert f"connect-src 'self' https://api.cloudinary.com {upload};" in policy
    assert "media-src 'self' https://res.cloudinary.com blob:;" in policy
    public_id = await studio.ready()
    async with browser.get(PAGE) as shown:
        page, policy = await shown.text(), shown.headers["Content-Security-Policy"]
    assert "http://cdn.test/cloud/video/upload/" in page
    assert "blob: http://cdn.test;" in policy
    assert 'preload="none"' in page
    assert (await office.form(browser, PAGE, public_id=public_id, act="approved"))[0] == 200
    assert await studio.shown() == public_id
    # Somebody else was faster: the page shows what is so.
    assert (await office.form(browser, PAGE, public_id=public_id, act="approved"))[0] == 200
    assert (await office.form(browser, PAGE, public_id=public_id, act="removed"))[0] == 422
    assert (await office.form(browser, PAGE, public_id="x", act="removed", reason="not here"))[0] == 404
    assert (await office.form(browser, PAGE, public_id=public_id, act="other"))[0] == 400
    assert (await office.form(browser, PAGE, public_id=public_id, act="ask"))[0] == 200
    assert (await studio.row(public_id)).ask_at is not None
    assert (await office.form(browser, PAGE, public_id=public_id, act="removed", reason="the family asked"))[0] == 200
    assert await studio.shown() is None
    async with browser.get(PAGE.replace("07", "99")) as unknown:
        assert unknown.status == 404


async def test_without_an_account_the_page_says_so(database: Any) -> None:
    async with open_office(database.app_url) as office:
        await office.hire(AWA)
        browser = await office.signed_in(AWA, lang="en")
        async with browser.get(f"{PAGE}?lang=en") as shown:
            assert "not turned on" in await shown.text()
        async with browser.post("/api/upload/signature", json=UPLOAD) as answer:
            assert answer.status == 409
        assert await office.videos.step() == 0
        async with browser.post(HOOK, json={}) as answer:
            assert answer.status == 404
