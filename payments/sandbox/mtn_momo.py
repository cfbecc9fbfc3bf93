"""MTN MoMo Open API, Collection product, as MTN's sandbox and production answer it.

Sources: MTN's developer portal (callback, testing and common-errors pages), the OpenAPI of the
products, and runs against the public sandbox. Environment `sandbox` speaks EUR, reaches no phone
and finishes every payment by itself, the documented test numbers in their own way; a country's
environment pushes a prompt to the payer's phone.
"""

import contextlib
import re
import time
from dataclasses import replace
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from aiohttp import web

from payments.sandbox.approvals import Approvals, Words
from payments.sandbox.approvals_menu import open_menu
from payments.sandbox.book import AlreadyThere, Entry, Status
from payments.sandbox.callbacks import Callbacks, News
from payments.sandbox.faults import Faults, RequestFaults
from payments.sandbox.mtn_momo_access import Access, error
from payments.sandbox.mtn_momo_numbers import ACCOUNT_HOLDER_ANSWERS, CURRENCIES, FAILING_NUMBERS, is_subscriber
from payments.sandbox.surroundings import Operator, Surroundings
from payments.sandbox.wire import (
    Lottery,
    RateLimit,
    Refusal,
    answer,
    cut,
    firewall_page,
    pause,
    read_json,
    refusals_are_answers,
)

WORDS: Final = Words(
    declined="APPROVAL_REJECTED",
    expired="EXPIRED",
    no_funds="NOT_ENOUGH_FUNDS",
    wrong_pin="PAYMENT_NOT_APPROVED",
    busy="COULD_NOT_PERFORM_TRANSACTION",
    approvals_code="*133#",
    sender="MoMo",
)
PAYER_SECONDS: Final = 300.0
ONGOING_NUMBER: Final = "46733123453"
DELAYED_NUMBER: Final = "46733123454"
MESSAGE_LENGTH_MAX: Final = 160

_MESSAGES: Final = MappingProxyType(
    {
        "RESOURCE_ALREADY_EXIST": "Duplicated reference id. Creation of resource failed.",
        "RESOURCE_NOT_FOUND": "Requested resource was not found.",
        "INVALID_CURRENCY": "Currency not supported.",
        "INVALID_CALLBACK_URL_HOST": "Callback URL with different host name then configured for API user.",
        "PAYER_NOT_FOUND": "Payer not found.",
        "SERVICE_UNAVAILABLE": "Service temporarily unavailable, try again later",
        "APPROVAL_REJECTED": "The approver rejected the payment.",
        "EXPIRED": "The payment expired before it was approved.",
        "NOT_ENOUGH_FUNDS": "The payer does not have enough funds.",
        "INTERNAL_PROCESSING_ERROR": "An internal error occurred while processing.",
        "NOT_SUCCESSFULLY_COMPLETED": "The transaction is not successfully completed.",
    }
)
_FIRST_TRANSACTION: Final = 1_400_000_000
_DECIMALS: Final = re.compile(r"\d{1,10}(\.\d{1,2})?")
_WHOLE: Final = re.compile(r"\d{1,12}")


def logical(status: int, code: str) -> web.Response:
    """An answer with MTN's error code; logical mistakes come as HTTP 500."""
    return error(status, code, _MESSAGES.get(code, code.replace("_", " ").capitalize()))


