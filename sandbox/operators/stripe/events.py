"""Stripe's events: made, signed, posted to the one address of the account, and repeated until a 2xx.

Source: Stripe's pages on webhooks. Signed is `t`, a dot and the body, by HMAC-SHA256 with the endpoint's
secret; each attempt is signed anew.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import CallbackFaults
from sandbox.operators.stripe.objects import API_VERSION
from sandbox.operators.stripe.wire import new_id

TIMEOUT_SECONDS: Final = 10.0
# Stripe goes on for three days; here a show does not last so long.
REPEAT_SECONDS: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
HELD_BACK_SECONDS: Final = 0.3
EVENTS_KEPT: Final = 5000
SUBSCRIBED: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.closed",
    }
)
"""Events that the merchant's endpoint wants; others stand in `GET /v1/events` only."""
_COPIES: Final = {"none": 0, "twice": 2, "many": 20}
_USER_AGENT: Final = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"


class Events:
    """What happened in the account, and the notices of it."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._count = itertools.count()
        self.kept: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)

    def make(self, kind: str, found: Mapping[str, object], *, forged: bool = False) -> dict[str, Any]:
        """An event about an object as it is now."""
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "data": {"object": dict(found)},
            "livemode": "_live_" in self._context.credentials.get("secret_key", ""),
            "pending_webhooks": 1 if kind in SUBSCRIBED else 0,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        if not forged:
            self.kept.append(event)
        return event

    async def send(self, kind: str, found: Mapping[str, object], *, outgoing: bool = False) -> None:
        """Keep an event and post it, or as the ordered faults say. `outgoing`: about money that leaves."""
        event = self.make(kind, found)
        faults = self._faults(outgoing=outgoing)
        if kind not in SUBSCRIBED:
            return
        held_back = faults.reorder and next(self._count) % 2 == 0
        if delay := faults.delay_ms / 1000 + (HELD_BACK_SECONDS if held_back else 0):
            await asyncio.sleep(delay)
        if faults.mode == "wrong_amount":
            event = _made_greater(event)
        for _ in range(_COPIES.get(faults.mode, 1)):
            await self._post(event, method="PUT" if faults.mode == "put" else "POST")

    def forge_unsigned(self, kind: str, found: Mapping[str, object], *, outgoing: bool = False) -> None:
        """Where it is ordered, post what an impostor would, who does not know the secret."""
        if self._faults(outgoing=outgoing).mode == "forged":
            event = self.make(kind, found, forged=True)
            self._context.courier.spawn(self._attempt_once(event, new_id("whsec")))

    async def forge(self, kind: str, found: Mapping[str, object]) -> None:
        """Post an event of which the account knows nothing, signed with the true secret."""
        secret = self._context.credentials.get("webhook_secret", "")
        await self._attempt(self.make(kind, found, forged=True), "POST", secret)

    def _faults(self, *, outgoing: bool) -> CallbackFaults:
        return (self._context.outgoing_faults if outgoing else self._context.faults).callback

    async def _attempt_once(self, event: Mapping[str, Any], secret: str) -> None:
        await self._attempt(event, "POST", secret)

    async def _post(self, event: Mapping[str, Any], *, method: str) -> None:
        secret = self._context.credentials.get("webhook_secret", "")
        if not await self._attempt(event, method, secret):
            self._context.courier.spawn(self._repeat(event, method, secret))

    async def _repeat(self, event: Mapping[str, Any], method: str, secret: str) -> None:
        for seconds in REPEAT_SECONDS:
            await asyncio.sleep(seconds)
            if await self._attempt(event, method, secret):
                return
        self._context.courier.note(self._context.code, "event given up", "", str(event["id"]))

    async def _attempt(self, event: Mapping[str, Any], method: str, secret: str) -> bool:
        """Whether the merchant took it, or has no address to take it."""
        url = self._context.credentials.get("webhook_url")
        if not url:
            return True
        body = json.dumps(event, indent=2).encode()
        status, _ = await self._context.courier.deliver(
            self._context.code,
            method,
            url,
            body=body,
            content_type="application/json; charset=utf-8",
            headers={"Stripe-Signature": signature(body, secret, int(time.time())), "User-Agent": _USER_AGENT},
            within=TIMEOUT_SECONDS,
        )
        return 200 <= status < 300


def signature(body: bytes, secret: str, signed_at: int) -> str:
    """The header `Stripe-Signature`."""
    signed = hmac.new(secret.encode(), f"{signed_at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={signed_at},v1={signed}"


def _made_greater(event: Mapping[str, Any]) -> dict[str, Any]:
    """The same event with ten times the amount."""
    found = dict(event["data"]["object"])
    found |= {name: found[name] * 10 for name in ("amount_total", "amount") if name in found}
    return {**event, "data": {"object": found}}
