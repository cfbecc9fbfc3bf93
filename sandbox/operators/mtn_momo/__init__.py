"""MTN MoMo Open API, products Collection and Disbursement, as MTN's sandbox and production answer them.

Sources: MTN's developer portal (callback, testing and common-errors pages), the OpenAPI of the
products, and runs against the public sandbox. Environment `sandbox` speaks EUR, reaches no phone
and finishes every payment by itself, the documented test numbers in their own way; a country's
environment pushes a prompt to the payer's phone. Each product has its own subscription key, user and token; refunds and
transfers leave the merchant's disbursement wallet.
"""

import time
from functools import partial
from typing import Any, Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import PromptedRequests, Words
from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.mtn_momo.access import STATUS_PER_SECOND, Access
from sandbox.operators.mtn_momo.messages import (
    bad_body,
    logical,
    number_of,
    read_money,
    read_reference,
    shown,
    too_many,
    wrong_amount,
)
from sandbox.operators.mtn_momo.numbers import (
    ACCOUNT_HOLDER_ANSWERS,
    CURRENCIES,
    DELAYED_NUMBER,
    FAILING_NUMBERS,
    FAILING_PAYEES,
    FAILING_REFUNDS,
    ONGOING_NUMBER,
    is_subscriber,
)
from sandbox.operators.outgoing import OutgoingRequests, OutgoingWords
from sandbox.operators.pipeline import MoneyRequests
from sandbox.operators.wire import RateLimit, Refusal, answer, pause, read_json, served

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
OUTGOING_WORDS: Final = OutgoingWords(no_float="NOT_ENOUGH_FUNDS", limit="PAYER_LIMIT_REACHED", sender="MoMo")
PAYER_SECONDS: Final = 300.0
REFUND: Final = "refund"
TRANSFER: Final = "transfer"
ONGOING_REFUND: Final = "5"
DELAYED_REFUND: Final = "6"
_TEST_PHONE: Final = "+46733123499"


class _Requests(MoneyRequests):
    """What both products do alike. `party`: the field that names the other side, if any."""

    product = "collection"
    party = "payer"

    def __init__(self, context: OperatorContext, access: Access, rate: RateLimit) -> None:
        super().__init__(context, rate)
        self._access = access

    def check(self, request: web.Request) -> str:
        return self._access.check(request, self.product)

    def status_limit(self) -> int:
        """As ordered, as granted, or as documented."""
        ordered = self.faults.status.rate_limit_per_second
        return (self.context.status_limit or STATUS_PER_SECOND) if ordered is None else ordered

    def broken(self, code: str) -> web.Response:
        return logical(500, code)

    def too_many(self) -> web.Response:
        return too_many()

    def unavailable(self) -> web.Response:
        return logical(503, "SERVICE_UNAVAILABLE")

    def not_found(self) -> web.Response:
        return logical(404, "RESOURCE_NOT_FOUND")

    def repeated(self, entry: Entry) -> web.Response:
        return logical(409, "RESOURCE_ALREADY_EXIST")

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        """202 with an empty body means queued, never paid."""
        return web.Response(status=202)

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        """A failed one is HTTP 200 too."""
        body = shown(entry, faults)
        return answer(200, {**body, "status": "IN_REVIEW"} if faults.status.unknown_word else body)

    async def find(self, request: web.Request, account: str) -> Entry | None:
        entry = self.known(read_reference(request.match_info["reference"]))
        return entry if entry is not None and entry.details["user"] == account else None

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        reference = read_reference(request.headers.get("X-Reference-Id", ""))
        callback = self._access.callback_url(request)
        environment = request.headers["X-Target-Environment"]
        try:
            body: Any = await read_json(request)
            order = read_money(body, CURRENCIES[environment], self.party)
            refunded = str(body["referenceIdToRefund"]) if self.kind == REFUND else ""
        except (ValueError, KeyError, TypeError):
            raise bad_body() from None
        seconds = self.faults.expire_after_seconds or PAYER_SECONDS
        return Entry(
            operator=self.code,
            kind=self.kind,
            our_reference=reference,
            external_id=order["external_id"],
            msisdn=f"+{order['party']}" if self.party else self._payer_of(refunded),
            amount=order["amount"],
            currency=order["currency"],
            expires_at=time.time() + (0 if self.outgoing else seconds),
            details={
                "message": order["message"],
                "note": order["note"],
                "callback": callback,
                "user": account,
                "environment": environment,
                "refund_of": refunded,
            },
        )

    def _payer_of(self, reference: str) -> str:
        collected = self.book.find(self.code, reference)
        return collected.msisdn if collected else _TEST_PHONE

    def number_of(self, entry: Entry) -> str:
        return number_of(entry)

    def news(self, entry: Entry) -> News:
        body = shown(entry, self.faults)
        return News(entry.details["callback"], body, wrong_amount(entry, body), entry.msisdn)

    def held(self, currency: str) -> int:
        """What the product's wallet holds: here all that was collected."""
        return self.book.collected_total(self.code, currency)

    async def show_balance(self, request: web.Request) -> web.Response:
        """`GET account/balance[/{currency}]`."""
        await self.enter(request)
        currency = CURRENCIES[request.headers["X-Target-Environment"]]
        if request.match_info.get("currency", currency) != currency:
            return logical(500, "INVALID_CURRENCY")
        return answer(200, {"availableBalance": str(self.held(currency)), "currency": currency})


