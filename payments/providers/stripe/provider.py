"""Cards by Stripe Checkout: a page of Stripe's on which the payer types the card; we never see one.

Source: Stripe's API reference (Checkout Sessions, Refunds, Webhooks, Idempotent requests) and the SDK
`stripe` 16.1, API version 2026-10-28.endive, read in November 2026.

| field | what it is |
| --- | --- |
| `Idempotency-Key` | `pay-` or `refund-` and our reference; Stripe repeats the first answer for a day, errors too |
| `client_reference_id` | our reference |
| `metadata` | `payment_id`, `order_code`, and again on the payment intent; of a refund `refund_id`, `payment_id` |
| `unit_amount` | in the currency's smallest unit; XOF and XAF have none, so whole francs |
| `expires_at` | end of the page, seconds since 1970; kept before the first request: a repeat must be the same |
| `payment_intent` | the payment behind a session, `pi_…`; there once the payer has paid, later what refunds name |
| `fingerprint` | of the card that paid, the same for every payment by it in one account; in the expanded charge |
| `Stripe-Signature` | of events, see `payments.providers.stripe.events` |

A declined card ends nothing: the payer tries again on the same page. A session is found again by its
number; where the answer to the creation was lost, among those of these minutes. What is paid may be taken
back for months: events and lists name disputes, and each is asked about.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import Field
from stripe.params import RefundCreateParams
from stripe.params.checkout import SessionCreateParams, SessionListParams

from gateway.http.raw_exchange import RawRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import CURRENCY_OF
from payments.answers import WRONG_CURRENCY, plain_words, shows_life
from payments.http_call import SUBMIT, Outcome
from payments.operator_api import HttpProvider
from payments.provider import (
    Capabilities,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Hint,
    Kind,
    NotFound,
    NotSent,
    PayerReason,
    Recovery,
    Rejected,
    StatusReport,
    Succeeded,
    Unavailable,
)
from payments.providers.stripe.answers import (
    CODE,
    INTENT_ID,
    REFUND_ID,
    SESSION_ID,
    listed,
    lost_session,
    read_creation,
    read_refund,
    read_refund_request,
    read_status,
    refund_report,
    session_report,
)
from payments.providers.stripe.client import StripeCaller
from payments.providers.stripe.events import Origin, origin, read_event
from payments.providers.stripe.lookups import Lookups
from payments.providers.stripe.reversals import PAYMENT, REFUND, named_in, nothing_left, with_others
from payments.registration import BaseUrl, HeaderSecret, OperatorSettings, Registration

# Stripe wants 30 minutes at least; the rest is for repeats, as none may change the end.
SESSION_SECONDS: Final = 2700
SHORTEST_SESSION_SECONDS: Final = 1800
CLOCKS_SECONDS: Final = 120
# At 2, 5, 10, 20 and 31 minutes: events hardly ever fail to come.
LADDER_SECONDS: Final = (120, 180, 300, 600, 660)
MINIMUM_MINOR: Final = {"XOF": 300, "XAF": 300}
"""The least that a card is charged, about half a dollar."""
EXPIRES_AT: Final = "expires_at"
DESCRIPTION_LENGTH_MAX: Final = 120
PAGE_SIZE: Final = 100
PAGES_MAX: Final = 10


class Settings(OperatorSettings):
    """`STRIPE_*`. `secret_key`: `sk_…` or `rk_…`. `webhook_secret`: `whsec_…` of the endpoint
    `/api/webhooks/stripe`; `webhook_secret_before`: the one that it replaces, while both are in force."""

    base_url: BaseUrl = "https://api.stripe.com"
    secret_key: HeaderSecret
    webhook_secret: HeaderSecret
    webhook_secret_before: HeaderSecret | None = None
    status_per_second: int = Field(20, ge=1, le=1000)


class Stripe(Lookups, HttpProvider[Settings]):
    """`PaymentProvider`, `Preparer`, `Prober`, `ReversalTeller` and `Disburser` (refunds only). `clock`: seconds
    since 1970."""

    code = CODE

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        super().__init__(settings)
        self._stripe = StripeCaller(settings.secret_key, settings.base_url, self._caller)
        self._clock = clock
        self._live = "_live_" in settings.secret_key.get_secret_value()

    def capabilities(self, country: str) -> Capabilities:
        """A redirect; orders below what a card may be charged are not taken."""
        return Capabilities(
            kinds=frozenset({Kind.REDIRECT}),
            currencies=frozenset(MINIMUM_MINOR),
            open_seconds=SESSION_SECONDS,
            ladder_seconds=LADDER_SECONDS,
            status_per_second=self._settings.status_per_second,
            phone_needed=False,
            minimum_minor=MINIMUM_MINOR.get(CURRENCY_OF.get(country, ""), max(MINIMUM_MINOR.values())),
            recovery=Recovery.REPEAT_SAME,
            can_refund=True,
            prepares=frozenset({EXPIRES_AT}),
        )

    async def prepare(self, collection: Collection) -> Mapping[str, str] | NotSent:
        """The secrets to store before `create`: when the page ends, so that a repeated request is identical. No call
        is made."""
        return {EXPIRES_AT: str(int(self._clock()) + SESSION_SECONDS)}

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        """`POST /v1/checkout/sessions`; repeated with the same key it returns the same session."""
        ends = _ends(collection)
        if ends is None:
            # One that is made up now would make a repeat differ from what was sent before.
            return NotSent("no end of the page was kept")
        if collection.amount.currency not in MINIMUM_MINOR:
            return WRONG_CURRENCY
        params = _session(collection, ends)
        outcome = await self._stripe.ask(
            collection,
            "session",
            lambda client: client.v1.checkout.sessions.create_async(
                params, {"idempotency_key": f"pay-{collection.reference}"}
            ),
            SUBMIT,
        )
        return read_creation(outcome, collection)

    async def query(self, collection: Collection) -> StatusReport:
        """`GET /v1/checkout/sessions/{id}`, or the list where the session's number is not known."""
        known = collection.provider_reference or ""
        if INTENT_ID.fullmatch(known):
            return await self._query_by_intent(collection, known)
        if not SESSION_ID.fullmatch(known):
            return await self._search(collection)
        outcome = await self._stripe.ask(
            collection,
            "session_status",
            lambda client: client.v1.checkout.sessions.retrieve_async(
                known, {"expand": ["payment_intent.latest_charge"]}
            ),
        )
        return read_status(outcome, collection)

    async def _query_by_intent(self, collection: Collection, intent: str) -> StatusReport:
        """One that was paid before is kept under its payment intent."""
        listing = self._stripe.ask(
            collection,
            "session_of_intent",
            lambda client: client.v1.checkout.sessions.list_async(
                {"payment_intent": intent, "expand": ["data.payment_intent.latest_charge"]}
            ),
        )
        found = listed(await listing)
        if isinstance(found, Unavailable):
            return found
        return session_report(found[0][0], collection) if found[0] else NotFound("no session of the payment intent")

    async def _search(self, collection: Collection) -> StatusReport:
        """Among the sessions of the minutes in which this one can have been made."""
        ends = _ends(collection)
        if ends is None:
            # It is stored before Stripe is called, so without it Stripe was not called.
            return NotFound("no end of the page was kept")
        params: SessionListParams = {
            "created": {
                "gte": ends - SESSION_SECONDS - CLOCKS_SECONDS,
                "lte": ends - SHORTEST_SESSION_SECONDS + CLOCKS_SECONDS,
            },
            "limit": PAGE_SIZE,
            "expand": ["data.payment_intent.latest_charge"],
        }
        for _ in range(PAGES_MAX):
            found = listed(
                await self._stripe.ask(
                    collection, "session_search", lambda client: client.v1.checkout.sessions.list_async(params)
                )
            )
            if isinstance(found, Unavailable):
                return found
            sessions, more = found
            for session in sessions:
                if session.get("client_reference_id") == str(collection.reference):
                    return lost_session(session, collection)
            after = str(sessions[-1].get("id", "")) if sessions else ""
            if not more or not SESSION_ID.fullmatch(after):
                return NotFound("no session of this order")
            params["starting_after"] = after
        return Unavailable("too many sessions to look through")

    async def alive(self) -> bool:
        """`GET /v1/balance`, which every key of an account may read."""
        return shows_life(await self._stripe.ask(None, "balance", lambda client: client.v1.balance.retrieve_async()))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        """What a signed event means. One whose signature is too old, or in the future, is a hint without proof."""
        found = self._origin(request)
        if found is Origin.INVALID:
            return ()
        return read_event(request.body, live=self._live, proves=found is Origin.STRIPE)

    def is_signed(self, request: RawRequest) -> bool:
        """Whether Stripe signed it, now or long ago."""
        return self._origin(request) is not Origin.INVALID

    def is_stale(self, request: RawRequest) -> bool:
        """Whether Stripe signed it at a time that proves nothing now."""
        return self._origin(request) is Origin.LONG_AGO

    def _origin(self, request: RawRequest) -> Origin:
        both = (self._settings.webhook_secret, self._settings.webhook_secret_before)
        secrets = [secret.get_secret_value() for secret in both if secret is not None]
        return origin(request.headers, request.body, secrets, self._clock() if request.at is None else request.at)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        """`POST /v1/refunds`, of the whole payment or a part."""
        collection = disbursement.collection
        if collection is None:
            return Rejected("ONLY_REFUNDS", PayerReason.SERVICE_DOWN, alarm=True)
        intent = await self._intent(collection)
        if not isinstance(intent, str):
            return NotSent(intent.error)
        if not intent:
            return Rejected("NOT_PAID", PayerReason.OTHER, alarm=True)
        params: RefundCreateParams = {
            "payment_intent": intent,
            "amount": disbursement.amount.amount_minor,
            "metadata": {REFUND: str(disbursement.reference), PAYMENT: str(collection.reference)},
        }
        outcome = await self._stripe.ask(
            disbursement,
            "refund",
            lambda client: client.v1.refunds.create_async(
                params, {"idempotency_key": f"refund-{disbursement.reference}"}
            ),
            SUBMIT,
        )
        result = read_refund_request(outcome, disbursement)
        return await self._charged_less(result, disbursement, intent) if nothing_left(result) else result

    async def _charged_less(self, refused: DisburseResult, disbursement: Disbursement, intent: str) -> DisburseResult:
        """Why less is left of the charge than was to be refunded: this very refund, or others."""
        found = listed(await self._list_refunds(disbursement, intent))
        if isinstance(found, Unavailable):
            return NotSent(found.error)
        refunds, more = found
        if more:
            return NotSent("too many refunds to look through")
        return with_others(refused, refunds, disbursement)

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        """`GET /v1/refunds/{id}`, or among the refunds of the payment where the answer was lost."""
        number = disbursement.provider_reference or ""
        if REFUND_ID.fullmatch(number):
            outcome = await self._stripe.ask(
                disbursement,
                "refund_status",
                lambda client: client.v1.refunds.retrieve_async(number),
            )
            return read_refund(outcome)
        if disbursement.collection is None:
            return NotFound("only refunds are made here")
        intent = await self._intent(disbursement.collection)
        if not isinstance(intent, str):
            return intent
        if not intent:
            return NotFound("the payment was never made")
        return await self._search_refund(disbursement, intent)

    async def _search_refund(self, disbursement: Disbursement, intent: str) -> StatusReport:
        """By the reference that we gave with it. A payment has few refunds: one page holds them."""
        found = listed(await self._list_refunds(disbursement, intent))
        if isinstance(found, Unavailable):
            return found
        refunds, more = found
        for refund in refunds:
            if named_in(refund, REFUND) == disbursement.reference:
                return refund_report(refund)
        return Unavailable("too many refunds to look through") if more else NotFound("no such refund of the payment")

    async def _list_refunds(self, disbursement: Disbursement, intent: str) -> Outcome:
        return await self._stripe.ask(
            disbursement,
            "refund_search",
            lambda client: client.v1.refunds.list_async({"payment_intent": intent, "limit": PAGE_SIZE}),
        )

    async def _intent(self, collection: Collection) -> str | Unavailable:
        """The payment intent that was paid; empty where nothing was."""
        known = collection.provider_reference or ""
        if INTENT_ID.fullmatch(known):
            return known
        report = await self.query(collection)
        if isinstance(report, Unavailable):
            return report
        return (report.provider_reference or "") if isinstance(report, Succeeded) else ""


