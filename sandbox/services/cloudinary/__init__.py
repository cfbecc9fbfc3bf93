"""Cloudinary: signed uploads from a browser, notifications, a few calls of its Admin API, and delivery.

Source: "Upload API reference", "Admin API reference", "Transformation URL API reference". Derived versions are not
made: a video is delivered as it was uploaded, with a made-up poster; an image in its own size.
"""

import asyncio
import base64
import hmac
import io
import re
import secrets
import time
from collections.abc import Mapping
from typing import IO, Any, Final

from aiohttp import hdrs, web

from sandbox.company import Company, Context, same
from sandbox.courier import instant
from sandbox.services.cloudinary.assets import Asset, Assets, Unreadable, poster_of
from sandbox.services.cloudinary.notices import Notices
from sandbox.services.cloudinary.signing import digest, is_signed, text_to_sign

FILE_BYTES_MAX: Final = 100 * 1024 * 1024
PART_BYTES_MIN: Final = 5 * 1024 * 1024
UNFINISHED_MAX: Final = 4
STALE_SECONDS: Final = 3600
ADMIN_CALLS_AN_HOUR: Final = 500
LISTED_MAX: Final = 500
_KINDS: Final = "{kind:video|image|auto}"
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*|-1)", re.ASCII)
_DELIVERED: Final = re.compile(r"(?:(?P<how>.+)/)?v(?P<version>\d+)/(?P<id>.+)\.(?P<ending>\w+)", re.ASCII)
# Pages of other origins may upload.
_OPEN: Final[dict[str, str]] = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "POST, GET, OPTIONS",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Cache-Control, Content-Disposition, Content-MD5, Content-Range, Content-Type, "
    "DPR, Viewport-Width, X-CSRF-Token, X-Prototype-Version, X-Requested-With, X-Unique-Upload-Id",
    hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: "X-Cld-Error",
}


