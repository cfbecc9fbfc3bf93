"""Stripe: Checkout Sessions with their page, payment intents, refunds, disputes, signed events, balance.

Source: Stripe's API reference, version 2026-10-28.endive. The account's own endpoint for events is the
credential `webhook_url`, its secret `webhook_secret`. Nobody's wallet is charged: a card has no phone here.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.stripe.after import Afterwards
from sandbox.operators.stripe.cards import Card
from sandbox.operators.stripe.events import Events
from sandbox.operators.stripe.ledger import DISPUTE, REFUND, Ledger
from sandbox.operators.stripe.objects import charge, dispute, intent, refund, session, session_status
from sandbox.operators.stripe.page import PATH, CheckoutPage
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
    text_at,
    told,
)
from sandbox.operators.wire import (
    Lottery,
    RateLimit,
    cut,
    firewall_page,
    garbage,
    pause,
    refusals_are_answers,
)

DISPUTED_AFTER_SECONDS: Final = 0.5
Make = Callable[[web.Request, Params, RequestFaults], Awaitable[web.Response]]
Show = Callable[[web.Request, Params], Mapping[str, object]]


class Stripe:
    """One account."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._ledger = Ledger(context.book, context.code)
        self._keys = Keys()
        self._events = Events(context)
        self._after = Afterwards(context, self._ledger, self._events, self._keys)
        self._page = CheckoutPage(
            context, self._ledger, pay=self.pay, decline=self.decline, afterwards=self._on_the_page_afterwards
        )
        self._lottery = Lottery()
        self._rate = RateLimit()
        self._questions: dict[str, int] = {}
        self._declines: dict[str, str] = {}
        self._live = "_live_" in context.credentials.get("secret_key", "")

    def application(self) -> web.Application:
        """Everything under `/stripe`."""
        app = web.Application(middlewares=[refusals_are_answers])
        self._page.add_routes(app.router)
        router, sessions = app.router, "/v1/checkout/sessions"
        router.add_post(sessions, self._making(self._create_session, outgoing=False))
        router.add_get(sessions, self._showing(self._list_sessions))
        router.add_get(f"{sessions}/{{id}}", self._showing(self._show_session))
        router.add_post(f"{sessions}/{{id}}/expire", self._changing(self._expire_session))
        router.add_get("/v1/payment_intents/{id}", self._showing(self._show_intent))
        router.add_get("/v1/charges/{id}", self._showing(self._show_charge))
        router.add_post("/v1/refunds", self._making(self._after.create, outgoing=True))
        router.add_get("/v1/refunds", self._showing(self._list_refunds, outgoing=True))
        router.add_get("/v1/refunds/{id}", self._showing(self._show_refund, outgoing=True))
        router.add_get("/v1/disputes", self._showing(self._list_disputes))
        router.add_get("/v1/disputes/{id}", self._showing(self._show_dispute))
        router.add_post("/v1/disputes/{id}", self._changing(self._answer_dispute))
        router.add_post("/v1/disputes/{id}/close", self._changing(self._close_dispute))
        router.add_get("/v1/events", self._showing(self._list_events))
        router.add_get("/v1/balance", self._showing(self._show_balance))
        router.add_post("/forged_event", self._forge)
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._ledger.all():
            self._keys.remember(entry.details["key"], entry.details["fingerprint"], session(entry))
            if not entry.status.is_final:
                self._follow(entry)
        self._after.resume()

    # How a call is met, whatever it is about.

    def _making(self, make: Make, *, outgoing: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A request that makes something, with all that may be ordered to go wrong."""

        async def handle(request: web.Request) -> web.Response:
            faults = self._faults(outgoing=outgoing)
            await pause(faults.latency_ms)
            self._check_key(request)
            params, ordered = await read_params(request), self._lottery.draw(faults.request)
            if (bad := _not_reached(request, ordered)) is not None:
                return bad
            response = await self._keys.once(request, params, lambda: make(request, params, ordered))
            if ordered.drop_after:
                return cut(request)
            return garbage() if ordered.garbage else response

        return handle

    def _showing(self, show: Show, *, outgoing: bool = False) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A question."""

        async def handle(request: web.Request) -> web.Response:
            faults = self._faults(outgoing=outgoing)
            await pause(faults.latency_ms)
            self._check_key(request)
            if self._context.board.is_down(self._context.code, disbursements=outgoing):
                return refused(503, "Stripe is temporarily unavailable.")
            if not self._rate.admits(faults.status.rate_limit_per_second or 0):
                return refused(429, "Request rate limit exceeded.", code="rate_limit")
            shown = show(request, await read_params(request))
            return garbage() if faults.status.garbage else told(200, shown)

        return handle

    def _changing(self, change: Show) -> Callable[[web.Request], Awaitable[web.Response]]:
        """A request that changes what is there already."""

        async def handle(request: web.Request) -> web.Response:
            await pause(self._context.faults.latency_ms)
            self._check_key(request)
            return told(200, change(request, await read_params(request)))

        return handle

    def _faults(self, *, outgoing: bool) -> Faults:
        return self._context.outgoing_faults if outgoing else self._context.faults

    def _check_key(self, request: web.Request) -> None:
        check_key(request, self._context.credentials.get("secret_key"))

    # Sessions.

    async def _create_session(self, request: web.Request, params: Params, ordered: RequestFaults) -> web.Response:
        faults = self._context.faults
        entry = self._ledger.open(
            new_session(
                params,
                self._ledger,
                operator=self._context.code,
                page=f"{request.url.origin()}/{self._context.code}{PATH.removesuffix('/{session}')}",
                live=self._live,
                limit=faults.limit,
                shortened=faults.expire_after_seconds,
                key=request.headers.get("Idempotency-Key", ""),
                mark=fingerprint(request, params),
            )
        )
        self._follow(entry)
        self._events.lie(
            "checkout.session.completed", session(entry) | {"status": "complete", "payment_status": "paid"}
        )
        if faults.autopay or faults.autodecline:
            self._context.courier.later(faults.prompt_delay_ms / 1000, lambda: self._answer_alone(entry))
        return refused(500, ordered.error_500) if ordered.error_500 else told(200, session(entry))

    def _follow(self, entry: Entry) -> None:
        courier = self._context.courier
        if entry.status is Status.PENDING:
            courier.later(self._context.faults.pending_seconds, lambda: self._money_came(entry))
        else:
            courier.later(max(0.0, entry.expires_at - time.time()), lambda: self._expire(entry))

    def _answer_alone(self, entry: Entry) -> None:
        """Pay or decline without the page."""
        if self._context.faults.autodecline:
            self.decline(entry, "card_declined")
        else:
            self._context.courier.spawn(self._pay_alone(entry))

    async def _pay_alone(self, entry: Entry) -> None:
        await self.pay(entry, Card())

    async def pay(self, entry: Entry, card: Card) -> Entry:
        """The card was taken: the money comes now, or takes its time."""
        faults = self._context.faults
        if faults.pending_seconds:
            waiting = self._context.book.change(entry, Status.PENDING)
            self._follow(waiting)
            self._context.courier.spawn(self._events.tell("checkout.session.completed", session(waiting)))
            return waiting
        paid = self._money_came(entry, "checkout.session.completed")
        if card.disputed and paid.status is Status.SUCCESSFUL:
            self._context.courier.later(DISPUTED_AFTER_SECONDS, lambda: self._after.dispute(paid, "fraudulent"))
        return paid

    def _money_came(self, entry: Entry, kind: str = "checkout.session.async_payment_succeeded") -> Entry:
        known = self._ledger.fresh(entry)
        if known.status.is_final:
            return known
        paid = self._context.book.change(
            known, Status.SUCCESSFUL, provider_reference=known.details["intent"], fee=self._context.fee_of(known)
        )
        self._events.make("payment_intent.succeeded", intent(paid))
        self._context.courier.spawn(self._events.tell(kind, session(paid)))
        return paid

    def decline(self, entry: Entry, code: str) -> None:
        """The card was not taken; the page stays open for another one."""
        self._declines[entry.details["session"]] = code
        self._events.make("payment_intent.payment_failed", self._intent(entry))

    def _expire(self, entry: Entry) -> Entry:
        known = self._ledger.fresh(entry)
        if known.status is not Status.INITIATED:
            return known
        ended = self._context.book.change(known, Status.EXPIRED)
        self._context.courier.spawn(self._events.tell("checkout.session.expired", session(ended)))
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
        first = self._context.faults.status.not_found_first
        if first and kind == "checkout.session":
            count = self._questions[number] = self._questions.get(number, 0) + 1
            if count <= first:
                raise missing(kind, number)
        return entry

    def _session(self, request: web.Request) -> Entry:
        return self._found(request, "checkout.session", self._ledger.find(request.match_info["id"]))

    def _show_session(self, request: web.Request, params: Params) -> Mapping[str, object]:
        return self._shown(self._session(request), "payment_intent" in _expanded(params))

    def _shown(self, entry: Entry, whole_intent: bool) -> dict[str, object]:
        shown = session(entry, whole_intent=whole_intent)
        return shown | ({"payment_status": "under_review"} if self._context.faults.status.unknown_word else {})

    def _list_sessions(self, _: web.Request, params: Params) -> Mapping[str, object]:
        whole = "data.payment_intent" in _expanded(params)
        found = [entry for entry in self._ledger.all() if created_within(params, int(entry.created_at))]
        if number := text_at(params, "payment_intent"):
            found = [entry for entry in found if entry.details["intent"] == number]
        if status := text_at(params, "status"):
            found = [entry for entry in found if session_status(entry) == status]
        return listing([self._shown(entry, whole) for entry in found], params, "/v1/checkout/sessions")

    def _expire_session(self, request: web.Request, _: Params) -> Mapping[str, object]:
        entry = self._session(request)
        if entry.status is not Status.INITIATED:
            state = session_status(entry)
            raise fault(f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {state}.')
        return session(self._expire(entry))

    def _intent(self, entry: Entry) -> dict[str, object]:
        code = self._declines.get(entry.details["session"])
        return intent(entry, {"type": "card_error", "code": code} if code else None)

    def _show_intent(self, request: web.Request, _: Params) -> Mapping[str, object]:
        number = request.match_info["id"]
        found = self._ledger.find(number)
        return self._intent(self._found(request, "payment_intent", found if number.startswith("pi_") else None))

    def _show_charge(self, request: web.Request, _: Params) -> Mapping[str, object]:
        number = request.match_info["id"]
        found = self._ledger.find(number)
        is_charge = number.startswith("ch_") and found is not None and found.status is Status.SUCCESSFUL
        entry = self._found(request, "charge", found if is_charge else None)
        return charge(entry, self._ledger.refunded(entry), disputed=self._ledger.is_disputed(entry))

    def _list_refunds(self, _: web.Request, params: Params) -> Mapping[str, object]:
        return self._after.list_refunds(params)

    def _show_refund(self, request: web.Request, _: Params) -> Mapping[str, object]:
        entry = self._found(request, "refund", self._ledger.find(request.match_info["id"], REFUND))
        in_doubt = self._context.outgoing_faults.status.unknown_word
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

    def _answer_dispute(self, request: web.Request, params: Params) -> Mapping[str, object]:
        return dispute(self._after.answer_dispute(self._dispute(request), params))

    def _close_dispute(self, request: web.Request, _: Params) -> Mapping[str, object]:
        return dispute(self._after.decide(self._dispute(request), won=False))

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
        somebody would who knows it."""
        try:
            body = await request.json()
            kind, found = body["type"], body["object"]
        except (ValueError, KeyError, TypeError):
            raise fault("A forged event has a type and an object.") from None
        if not isinstance(kind, str) or not isinstance(found, dict):
            raise fault("A forged event has a type and an object.")
        await self._events.forge(kind, found)
        return told(200, {"object": "event", "type": kind})

    def _show_balance(self, _: web.Request, __: Params) -> Mapping[str, object]:
        held = [{"amount": self._ledger.balance(code.upper()), "currency": code} for code in MINIMUM]
        return {"object": "balance", "available": held, "pending": [], "livemode": self._live}


def _not_reached(request: web.Request, ordered: RequestFaults) -> web.Response | None:
    """Why a request does not arrive at all, where that is ordered."""
    if ordered.drop_before:
        return cut(request)
    if ordered.html:
        return firewall_page()
    if ordered.too_many:
        return refused(429, "Request rate limit exceeded.", code="rate_limit")
    if ordered.error_500 and not ordered.error_500_registered:
        return refused(500, ordered.error_500)
    return None


def _expanded(params: Params) -> frozenset[str]:
    wanted = params.get("expand")
    return frozenset(str(value) for value in wanted.values()) if isinstance(wanted, Mapping) else frozenset()


SANDBOX = Company("stripe", lambda context: Stripe(context).application())
