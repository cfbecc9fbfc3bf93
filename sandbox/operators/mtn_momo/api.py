"""MTN MoMo Open API, Collection product, as MTN's sandbox and production answer it; the Disbursement
product is in `mtn_momo_disbursement`.

Sources: MTN's developer portal (callback, testing and common-errors pages), the OpenAPI of the
products, and runs against the public sandbox. Environment `sandbox` speaks EUR, reaches no phone
and finishes every payment by itself, the documented test numbers in their own way; a country's
environment pushes a prompt to the payer's phone.
"""

import contextlib
import time
from dataclasses import replace
from functools import partial
from typing import Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import Approvals, Words
from sandbox.operators.approvals_menu import open_menu
from sandbox.operators.book import AlreadyThere, Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults
from sandbox.operators.mtn_momo.access import Access
from sandbox.operators.mtn_momo.disbursement import Disbursements
from sandbox.operators.mtn_momo.messages import (
    FIRST_TRANSACTION,
    MESSAGE_LENGTH_MAX,
    answered_after,
    asked_status,
    bad_body,
    error,
    logical,
    number_of,
    read_money,
    read_reference,
    refused_before,
    shown,
    too_many,
    wrong_amount,
)
from sandbox.operators.mtn_momo.numbers import (
    ACCOUNT_HOLDER_ANSWERS,
    CURRENCIES,
    DELAYED_NUMBER,
    FAILING_NUMBERS,
    ONGOING_NUMBER,
    is_subscriber,
)
from sandbox.operators.wire import Lottery, RateLimit, answer, pause, read_json, refusals_are_answers

WORDS: Final = Words(
    declined="APPROVAL_REJECTED",
    expired="EXPIRED",
    no_funds="NOT_ENOUGH_FUNDS",
    wrong_pin="PAYMENT_NOT_APPROVED",
    busy="COULD_NOT_PERFORM_TRANSACTION",
    approvals_code="*133#",
    sender="MoMo",
    limit="PAYER_LIMIT_REACHED",
)
PAYER_SECONDS: Final = 300.0


