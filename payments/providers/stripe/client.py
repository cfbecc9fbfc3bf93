"""Stripe's SDK over our one way to call out.

The SDK forms the requests: paths, nested form fields, version, idempotency key. The answer goes past it
and is read by `payments.providers.stripe.answers` like every operator's, because the SDK raises what it likes for
bodies that are no answer of Stripe's, and its errors repeat what stood in them.

Source: `stripe` 16.1 (`stripe.HTTPClient`, `stripe.StripeClient`), API version 2026-10-28.endive.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import stripe
from pydantic import SecretStr

from payments.http_call import STATUS, HttpCaller, Outcome, Timeouts
from payments.provider import Collection, Disbursement, Unknown

# Else the SDK keeps a number for this machine under the home directory and sends it with every call.
stripe.enable_telemetry = False

LIST_BYTES_MAX: Final = 1 << 20
"""A page of a list holds a hundred objects of several kilobytes."""
HEADERS_DROPPED: Final = frozenset({"x-stripe-client-user-agent"})
"""Headers of the SDK that only describe our machine."""


class _Carrier(stripe.HTTPClient):
    """Sends one request of the SDK. The result is in `outcome`; the SDK gets an empty answer."""

    name = "spotlight"

    def __init__(self, caller: HttpCaller, what: str, timeouts: Timeouts, reference: str) -> None:
        super().__init__()
        self._caller = caller
        self._what = what
        self._timeouts = timeouts
        self._reference = reference
        self.outcome: Outcome = Unknown("NoRequest")

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send once, within our own timeouts."""
        self.outcome = await self._caller.call(
            method.upper(),
            url,
            what=self._what,
            timeouts=self._timeouts,
            reference=self._reference,
            headers={name: value for name, value in headers.items() if name.lower() not in HEADERS_DROPPED},
            bytes_max=LIST_BYTES_MAX,
            content=post_data,
        )
        return b"{}", 200, {}


class StripeCaller:
    """Calls one Stripe account, on whichever platform a payment belongs to, else on `base_url`."""

    def __init__(self, secret_key: SecretStr, base_url: str, caller: HttpCaller) -> None:
        self._secret_key = secret_key
        self._base_url = base_url
        self._caller = caller

    async def ask(
        self,
        of: Collection | Disbursement | None,
        what: str,
        request: Callable[[stripe.StripeClient], Awaitable[object]],
        timeouts: Timeouts = STATUS,
    ) -> Outcome:
        """What came of one request that `request` makes of the SDK. `what` names it in the log.

        It is sent once: repeats are the service's, under the same idempotency key."""
        carrier = _Carrier(self._caller, what, timeouts, str(of.reference) if of else "")
        client = stripe.StripeClient(
            self._secret_key.get_secret_value(),
            base_addresses={"api": ((of.base_url if of else None) or self._base_url).rstrip("/")},
            max_network_retries=0,
            http_client=carrier,
        )
        await request(client)
        return carrier.outcome
