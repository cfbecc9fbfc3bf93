"""Stripe: Checkout Sessions with their page, payment intents, refunds, disputes, signed events, balance.

Source: Stripe's API reference, version 2026-10-28.endive. The account's own endpoint for events is the
credential `webhook_url`, its secret `webhook_secret`. No wallet is charged: a card has no phone here.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext
from sandbox.operators.pipeline import Calls
from sandbox.operators.stripe.after import Afterwards
from sandbox.operators.stripe.events import Events
from sandbox.operators.stripe.objects import (
    DISPUTE,
    REFUND,
    Ledger,
    card_fingerprint,
    charge,
    dispute,
    intent,
    refund,
    session,
    session_status,
)
from sandbox.operators.stripe.page import PATH, Card, CheckoutPage
from sandbox.operators.stripe.sessions import MINIMUM, new_session
from sandbox.operators.stripe.wire import (
    Keys,
    Params,
    check_key,
    created_within,
    fault,
    fingerprint,
    listing,
    missing,
    read_params,
    refused,
    reply,
    text_at,
)
from sandbox.operators.wire import cut, garbage, served

DISPUTED_AFTER_SECONDS: Final = 0.5
Handler = Callable[[web.Request], Awaitable[web.Response]]
Make = Callable[[web.Request, Params], Awaitable[web.Response]]
Show = Callable[[web.Request, Params], Mapping[str, object]]


class _StripeCalls(Calls):
    """How Stripe refuses, whatever a call is about."""

    def check(self, request: web.Request) -> str:
        check_key(request, self.context.credentials.get("secret_key"))
        return ""

    def broken(self, code: str) -> web.Response:
        return refused(500, code)

    def too_many(self) -> web.Response:
        return refused(429, "Request rate limit exceeded.", code="rate_limit")

    def unavailable(self) -> web.Response:
        return refused(503, "Stripe is temporarily unavailable.")

    def making(self, keys: Keys, make: Make) -> Handler:
        """A request that makes something, with all that may be ordered to go wrong."""

        async def handle(request: web.Request) -> web.Response:
            await self.enter(request)
            params, ordered = await read_params(request), self.draw()
            stopped = self.stop(request, ordered)
            if stopped is not None:
                return stopped

            async def carry_out() -> web.Response:
                # The key keeps an error of Stripe's own, too.
                response = await make(request, params)
                return self.broken(ordered.error_500) if ordered.error_500 else response

            response = await keys.once(request, params, carry_out)
            if ordered.drop_after:
                return cut(request)
            return garbage() if ordered.garbage else response

        return handle

    def showing(self, show: Show) -> Handler:
        """A question."""

        async def handle(request: web.Request) -> web.Response:
            await self.enter_question(request)
            shown = show(request, await read_params(request))
            return garbage() if self.faults.status.garbage else reply(200, shown)

        return handle


class _RefundCalls(_StripeCalls):
    """Calls about money that leaves."""

    outgoing = True


class _Stripe(_StripeCalls):
    """One account."""

    def __init__(self, context: OperatorContext) -> None:
        super().__init__(context)
        self._ledger = Ledger(context.book, context.code)
        self._keys = Keys()
        self._events = Events(context)
        self._after = Afterwards(context, self._ledger, self._events, self._keys)
        self._page = CheckoutPage(
            context, self._ledger, pay=self.pay, decline=self.decline, afterwards=self._on_the_page_afterwards
        )
        self._declines: dict[str, str] = {}
        self._cards: dict[str, str] = {}
        self._live = "_live_" in context.credentials.get("secret_key", "")

    def application(self) -> web.Application:
        """Everything under `/stripe`."""
        app, refunds = served(self._resume), _RefundCalls(self.context, self._rate)
        self._page.add_routes(app.router)
        router, sessions = app.router, "/v1/checkout/sessions"
        router.add_post(sessions, self.making(self._keys, self._create_session))
        router.add_get(sessions, self.showing(self._list_sessions))
        router.add_get(f"{sessions}/{{id}}", self.showing(self._show_session))
        router.add_post("/v1/refunds", refunds.making(self._keys, self._after.create))
        router.add_get("/v1/refunds", refunds.showing(self._list_refunds))
        router.add_get("/v1/refunds/{id}", refunds.showing(self._show_refund))
        router.add_get("/v1/disputes", self.showing(self._list_disputes))
        router.add_get("/v1/disputes/{id}", self.showing(self._show_dispute))
        router.add_get("/v1/events", self.showing(self._list_events))
        router.add_get("/v1/balance", self.showing(self._show_balance))
        router.add_post("/forged_event", self._forge)
        return app

    def _resume(self) -> None:
        for entry in self._ledger.all():
            self._keys.remember(entry.details["key"], entry.details["fingerprint"], session(entry))
            if not entry.status.is_final:
                self._follow(entry)
        self._after.resume()

    # Sessions.

    async def _create_session(self, request: web.Request, params: Params) -> web.Response:
        faults = self.faults
        entry = self._ledger.open(
            new_session(
                params,
                self._ledger,
                operator=self.code,
                page=f"{request.url.origin()}/{self.context.code}{PATH.removesuffix('/{session}')}",
                live=self._live,
                limit=faults.limit,
                shortened=faults.expire_after_seconds,
                key=request.headers.get("Idempotency-Key", ""),
                mark=fingerprint(request, params),
            )
        )
        self._follow(entry)
        self._events.forge_unsigned(
            "checkout.session.completed", session(entry) | {"status": "complete", "payment_status": "paid"}
        )
        if faults.autopay or faults.autodecline:
            self.context.courier.later(faults.prompt_delay_ms / 1000, lambda: self._answer_alone(entry))
        return reply(200, session(entry))

    def _follow(self, entry: Entry) -> None:
        courier = self.context.courier
        if entry.status is Status.PENDING:
            courier.later(self.faults.pending_seconds, lambda: self._money_came(entry))
        else:
            courier.later(max(0.0, entry.expires_at - time.time()), lambda: self._expire(entry))

    def _answer_alone(self, entry: Entry) -> None:
        """Pay or decline without the page."""
        if self.faults.autodecline:
            self.decline(entry, "card_declined")
        else:
            self.context.courier.spawn(self._pay_alone(entry))

    async def _pay_alone(self, entry: Entry) -> None:
        await self.pay(entry, Card())

    async def pay(self, entry: Entry, card: Card) -> Entry:
        """The card was taken: the money comes now, or takes its time."""
        faults = self.faults
        self._cards[entry.details["session"]] = card.number
        if faults.pending_seconds:
            waiting = self.book.change(entry, Status.PENDING)
            self._follow(waiting)
            self.context.courier.spawn(self._events.send("checkout.session.completed", session(waiting)))
            return waiting
        paid = self._money_came(entry, "checkout.session.completed")
        if card.disputed and paid.status is Status.SUCCESSFUL:
            self.context.courier.later(DISPUTED_AFTER_SECONDS, lambda: self._after.dispute(paid, "fraudulent"))
        return paid

    def _money_came(self, entry: Entry, kind: str = "checkout.session.async_payment_succeeded") -> Entry:
        known = self._ledger.fresh(entry)
        if known.status.is_final:
            return known
        paid = self.book.change(
            known, Status.SUCCESSFUL, provider_reference=known.details["intent"], fee=self.context.fee_of(known)
        )
        self._events.make("payment_intent.succeeded", intent(paid))
        self.context.courier.spawn(self._events.send(kind, session(paid)))
        return paid

    def decline(self, entry: Entry, code: str) -> None:
        """The card was not taken; the page stays open for another one."""
        self._declines[entry.details["session"]] = code
        self._events.make("payment_intent.payment_failed", self._intent(entry))

    def _expire(self, entry: Entry) -> Entry:
        known = self._ledger.fresh(entry)
        if known.status is not Status.INITIATED:
            return known
        ended = self.book.change(known, Status.EXPIRED)
        self.context.courier.spawn(self._events.send("checkout.session.expired", session(ended)))
        return ended

    def _on_the_page_afterwards(self, entry: Entry, action: str) -> None:
        if action == "dispute":
            self._after.dispute(entry, "fraudulent")
        elif action in ("dispute_won", "dispute_lost"):
            self._after.decide_of(entry, won=action == "dispute_won")
        else:
            self._after.give_back_past_the_merchant(entry)

    # Questions. Each raises Refusal for a number that is not there.

    def _found(self, request: web.Request, kind: str, entry: Entry | None) -> Entry:
        number = request.match_info["id"]
        if entry is None:
            raise missing(kind, number)
        if kind == "checkout.session" and self.hides(number):
            raise missing(kind, number)
        return entry

    def _session(self, request: web.Request) -> Entry:
        return self._found(request, "checkout.session", self._ledger.find(request.match_info["id"]))

    def _show_session(self, request: web.Request, params: Params) -> Mapping[str, object]:
        return self._shown(self._session(request), _expanded(params, "payment_intent"))

    def _shown(self, entry: Entry, expanded: str | None) -> dict[str, object]:
        shown = session(entry, whole_intent=expanded is not None)
        if expanded == "latest_charge" and entry.status is Status.SUCCESSFUL:
            shown["payment_intent"] = self._with_charge(entry)
        return shown | ({"payment_status": "under_review"} if self.faults.status.unknown_word else {})

    def _with_charge(self, entry: Entry) -> dict[str, object]:
        """The payment intent with its charge, which shows what tells the card from others."""
        number = self._cards.get(entry.details["session"], "")
        card = {"brand": "visa", "fingerprint": card_fingerprint(number), "last4": number[-4:]}
        made = charge(entry, 0, disputed=False) | {"payment_method_details": {"type": "card", "card": card}}
        return intent(entry) | {"latest_charge": made}

    def _list_sessions(self, _: web.Request, params: Params) -> Mapping[str, object]:
        whole = _expanded(params, "data.payment_intent")
        found = [entry for entry in self._ledger.all() if created_within(params, int(entry.created_at))]
        if number := text_at(params, "payment_intent"):
            found = [entry for entry in found if entry.details["intent"] == number]
        if status := text_at(params, "status"):
            found = [entry for entry in found if session_status(entry) == status]
        return listing([self._shown(entry, whole) for entry in found], params, "/v1/checkout/sessions")

    def _intent(self, entry: Entry) -> dict[str, object]:
        code = self._declines.get(entry.details["session"])
        return intent(entry, {"type": "card_error", "code": code} if code else None)

    def _list_refunds(self, _: web.Request, params: Params) -> Mapping[str, object]:
        return self._after.list_refunds(params)

    def _show_refund(self, request: web.Request, _: Params) -> Mapping[str, object]:
        entry = self._found(request, "refund", self._ledger.find(request.match_info["id"], REFUND))
        in_doubt = self.context.outgoing_faults.status.unknown_word
        return refund(entry) | ({"status": "under_review"} if in_doubt else {})

    def _list_disputes(self, _: web.Request, params: Params) -> Mapping[str, object]:
        found = [entry for entry in self._ledger.all(DISPUTE) if created_within(params, int(entry.created_at))]
        if number := text_at(params, "payment_intent"):
            found = [entry for entry in found if entry.details["intent"] == number]
        return listing([dispute(entry) for entry in found], params, "/v1/disputes")

    def _dispute(self, request: web.Request) -> Entry:
        return self._found(request, "dispute", self._ledger.find(request.match_info["id"], DISPUTE))

    def _show_dispute(self, request: web.Request, _: Params) -> Mapping[str, object]:
        return dispute(self._dispute(request))

    def _list_events(self, _: web.Request, params: Params) -> Mapping[str, object]:
        kind = text_at(params, "type")
        group = kind.removesuffix("*") if kind.endswith(".*") else None
        found = [event for event in self._events.kept if kind in ("", event["type"])]
        if group is not None:
            found = [event for event in self._events.kept if event["type"].startswith(group)]
        found = [event for event in found if created_within(params, int(event["created"]))]
        return listing(found, params, "/v1/events")

    async def _forge(self, request: web.Request) -> web.Response:
        """Not Stripe's: `{"type", "object"}`, posted as an event that is signed with the endpoint's own secret, as
        by a caller who knows it."""
        try:
            body = await request.json()
            kind, found = body["type"], body["object"]
        except (ValueError, KeyError, TypeError):
            raise fault("A forged event has a type and an object.") from None
        if not isinstance(kind, str) or not isinstance(found, dict):
            raise fault("A forged event has a type and an object.")
        await self._events.forge(kind, found)
        return reply(200, {"object": "event", "type": kind})

    def _show_balance(self, _: web.Request, __: Params) -> Mapping[str, object]:
        held = [{"amount": self._ledger.balance(code.upper()), "currency": code} for code in MINIMUM]
        return {"object": "balance", "available": held, "pending": [], "livemode": self._live}


def _expanded(params: Params, name: str) -> str | None:
    """What is expanded below the object of this name, empty for itself alone; None where it is not expanded."""
    wanted = params.get("expand")
    values = map(str, wanted.values()) if isinstance(wanted, Mapping) else ()
    return next((rest.removeprefix(".") for one in values if (rest := one.removeprefix(name)) != one), None)


SANDBOX = Company(
    "stripe",
    lambda context: _Stripe(context).application(),
    demo={
        "SECRET_KEY": "sk_test_demo",
        "WEBHOOK_SECRET": "whsec_demo",
        "WEBHOOK_URL": "{gateway}/api/webhooks/stripe",
    },
)
