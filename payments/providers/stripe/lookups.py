"""Questions to Stripe about refunds and disputes of charges.

Source: Stripe's API reference (Disputes, Refunds, Events, Pagination), API version 2026-10-28.endive. Lists are newest
first; events are kept for 30 days.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

import stripe
import structlog

from payments.answers import identifier, inner
from payments.provider import FoundReversal, ListedReversal, NotFound, Unavailable
from payments.providers.stripe.answers import CODE, REFUND_ID, intent_of, listed, read_object_of
from payments.providers.stripe.client import StripeCaller
from payments.providers.stripe.reversals import (
    DISPUTE_ID,
    PAYMENT,
    REFUND,
    created_at,
    dispute_reversal,
    named_in,
    refund_reversal,
)

PAGE_SIZE: Final = 100
PAGES_MAX: Final = 100
DISPUTE_EVENTS: Final = "charge.dispute.*"
_log = structlog.get_logger(__name__)


class Listing(Protocol):
    """One list of the SDK's."""

    def __call__(self, client: stripe.StripeClient, /, params: Any) -> Awaitable[object]:  # noqa: ANN401 - typed there
        """One page of it."""


class Lookups:
    """A `ReversalTeller`: disputes, and refunds made outside Spotlight, of one account."""

    _stripe: StripeCaller

    async def reversal(self, number: str) -> FoundReversal | NotFound | Unavailable:
        """`GET /v1/disputes/{id}` or `GET /v1/refunds/{id}`."""
        if DISPUTE_ID.fullmatch(number):
            outcome = await self._stripe.ask(None, "dispute", lambda client: client.v1.disputes.retrieve_async(number))
            found = read_object_of(outcome, "dispute", number)
        elif REFUND_ID.fullmatch(number):
            outcome = await self._stripe.ask(
                None, "refund_past_us", lambda client: client.v1.refunds.retrieve_async(number)
            )
            found = read_object_of(outcome, "refund", number)
        else:
            return NotFound("no number of Stripe's")
        return found if isinstance(found, NotFound | Unavailable) else found_reversal(found)

    async def reversals_since(self, since: datetime) -> Sequence[ListedReversal] | Unavailable:
        """`GET /v1/disputes`, `GET /v1/refunds` but for those of ours, and what `GET /v1/events` has about disputes
        that were opened before."""
        start = int(since.timestamp())
        lists: tuple[tuple[str, Listing], ...] = (
            ("disputes", lambda client, params: client.v1.disputes.list_async(params)),
            ("refunds", lambda client, params: client.v1.refunds.list_async(params)),
            ("events", lambda client, params: client.v1.events.list_async({**params, "type": DISPUTE_EVENTS})),
        )
        latest: dict[str, datetime] = {}
        for what, listing in lists:
            found = await self._all(what, listing, start)
            if isinstance(found, Unavailable):
                return found
            for each in found:
                one = _listed_one(each)
                if one is not None:
                    latest[one.number] = max(one.at, latest.get(one.number, one.at))
        return [ListedReversal(number, at) for number, at in latest.items()]

    async def _all(self, what: str, listing: Listing, start: int) -> list[Mapping[str, Any]] | Unavailable:
        found: list[Mapping[str, Any]] = []
        params: dict[str, Any] = {"created": {"gte": start}, "limit": PAGE_SIZE}
        for _ in range(PAGES_MAX):
            page = listed(await self._stripe.ask(None, f"{what}_list", partial(listing, params=dict(params))))
            if isinstance(page, Unavailable):
                return page
            objects, more = page
            found += objects
            last = identifier(objects[-1].get("id")) if objects else None
            if not more or last is None:
                return found
            params["starting_after"] = last
        _log.error("list_not_read_to_its_end", provider=CODE, list=what, read=len(found))
        return found


def found_reversal(found: Mapping[str, Any]) -> FoundReversal:
    """What a dispute or a refund means, as Stripe answers it."""
    value = dispute_reversal(found, None)
    if found["object"] == "refund":
        value = None if named_in(found, REFUND) else refund_reversal(found, None)
    return FoundReversal(value, named_in(found, PAYMENT), intent_of(found))


def _listed_one(found: Mapping[str, Any]) -> ListedReversal | None:
    """What an object of a list names; None for a refund that we asked for."""
    at = created_at(found)
    if found.get("object") == "event":
        found = inner(found, "data", "object")
    number = identifier(found.get("id"))
    ours = found.get("object") == "refund" and named_in(found, REFUND)
    return None if at is None or number is None or ours else ListedReversal(number, at)