def _ends(collection: Collection) -> int | None:
    kept = collection.secrets.get(EXPIRES_AT, "")
    return int(kept) if kept.isascii() and kept.isdigit() and len(kept) <= len("9999999999") else None


def _session(collection: Collection, ends: int) -> SessionCreateParams:
    """The request, made of nothing but what is stored, so that a repeat is the same."""
    named = {PAYMENT: str(collection.reference), "order_code": collection.order_code}
    bought = plain_words(collection.description, DESCRIPTION_LENGTH_MAX) or collection.order_code
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": collection.amount.currency.lower(),
                    "unit_amount": collection.amount.amount_minor,
                    "product_data": {"name": bought},
                },
            }
        ],
        "client_reference_id": str(collection.reference),
        "metadata": named,
        "payment_intent_data": {"metadata": named, "description": f"{bought} {collection.order_code}"},
        "allowed_payment_method_types": ["card"],
        "adaptive_pricing": {"enabled": False},
        "success_url": collection.return_url,
        "cancel_url": collection.return_url,
        "expires_at": ends,
        "locale": "en" if collection.language == "en" else "fr",
    }


REGISTRATION = Registration(
    CODE,
    Settings,
    Stripe,
    {"CI": (PaymentMethod.CARD,), "CM": (PaymentMethod.CARD,)},
    lambda settings: "_test_" in settings.secret_key.get_secret_value(),
)