class _Collections(_Requests, PromptedRequests):
    """`requesttopay`: 202 with an empty body means queued, never paid."""

    words = WORDS

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Everything under `/collection` but the token call."""
        base = "/collection/v1_0"
        router.add_post(f"{base}/requesttopay", self.take)
        router.add_get(f"{base}/requesttopay/{{reference}}", self.show)
        router.add_get(f"{base}/account/balance", self.show_balance)
        router.add_get(f"{base}/account/balance/{{currency}}", self.show_balance)
        self.serve_menu()

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        entry = await super().read(request, account, ordered)
        _refuse_at_once(FAILING_NUMBERS.get(entry.msisdn[1:]), ordered)
        return entry

    def follow(self, entry: Entry) -> None:
        """Let a request run: on a phone, or by itself where the environment reaches no phone."""
        number, later, faults = entry.msisdn[1:], self.context.courier.later, self.faults
        code = FAILING_NUMBERS.get(number)
        if code is None and entry.details["environment"] != "sandbox":
            code = None if is_subscriber(entry.details["environment"], number) else "PAYER_NOT_FOUND"
        if number == ONGOING_NUMBER:
            return
        if number == DELAYED_NUMBER:
            later(faults.status.delayed_seconds, partial(self._finish_alone, entry, None))
        elif code is not None or entry.details["environment"] == "sandbox":
            later(faults.prompt_delay_ms / 1000, partial(self._finish_alone, entry, code))
        else:
            self.open(entry)

    def _finish_alone(self, entry: Entry, code: str | None) -> Entry:
        """End a request without a phone; one that is final already stays as it is."""
        known = self.fresh(entry)
        if known.status.is_final:
            return known
        status = Status.FAILED if code else Status.SUCCESSFUL
        done = self.book.change(entry, status, reason=code, provider_reference=number_of(entry))
        self.callbacks.send_later(self.news(done))
        return done

    async def find(self, request: web.Request, account: str) -> Entry | None:
        """MTN's sandbox has finished an ordinary number's payment by the first question."""
        entry = await super().find(request, account)
        if entry is None or entry.status.is_final or entry.details["environment"] != "sandbox":
            return entry
        number = entry.msisdn[1:]
        waits = number in (ONGOING_NUMBER, DELAYED_NUMBER)
        return entry if waits else self._finish_alone(entry, FAILING_NUMBERS.get(number))


class _Disbursements(_Requests, OutgoingRequests):
    """`refund` or `transfer`, by `kind`."""

    outgoing_words = OUTGOING_WORDS
    product = "disbursement"

    def __init__(self, context: OperatorContext, access: Access, rate: RateLimit, kind: str) -> None:
        self.kind, self.party = kind, "payee" if kind == TRANSFER else ""
        super().__init__(context, access, rate)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Everything about one kind."""
        version = "{version:v1_0|v2_0}" if self.kind == REFUND else "v1_0"
        router.add_post(f"/disbursement/{version}/{self.kind}", self.take)
        router.add_get(f"/disbursement/v1_0/{self.kind}/{{reference}}", self.show)

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        entry = await super().read(request, account, ordered)
        _refuse_at_once(_ordained(entry), ordered)
        return entry

    async def start(self, entry: Entry) -> None:
        number, refunded = entry.msisdn[1:], entry.details["refund_of"]
        if number == DELAYED_NUMBER or refunded == DELAYED_REFUND:
            self.follow(entry, self.faults.status.delayed_seconds)
        elif number != ONGOING_NUMBER and refunded != ONGOING_REFUND:
            await super().start(entry)

    def refusal(self, entry: Entry) -> str | None:
        """MTN's reason against it, if there is one."""
        code = _ordained(entry)
        if code or entry.details["environment"] == "sandbox":
            return code
        if entry.kind == TRANSFER:
            return None if is_subscriber(entry.details["environment"], entry.msisdn[1:]) else "PAYEE_NOT_FOUND"
        reference = entry.details["refund_of"]
        collected = self.book.find(self.code, reference)
        if collected is None or collected.status is not Status.SUCCESSFUL or collected.currency != entry.currency:
            return "PAYER_NOT_FOUND"
        given = self.book.refunded_total(self.code, reference, but=entry.number)
        return "NOT_ALLOWED" if given + entry.whole > collected.whole else None

    def held(self, currency: str) -> int:
        """What was put into the disbursement wallet, less what went out."""
        return self.faults.float_balance - self.book.disbursed_total(self.code, currency)