class MtnMomo:
    """The Collection product. State lives in the operators' book; tokens and users in memory."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._access = Access(around)
        self._callbacks = Callbacks(around)
        self._approvals = Approvals(
            around, WORDS, number_of=lambda entry: str(_FIRST_TRANSACTION + entry.number), announce=self._announce
        )
        self._lottery = Lottery()
        self._rate = RateLimit()
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
        app.router.add_get(f"{base}/accountholder/{{kind:msisdn|MSISDN}}/{{number}}/active", self.show_active)
        self._around.handsets.serve_code(
            WORDS.approvals_code, partial(open_menu, self._approvals, self._around.merchant)
        )
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._around.book.unfinished(self._around.code):
            self._follow(entry)

    async def request_to_pay(self, request: web.Request) -> web.Response:
        """`POST requesttopay`: 202 with an empty body means queued, never paid."""
        faults = self._around.faults
        await pause(faults.latency_ms)
        user, environment = self._access.check(request, "collection")
        ordered = self._lottery.draw(faults.request)
        refused = _ordered_refusal(request, ordered)
        if refused is not None:
            return refused
        entry = await self._read_request(request, user, environment)
        if faults.request.refuse_at_post and entry.msisdn[1:] in FAILING_NUMBERS:
            return logical(500, FAILING_NUMBERS[entry.msisdn[1:]])
        try:
            entry = self._around.book.open(entry)
        except AlreadyThere:
            return logical(409, "RESOURCE_ALREADY_EXIST")
        self._around.courier.concerns(request, entry.msisdn)
        await self._start(entry, faults)
        if ordered.drop_after:
            return cut(request)
        return logical(500, ordered.error_500) if ordered.error_500 else web.Response(status=202)

    async def _read_request(self, request: web.Request, user: str, environment: str) -> Entry:
        reference = _reference(request.headers.get("X-Reference-Id", ""))
        callback = self._callback_url(request, user)
        try:
            body = await read_json(request)
            order = _order(body, CURRENCIES[environment])
        except (ValueError, KeyError, TypeError):
            raise Refusal(error(400, "BAD_REQUEST", "The request body is not valid.")) from None
        if "&" in order["message"] + order["note"] or "'" in order["message"] + order["note"]:
            raise Refusal(firewall_page())
        if order["currency"] != CURRENCIES[environment]:
            raise Refusal(logical(500, "INVALID_CURRENCY"))
        seconds = self._around.faults.expire_after_seconds or PAYER_SECONDS
        return Entry(
            operator=self._around.code,
            our_reference=reference,
            external_id=order["external_id"],
            msisdn=f"+{order['payer']}",
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

    def _callback_url(self, request: web.Request, user: str) -> str:
        url = request.headers.get("X-Callback-Url")
        if url is None:
            return ""
        parts = urlsplit(url) if url.isascii() else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refusal(error(400, "INVALID_CALLBACK_URL", "X-Callback-Url is not a valid URL."))
        registered = self._access.callback_host(user)
        if registered and parts.hostname != registered:
            raise Refusal(logical(500, "INVALID_CALLBACK_URL_HOST"))
        return url

    async def _start(self, entry: Entry, faults: Faults) -> None:
        if faults.callback.mode == "forged" and entry.details["callback"]:
            forged = replace(entry, status=Status.SUCCESSFUL, provider_reference=str(_FIRST_TRANSACTION))
            self._around.courier.spawn(self._callbacks.send_forged(self._news(forged, faults)))
        self._follow(entry)
        if faults.autopay and faults.callback.mode == "before_answer":
            self._told_early.add(entry.our_reference)
            paid = self._approvals.pay(entry.our_reference)
            if paid is not None:
                await self._tell(paid)

    def _follow(self, entry: Entry) -> None:
        """Let a request run: on a phone, or by itself where the environment reaches no phone."""
        number, courier, faults = entry.msisdn[1:], self._around.courier, self._around.faults
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
        known = self._around.book.find(entry.operator, entry.our_reference)
        if known is not None and known.status.is_final:
            return known
        status = Status.FAILED if code else Status.SUCCESSFUL
        done = self._around.book.change(
            entry, status, reason=code, provider_reference=str(_FIRST_TRANSACTION + entry.number)
        )
        self._around.courier.spawn(self._tell(done))
        return done

    async def show_request(self, request: web.Request) -> web.Response:
        """`GET requesttopay/{reference}`: a failed payment is HTTP 200 too."""
        faults = self._around.faults
        await pause(faults.latency_ms)
        user, _ = self._access.check(request, "collection")
        if self._around.board.is_down(self._around.code):
            return logical(503, "SERVICE_UNAVAILABLE")
        if not self._rate.admits(faults.status.rate_limit_per_second):
            body = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}
            return answer(429, body, {"Retry-After": "1"})
        reference = _reference(request.match_info["reference"])
        entry = self._around.book.find(self._around.code, reference)
        if entry is None or entry.details["user"] != user:
            return logical(404, "RESOURCE_NOT_FOUND")
        self._around.courier.concerns(request, entry.msisdn)
        if faults.status.not_found_first:
            self._questions[reference] = self._questions.get(reference, 0) + 1
            if self._questions[reference] <= faults.status.not_found_first:
                return logical(404, "RESOURCE_NOT_FOUND")
        entry = self._ask_alone(entry)
        shown = _shown(entry, faults)
        return answer(200, {**shown, "status": "IN_REVIEW"} if faults.status.unknown_word else shown)

    def _ask_alone(self, entry: Entry) -> Entry:
        """MTN's sandbox has finished an ordinary number's payment by the first question."""
        waits = entry.msisdn[1:] in (ONGOING_NUMBER, DELAYED_NUMBER)
        if entry.status.is_final or waits or entry.details["environment"] != "sandbox":
            return entry
        return self._finish_alone(entry, FAILING_NUMBERS.get(entry.msisdn[1:]))

    async def notify_delivery(self, request: web.Request) -> web.Response:
        """`POST …/deliverynotification`: a text of the merchant to the payer, after success."""
        await pause(self._around.faults.latency_ms)
        user, _ = self._access.check(request, "collection")
        entry = self._around.book.find(self._around.code, _reference(request.match_info["reference"]))
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
        self._around.handsets.text(entry.msisdn, WORDS.sender, text)
        return web.Response(status=200)

    async def show_balance(self, request: web.Request) -> web.Response:
        """`GET account/balance[/{currency}]`: all that was collected."""
        await pause(self._around.faults.latency_ms)
        _, environment = self._access.check(request, "collection")
        currency = CURRENCIES[environment]
        if request.match_info.get("currency", currency) != currency:
            return logical(500, "INVALID_CURRENCY")
        total = self._around.book.collected_total(self._around.code, currency)
        return answer(200, {"availableBalance": str(total), "currency": currency})

    async def show_active(self, request: web.Request) -> web.Response:
        """`GET accountholder/msisdn/{number}/active`: whether MTN knows the wallet."""
        await pause(self._around.faults.latency_ms)
        _, environment = self._access.check(request, "collection")
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
            await self._callbacks.send(self._news(entry, self._around.faults))

    def _news(self, entry: Entry, faults: Faults) -> News:
        body = _shown(entry, faults)
        wrong = {**body, "amount": str(Decimal(entry.amount) * 10)}
        return News(entry.details["callback"], body, wrong, entry.msisdn)


def _ordered_refusal(request: web.Request, ordered: RequestFaults) -> web.Response | None:
    if ordered.drop_before:
        return cut(request)
    if ordered.html:
        return firewall_page()
    if ordered.error_500 and not ordered.error_500_registered:
        return logical(500, ordered.error_500)
    return None


def _reference(text: str) -> str:
    """A UUID version 4 in canonical form; others are refused with 400."""
    try:
        found = UUID(text)
    except ValueError:
        raise Refusal(error(400, "INVALID_REFERENCE_ID", "X-Reference-Id is not a UUID.")) from None
    if found.version != 4 or str(found) != text.lower():
        raise Refusal(error(400, "INVALID_REFERENCE_ID", "X-Reference-Id is not a UUID version 4."))
    return str(found)


def _order(body: object, currency: str) -> dict[str, str]:
    """The fields of a request body. Raises ValueError, KeyError or TypeError for a wrong one."""
    if not isinstance(body, dict):
        raise TypeError("not an object")
    payer = body["payer"]
    order = {
        "amount": body["amount"],
        "currency": body["currency"],
        "external_id": body.get("externalId", ""),
        "payer": payer["partyId"],
        "message": body.get("payerMessage", ""),
        "note": body.get("payeeNote", ""),
    }
    if not all(isinstance(value, str) for value in order.values()) or payer["partyIdType"] != "MSISDN":
        raise TypeError("a field has the wrong type")
    pattern = _DECIMALS if currency == "EUR" else _WHOLE
    if not pattern.fullmatch(order["amount"]) or Decimal(order["amount"]) <= 0:
        raise ValueError("amount")
    if not re.fullmatch(r"[1-9]\d{6,14}", order["payer"], re.ASCII):
        raise ValueError("partyId")
    if max(len(order["message"]), len(order["note"])) > MESSAGE_LENGTH_MAX:
        raise ValueError("payerMessage")
    return order


def _shown(entry: Entry, faults: Faults) -> dict[str, object]:
    """A request as status and callback show it."""
    shown: dict[str, object] = {"amount": entry.amount, "currency": entry.currency}
    if faults.status.amount_as_number:
        shown["amount"] = float(entry.amount) if "." in entry.amount else int(entry.amount)
    if entry.status is not Status.PENDING:
        shown["financialTransactionId"] = entry.provider_reference
    shown |= {
        "externalId": entry.external_id,
        "payer": {"partyIdType": "MSISDN", "partyId": entry.msisdn[1:]},
        "payerMessage": entry.details["message"],
        "payeeNote": entry.details["note"],
        "status": entry.status.value,
    }
    if entry.reason:
        message = _MESSAGES.get(entry.reason, entry.reason.replace("_", " ").capitalize())
        shown["reason"] = {"code": entry.reason, "message": message} if faults.status.reason_as_object else entry.reason
    return shown


SANDBOX = Operator("mtn_momo", lambda around: MtnMomo(around).application())