class Refused(Exception):
    """A call is refused with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> web.Response:
        """As it goes over the wire."""
        headers = {**_OPEN, "X-Cld-Error": re.sub(r"\s+", " ", str(self))[:500]}
        return web.json_response({"error": {"message": str(self)}}, status=self.status, headers=headers)


class Cloudinary:
    """One account and its cloud."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._assets = Assets(context.data_dir / "cloudinary")
        self._notices = Notices(context)
        # Uploads whose parts are coming.
        self._unfinished: dict[str, io.BytesIO] = {}

    def application(self) -> web.Application:
        """Everything under `/cloudinary`."""
        app = web.Application(middlewares=[_refusals_are_answers])
        router = app.router
        router.add_post(f"/v1_1/{{cloud}}/{_KINDS}/upload", self.upload)
        router.add_route(hdrs.METH_OPTIONS, f"/v1_1/{{cloud}}/{_KINDS}/upload", self.allow)
        router.add_post(f"/v1_1/{{cloud}}/{_KINDS}/destroy", self.destroy)
        router.add_get("/v1_1/{cloud}/ping", self.ping)
        router.add_get(f"/v1_1/{{cloud}}/resources/{_KINDS}/upload", self.resources)
        router.add_get(f"/v1_1/{{cloud}}/resources/{_KINDS}/upload/{{id:.+}}", self.resource)
        router.add_delete(f"/v1_1/{{cloud}}/resources/{_KINDS}/upload", self.delete)
        router.add_get(f"/{{cloud}}/{_KINDS}/upload/{{rest:.+}}", self.deliver)
        return app

    def _check_account(self, cloud: str, key: str) -> str:
        """The account's secret. Raises Refused."""
        faults, issued = self._context.channel.faults.cloudinary, self._context.credentials
        if faults.error:
            raise Refused(faults.error, "Ordered")
        if not issued.get("api_secret") or not same(cloud, issued.get("cloud_name")):
            raise Refused(401, f"Invalid cloud_name {cloud}")
        if not same(key, issued.get("api_key")):
            raise Refused(401, f"Unknown API key {key}" if key else "Must supply api_key")
        return issued["api_secret"]

    def _check_signed(self, request: web.Request, given: Mapping[str, str]) -> str:
        """The account's secret, for a call that is signed with it in the last hour. Raises Refused."""
        secret = self._check_account(request.match_info["cloud"], given.get("api_key", ""))
        if not given.get("signature"):
            raise Refused(400, "Upload preset must be specified when using unsigned upload")
        timestamp = given.get("timestamp", "")
        if not re.fullmatch(r"[0-9]{1,11}", timestamp):
            raise Refused(400, "Missing required parameter - timestamp")
        if not is_signed(given, secret):
            text = text_to_sign(given)
            raise Refused(401, f"Invalid Signature {given['signature']}. String to sign - '{text}'.")
        if time.time() - int(timestamp) > STALE_SECONDS:
            reported = instant(int(timestamp))
            raise Refused(400, f"Stale request - reported time is {reported} which is more than 1 hour ago")
        return secret

    async def allow(self, _: web.Request) -> web.Response:
        """What a browser asks before it uploads from a page of another origin."""
        return web.Response(headers={**_OPEN, hdrs.ACCESS_CONTROL_MAX_AGE: "1728000"})

    async def upload(self, request: web.Request) -> web.Response:
        """Take a file, or a part of one."""
        form = await request.post()
        try:
            return await self._take(request, form)
        finally:
            for one in form.values():
                if isinstance(one, web.FileField):
                    one.file.close()

    async def _take(self, request: web.Request, form: Mapping[str, object]) -> web.Response:
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        secret = self._check_signed(request, given)
        file = form.get("file")
        if not isinstance(file, web.FileField):
            # There is nothing outside this country that it could fetch.
            raise Refused(400, f"Error in loading {file!r}" if file else "Missing required parameter - file")
        kind, public_id = request.match_info["kind"], given.get("public_id") or secrets.token_hex(10)
        held = self._assets.find(kind, public_id)
        if held is not None and given.get("overwrite") in ("0", "false"):
            return web.json_response({**self._described(held, secret), "existing": True}, headers=_OPEN)
        whole = file.file if hdrs.CONTENT_RANGE not in request.headers else self._joined(request, file.file)
        if whole is None:
            return web.json_response({"done": False, "public_id": public_id, "kind": "upload"}, headers=_OPEN)
        with whole:
            asset = await asyncio.to_thread(self._keep, kind, public_id, whole, given)
        described = self._described(asset, secret)
        upload_address = given.get("notification_url", "")
        self._notices.uploaded(asset, described, (upload_address, given.get("eager_notification_url", upload_address)))
        return web.json_response(described, headers=_OPEN)

    def _joined(self, request: web.Request, part: IO[bytes]) -> IO[bytes] | None:
        """The whole file after its last part; None before. Raises Refused."""
        found = _RANGE.fullmatch(request.headers[hdrs.CONTENT_RANGE])
        upload_id, content = request.headers.get("X-Unique-Upload-Id", ""), part.read()
        if found is None or not upload_id:
            raise Refused(400, "Invalid Content-Range header or missing X-Unique-Upload-Id")
        first, last = int(found[1]), int(found[2])
        if upload_id not in self._unfinished and len(self._unfinished) >= UNFINISHED_MAX:
            self._unfinished.pop(next(iter(self._unfinished)))
        whole = self._unfinished.setdefault(upload_id, io.BytesIO())
        if first != whole.tell() or last - first + 1 != len(content):
            raise Refused(400, f"Invalid Content-Range: expected a part that begins at {whole.tell()}")
        is_last = found[3] == str(last + 1)
        if not is_last and len(content) < PART_BYTES_MIN:
            raise Refused(400, "All parts except EOF-chunk must be larger than 5mb")
        whole.write(content)
        if is_last or whole.tell() > FILE_BYTES_MAX:
            return self._unfinished.pop(upload_id)
        return None

    def _keep(self, kind: str, public_id: str, file: IO[bytes], given: Mapping[str, str]) -> Asset:
        """Raises Refused."""
        length = file.seek(0, 2)
        file.seek(0)
        if length > FILE_BYTES_MAX:
            raise Refused(400, f"File size too large. Got {length}. Maximum is {FILE_BYTES_MAX}.")
        eager = tuple(one for one in given.get("eager", "").split("|") if one)
        pairs = re.split(r"(?<!\\)\|", given.get("context", ""))
        context = {
            name: re.sub(r"\\([=|])", r"\1", text) for name, _, text in (p.partition("=") for p in pairs) if name
        }
        allowed = [one.strip() for one in given.get("allowed_formats", "").split(",") if one.strip()]
        try:
            asset = self._assets.put(kind, public_id, file, eager, context)
        except Unreadable as error:
            raise Refused(400, str(error)) from None
        if allowed and asset.format not in allowed:
            self._assets.remove(asset.kind, public_id)
            raise Refused(400, f"{asset.kind.capitalize()} file format {asset.format} not allowed")
        return asset

    def _described(self, asset: Asset, secret: str) -> dict[str, Any]:
        """An asset as the answer to its upload has it."""
        base = self._context.credentials.get("delivery_base_url", "")
        place = f"{base}/{self._context.credentials['cloud_name']}/{asset.kind}/upload"
        name = f"v{asset.version}/{asset.public_id}"
        proof = f"public_id={asset.public_id}&version={asset.version}".encode()
        described: dict[str, Any] = {
            "asset_id": asset.asset_id,
            "public_id": asset.public_id,
            "version": asset.version,
            "signature": digest(proof, secret, self._context.channel.faults.cloudinary.algorithm),
            "width": asset.width,
            "height": asset.height,
            "format": asset.format,
            "resource_type": asset.kind,
            "created_at": asset.created_at,
            "bytes": asset.bytes,
            "type": "upload",
            "etag": asset.etag,
            "placeholder": False,
            "secure_url": f"{place}/{name}.{asset.format}",
        }
        if asset.context:
            described["context"] = {"custom": asset.context}
        if asset.kind == "video":
            codecs = {"audio": asset.audio_codec, "video": asset.video_codec}
            described |= {name: {"codec": codec} for name, codec in codecs.items() if codec}
            described |= {"is_audio": asset.video_codec is None, "duration": asset.seconds}
        if asset.eager:
            described["eager"] = [
                {
                    "status": "processing",
                    "transformation": how,
                    "secure_url": f"{place}/{how.partition('/')[0]}/{name}.{how.partition('/')[2] or asset.format}",
                }
                for how in asset.eager
            ]
        return described

    async def destroy(self, request: web.Request) -> web.Response:
        """Delete an asset by a signed call."""
        form = await request.post()
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        self._check_signed(request, given)
        gone = self._assets.remove(request.match_info["kind"], given.get("public_id", ""))
        return web.json_response({"result": "ok" if gone else "not found"})

    def _check_basic(self, request: web.Request) -> str:
        """The account's secret, for a call with key and secret. Raises Refused."""
        scheme, _, sent = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        try:
            key, _, password = base64.b64decode(sent, validate=True).decode().partition(":")
        except ValueError:
            raise Refused(401, "Missing or invalid credentials") from None
        secret = self._check_account(request.match_info["cloud"], key)
        if scheme.lower() != "basic" or not hmac.compare_digest(password.encode(), secret.encode()):
            raise Refused(401, "Invalid credentials")
        return secret

    async def ping(self, request: web.Request) -> web.Response:
        """Whether key and secret are right."""
        self._check_basic(request)
        return web.json_response({"status": "ok"})

    async def resources(self, request: web.Request) -> web.Response:
        """Assets whose ids begin with `prefix`, in pieces of `max_results`."""
        secret, query = self._check_basic(request), request.query
        most, after = query.get("max_results", "10"), query.get("next_cursor", "")
        if not (most.isascii() and most.isdigit() and 1 <= int(most) <= LISTED_MAX):
            raise Refused(400, f"Invalid value for parameter max_results. Given: {most}")
        every = self._assets.all_of(request.match_info["kind"], query.get("prefix", ""))
        left = [asset for asset in every if asset.public_id > after]
        shown = left[: int(most)]
        body: dict[str, Any] = {"resources": [self._described(asset, secret) for asset in shown]}
        for one in body["resources"]:
            one.pop("signature")
        if len(left) > len(shown):
            body["next_cursor"] = shown[-1].public_id
        return web.json_response(body)

    async def resource(self, request: web.Request) -> web.Response:
        """An asset."""
        secret, faults = self._check_basic(request), self._context.channel.faults.cloudinary
        public_id = request.match_info["id"]
        asset = self._assets.find(request.match_info["kind"], public_id)
        if asset is None:
            raise Refused(404, f"Resource not found - {public_id}")
        described = self._described(asset, secret)
        described.pop("signature")
        if time.time() - asset.uploaded < faults.duration_after_ms / 1000:
            described.pop("duration", None)
        headers = {"X-FeatureRateLimit-Limit": str(ADMIN_CALLS_AN_HOUR), "X-FeatureRateLimit-Remaining": "499"}
        return web.json_response(described, headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete assets as the account's owner does in the console; the account's own address is notified."""
        self._check_basic(request)
        kind, deleted = request.match_info["kind"], {}
        for public_id in request.query.getall("public_ids[]", []):
            asset = self._assets.find(kind, public_id)
            deleted[public_id] = "not_found" if asset is None else "deleted"
            if asset is not None:
                self._assets.remove(kind, public_id)
                self._notices.removed(asset)
        return web.json_response({"deleted": deleted, "partial": False})

    async def deliver(self, request: web.Request) -> web.StreamResponse:
        """A file, whole or in part; of a video also its poster."""
        found = _DELIVERED.fullmatch(request.match_info["rest"])
        asset = self._assets.find(request.match_info["kind"], found["id"]) if found else None
        if found is None or asset is None or request.match_info["cloud"] != self._context.credentials.get("cloud_name"):
            raise Refused(404, "Resource not found")
        if asset.kind == "video" and found["ending"] == "jpg":
            return web.Response(body=poster_of(asset), content_type="image/jpeg")
        return web.FileResponse(
            self._assets.content(asset),
            # Whatever was uploaded is delivered in the format that is asked for.
            headers={hdrs.CONTENT_TYPE: f"{asset.kind}/{found['ending'].replace('jpg', 'jpeg')}"},
        )


@web.middleware
async def _refusals_are_answers(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401 - aiohttp's own
    try:
        answer: web.StreamResponse = await handler(request)
    except Refused as refused:
        return refused.answer()
    return answer


SANDBOX = Company(
    "cloudinary",
    lambda context: Cloudinary(context).application(),
    demo={
        "CLOUD_NAME": "demo-cloud",
        "API_KEY": "123456789012345",
        "API_SECRET": "demo-cloudinary-secret",
        "DELIVERY_BASE_URL": "{country}/cloudinary",
    },
)