def _ordained(entry: Entry) -> str | None:
    """How MTN's documented test numbers and test references fail."""
    if entry.kind == REFUND:
        return FAILING_REFUNDS.get(entry.details["refund_of"])
    return FAILING_PAYEES.get(entry.msisdn[1:])


def _refuse_at_once(code: str | None, ordered: RequestFaults) -> None:
    if ordered.refuse_at_post and code:
        raise Refusal(logical(500, code))


async def _show_active(context: OperatorContext, access: Access, product: str, request: web.Request) -> web.Response:
    """`GET accountholder/msisdn/{number}/active`: whether MTN knows the wallet."""
    await pause(context.faults.latency_ms)
    access.check(request, product)
    environment, number = request.headers["X-Target-Environment"], request.match_info["number"]
    if number in ACCOUNT_HOLDER_ANSWERS:
        status, code = ACCOUNT_HOLDER_ANSWERS[number]
        return logical(status, code) if code else answer(200, {"result": False})
    if environment != "sandbox" and not is_subscriber(environment, number):
        return logical(404, "RESOURCE_NOT_FOUND")
    return answer(200, {"result": True})


def _build(context: OperatorContext) -> web.Application:
    """Everything under `/mtn_momo`. State lives in the operators' book; tokens and users in memory."""
    access, rate = Access(context), RateLimit()
    requests: list[_Collections | _Disbursements] = [_Collections(context, access, rate)]
    requests += [_Disbursements(context, access, rate, kind) for kind in (REFUND, TRANSFER)]
    app = served(*(one.resume for one in requests))
    access.add_routes(app.router)
    for one in requests:
        one.add_routes(app.router)
    for path in ("/disbursement/v1_0/account/balance", "/disbursement/v1_0/account/balance/{currency}"):
        app.router.add_get(path, requests[-1].show_balance)
    for product in ("collection", "disbursement"):
        holder = f"/{product}/v1_0/accountholder/{{kind:msisdn|MSISDN}}/{{number}}/active"
        app.router.add_get(holder, partial(_show_active, context, access, product))
    return app


SANDBOX = Company(
    "mtn_momo",
    _build,
    demo={
        "SUBSCRIPTION_KEY": "demo-subscription-key",
        "API_USER": "5b1f0c8e-7d0a-4c52-9b8e-2f6d7a3c1e90",
        "API_KEY": "demo-api-key",
        "TARGET_ENVIRONMENT": "mtnivorycoast",
        "DISBURSEMENT_SUBSCRIPTION_KEY": "demo-disbursement-key",
        "DISBURSEMENT_API_USER": "8d3e6c1a-52b7-4f0e-9a64-1c7b0f5d2e83",
        "DISBURSEMENT_API_KEY": "demo-disbursement-api-key",
        "CM_TARGET_ENVIRONMENT": "mtncameroon",
    },
    accounts=("cm",),
)
