"""Notifications: what became of an upload, signed, to the address that the upload named or to the account's own.

Source: "Notifications"; a captured body of an `eager` one, which says nothing of the duration. Which answers are
repeated, and how often, is not documented.
"""

import asyncio
import json
import time
import uuid
from typing import Any, Final

from sandbox.company import Context
from sandbox.courier import instant
from sandbox.phones.faults import CloudinaryFaults
from sandbox.services.cloudinary.assets import Asset
from sandbox.services.cloudinary.signing import digest

ANSWER_SECONDS: Final = 10.0
TRIES_MAX: Final = 3
OLD_SECONDS: Final = 3 * 3600


class Notices:
    """Tells the gateway what happened. `describe`: an asset as an answer has it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def _faults(self) -> CloudinaryFaults:
        return self._context.channel.faults.cloudinary

    def uploaded(self, asset: Asset, described: dict[str, Any], addresses: tuple[str, str]) -> None:
        """Tell of an upload and of its derived versions in the background. `addresses`: for each of both; empty for
        none."""
        if self._faults.notification != "none":
            self._context.courier.spawn(self._tell(asset, described, addresses))

    async def _tell(self, asset: Asset, described: dict[str, Any], addresses: tuple[str, str]) -> None:
        faults = self._faults
        about_upload = {
            key: value
            for key, value in described.items()
            if key not in ("eager", "signature") and not (key == "duration" and faults.notification == "no_duration")
        }
        names = {"asset_id": asset.asset_id, "public_id": asset.public_id, "version": asset.version}
        calls = [(addresses[0], {"notification_type": "upload", **about_upload})]
        if asset.eager:
            derived = {"batch_id": uuid.uuid4().hex, "eager": described["eager"], **names}
            calls.append((addresses[1], {"notification_type": "eager", **derived}))
        if faults.notification == "eager_first":
            calls.reverse()
        for address, body in calls * (2 if faults.notification == "twice" else 1):
            await asyncio.sleep(faults.delay_ms / 1000)
            if address:
                await self.send(address, body)

    def removed(self, asset: Asset) -> None:
        """Tell that the account's owner deleted an asset."""
        names = {"public_id": asset.public_id, "asset_id": asset.asset_id, "resource_type": asset.kind}
        body = {"notification_type": "delete", "resources": [{**names, "type": "upload", "version": asset.version}]}
        self._context.courier.spawn(self.send(f"{self._context.gateway}/api/webhooks/cloudinary", body))

    async def send(self, address: str, body: dict[str, Any]) -> None:
        """Call until a 2xx comes, a few times."""
        faults = self._faults
        whole = {**body, "timestamp": instant(), "request_id": uuid.uuid4().hex}
        content = json.dumps(whole, separators=(",", ":")).encode()
        at = int(time.time()) - (OLD_SECONDS if faults.notification == "old" else 0)
        secret = "no secret of ours" if faults.notification == "forged" else self._context.credentials["api_secret"]
        headers = {
            "X-Cld-Timestamp": str(at),
            "X-Cld-Signature": digest(content + str(at).encode(), secret, faults.algorithm),
        }
        for tries in range(TRIES_MAX):
            if tries:
                await asyncio.sleep(faults.repeat_seconds)
            status, _ = await self._context.courier.deliver(
                self._context.code,
                "POST",
                address,
                body=content,
                content_type="application/json",
                within=ANSWER_SECONDS,
                headers=headers,
            )
            if 200 <= status < 300:
                return