class MtnMomo:
    """The Collection product. State lives in the operators' book; tokens and users in memory."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._access = Access(context)
        self._callbacks = Callbacks(context)
        self._approvals = Approvals(context, WORDS, number_of=number_of, announce=self._announce)
        self._lottery = Lottery()
        self._rate = RateLimit()
        self._disbursements = Disbursements(context, self._access, self._rate)
        self._questions: dict[str, int] = {}
        self._told_early: set[str] = set()

    def application(self) -> web.Application:
        """Everything under `/mtn_momo`."""
        app = web.Application(middlewares=[refusals_are_answers])
        self._access.add_routes(app.router)
        base = "/collection/v1_0"
        app.router.add_post(f"{base}/requesttopay", self.request_to_pay)
        app.router.add_get(f"{base}/requesttopay/{{reference}}", self.show_request)
        app.router.add_post(f"{base}/requesttopay/{{reference}}/deliverynotification", self.notify_delivery)
        app.router.add_get(f"{base}/account/balance", self.show_balance)
        app.router.add_get(f"{base}/account/balance/{{currency}}", self.show_balance)
        for product in ("collection", "disbursement"):
            holder = f"/{product}/v1_0/accountholder/{{kind:msisdn|MSISDN}}/{{number}}/active"
            app.router.add_get(holder, partial(self.show_active, product))
        self._disbursements.add_routes(app.router)
        self._context.phones.serve_code(
            WORDS.approvals_code, partial(open_menu, self._approvals, self._context.merchant)
        )
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._context.book.unfinished(self._context.code):
            self._follow(entry)
        self._disbursements.resume()

    async def request_to_pay(self, request: web.Request) -> web.Response:
        """`POST requesttopay`: 202 with an empty body means queued, never paid."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        user, environment = self._access.check(request, "collection")
        ordered = self._lottery.draw(faults.request)
        refused = refused_before(request, ordered)
        if refused is not None:
            return refused
        entry = await self._read_request(request, user, environment)
        if faults.request.refuse_at_post and entry.msisdn[1:] in FAILING_NUMBERS:
            return logical(500, FAILING_NUMBERS[entry.msisdn[1:]])
        try:
            entry = self._context.book.open(entry)
        except AlreadyThere:
            return logical(409, "RESOURCE_ALREADY_EXIST")
        self._context.courier.concerns(request, entry.msisdn)
        await self._start(entry, faults)
        return answered_after(request, ordered)

    async def _read_request(self, request: web.Request, user: str, environment: str) -> Entry:
        reference = read_reference(request.headers.get("X-Reference-Id", ""))
        callback = self._access.callback_url(request, user)
        try:
            body = await read_json(request)
            order = read_money(body, CURRENCIES[environment], "payer")
        except (ValueError, KeyError, TypeError):
            raise bad_body() from None
        seconds = self._context.faults.expire_after_seconds or PAYER_SECONDS
        return Entry(
            operator=self._context.code,
            our_reference=reference,
            external_id=order["external_id"],
            msisdn=f"+{order['party']}",
            amount=order["amount"],
            currency=order["currency"],
            expires_at=time.time() + seconds,
            details={
                "message": order["message"],
                "note": order["note"],
                "callback": callback,
                "user": user,
                "environment": environment,
            },
        )

    async def _start(self, entry: Entry, faults: Faults) -> None:
        if faults.callback.mode == "forged" and entry.details["callback"]:
            forged = replace(entry, status=Status.SUCCESSFUL, provider_reference=str(FIRST_TRANSACTION))
            self._context.courier.spawn(self._callbacks.send_forged(self._news(forged, faults)))
        self._follow(entry)
        if faults.autopay and faults.callback.mode == "before_answer":
            self._told_early.add(entry.our_reference)
            paid = self._approvals.pay(entry.our_reference)
            if paid is not None:
                await self._tell(paid)

    def _follow(self, entry: Entry) -> None:
        """Let a request run: on a phone, or by itself where the environment reaches no phone."""
        number, courier, faults = entry.msisdn[1:], self._context.courier, self._context.faults
        code = FAILING_NUMBERS.get(number)
        if code is None and entry.details["environment"] != "sandbox":
            code = None if is_subscriber(entry.details["environment"], number) else "PAYER_NOT_FOUND"
        if number == ONGOING_NUMBER:
            return
        if number == DELAYED_NUMBER:
            courier.later(faults.status.delayed_seconds, partial(self._finish_alone, entry, None))
        elif code is not None or entry.details["environment"] == "sandbox":
            courier.later(faults.prompt_delay_ms / 1000, partial(self._finish_alone, entry, code))
        else:
            self._approvals.open(entry)

    def _finish_alone(self, entry: Entry, code: str | None) -> Entry:
        """End a request without a phone; one that is final already stays as it is."""
        known = self._context.book.find(entry.operator, entry.our_reference)
        if known is not None and known.status.is_final:
            return known
        status = Status.FAILED if code else Status.SUCCESSFUL
        done = self._context.book.change(entry, status, reason=code, provider_reference=number_of(entry))
        self._context.courier.spawn(self._tell(done))
        return done

    async def show_request(self, request: web.Request) -> web.Response:
        """`GET requesttopay/{reference}`: a failed payment is HTTP 200 too."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        user, _ = self._access.check(request, "collection")
        if self._context.board.is_down(self._context.code):
            return logical(503, "SERVICE_UNAVAILABLE")
        if not self._rate.admits(self._access.status_limit(faults), user):
            return too_many()
        reference = read_reference(request.match_info["reference"])
        entry = self._context.book.find(self._context.code, reference)
        if entry is None or entry.details["user"] != user:
            return logical(404, "RESOURCE_NOT_FOUND")
        self._context.courier.concerns(request, entry.msisdn)
        return asked_status(self._ask_alone(entry), faults, self._questions)

    def _ask_alone(self, entry: Entry) -> Entry:
        """MTN's sandbox has finished an ordinary number's payment by the first question."""
        waits = entry.msisdn[1:] in (ONGOING_NUMBER, DELAYED_NUMBER)
        if entry.status.is_final or waits or entry.details["environment"] != "sandbox":
            return entry
        return self._finish_alone(entry, FAILING_NUMBERS.get(entry.msisdn[1:]))

    async def notify_delivery(self, request: web.Request) -> web.Response:
        """`POST …/deliverynotification`: a text of the merchant to the payer, after success."""
        await pause(self._context.faults.latency_ms)
        user, _ = self._access.check(request, "collection")
        entry = self._context.book.find(self._context.code, read_reference(request.match_info["reference"]))
        if entry is None or entry.details["user"] != user:
            return logical(404, "RESOURCE_NOT_FOUND")
        if entry.status is not Status.SUCCESSFUL:
            return logical(409, "NOT_SUCCESSFULLY_COMPLETED")
        text = request.headers.get("notificationMessage", "")
        with contextlib.suppress(ValueError):
            body = await read_json(request)
            text = str(body.get("notificationMessage", text)) if isinstance(body, dict) else text
        if not text or len(text) > MESSAGE_LENGTH_MAX:
            return error(400, "BAD_REQUEST", "notificationMessage is missing or too long.")
        self._context.phones.text(entry.msisdn, WORDS.sender, text)
        return web.Response(status=200)

    async def show_balance(self, request: web.Request) -> web.Response:
        """`GET account/balance[/{currency}]`: all that was collected."""
        await pause(self._context.faults.latency_ms)
        _, environment = self._access.check(request, "collection")
        currency = CURRENCIES[environment]
        if request.match_info.get("currency", currency) != currency:
            return logical(500, "INVALID_CURRENCY")
        total = self._context.book.collected_total(self._context.code, currency)
        return answer(200, {"availableBalance": str(total), "currency": currency})

    async def show_active(self, product: str, request: web.Request) -> web.Response:
        """`GET accountholder/msisdn/{number}/active`: whether MTN knows the wallet."""
        await pause(self._context.faults.latency_ms)
        _, environment = self._access.check(request, product)
        number = request.match_info["number"]
        if number in ACCOUNT_HOLDER_ANSWERS:
            status, code = ACCOUNT_HOLDER_ANSWERS[number]
            return logical(status, code) if code else answer(200, {"result": False})
        if environment != "sandbox" and not is_subscriber(environment, number):
            return logical(404, "RESOURCE_NOT_FOUND")
        return answer(200, {"result": True})

    async def _announce(self, entry: Entry) -> None:
        if entry.our_reference not in self._told_early:
            await self._tell(entry)
        self._told_early.discard(entry.our_reference)

    async def _tell(self, entry: Entry) -> None:
        if entry.details["callback"]:
            await self._callbacks.send(self._news(entry, self._context.faults))

    def _news(self, entry: Entry, faults: Faults) -> News:
        body = shown(entry, faults)
        return News(entry.details["callback"], body, wrong_amount(entry, body), entry.msisdn)


SANDBOX = Company("mtn_momo", lambda context: MtnMomo(context).application())
