"""MTN MoMo Open API, Disbursement product: refunds of collections, and transfers to wallets.

Sources: the OpenAPI of the product, MTN's testing page, and runs against the public sandbox. It has its
own subscription key, user and token; money leaves the merchant's disbursement wallet. In environment
`sandbox` the documented test numbers end in their own way.
"""

import time
from functools import partial
from typing import Any, Final

from aiohttp import web

from sandbox.operators.book import AlreadyThere, Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.mtn_momo.access import Access
from sandbox.operators.mtn_momo.messages import (
    answered_after,
    asked_status,
    bad_body,
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
    CURRENCIES,
    DELAYED_NUMBER,
    FAILING_PAYEES,
    FAILING_REFUNDS,
    ONGOING_NUMBER,
    is_subscriber,
)
from sandbox.operators.outgoing import Outgoing, OutgoingWords
from sandbox.operators.wire import Lottery, RateLimit, answer, pause, read_json

PRODUCT: Final = "disbursement"
REFUND: Final = "refund"
TRANSFER: Final = "transfer"
ONGOING_REFUND: Final = "5"
DELAYED_REFUND: Final = "6"
WORDS: Final = OutgoingWords(no_float="NOT_ENOUGH_FUNDS", limit="PAYER_LIMIT_REACHED", sender="MoMo")
_TEST_PHONE: Final = "+46733123499"


class Disbursements:
    """The Disbursement product. `rate`: status questions, counted for each account."""

    def __init__(self, context: OperatorContext, access: Access, rate: RateLimit) -> None:
        self._context = context
        self._access = access
        self._rate = rate
        self._callbacks = Callbacks(context, disbursements=True)
        self._lottery = Lottery()
        self._questions: dict[str, int] = {}
        self._outgoing = Outgoing(
            context,
            WORDS,
            refusal=self._refusal,
            number_of=number_of,
            announce=self._announce,
            available=lambda entry: self._available(entry.currency),
        )

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Everything under `/disbursement` but the token call."""
        base = f"/{PRODUCT}/v1_0"
        router.add_post(f"/{PRODUCT}/{{version:v1_0|v2_0}}/refund", partial(self.ask, REFUND))
        router.add_post(f"{base}/transfer", partial(self.ask, TRANSFER))
        for kind in (REFUND, TRANSFER):
            router.add_get(f"{base}/{kind}/{{reference}}", partial(self.show, kind))
        router.add_get(f"{base}/account/balance", self.show_balance)
        router.add_get(f"{base}/account/balance/{{currency}}", self.show_balance)

    def resume(self) -> None:
        """Go on with what a former process left open."""
        for kind in (REFUND, TRANSFER):
            for entry in self._context.book.unfinished(self._context.code, kind):
                self._outgoing.follow(entry)

    async def ask(self, kind: str, request: web.Request) -> web.Response:
        """`POST refund` or `POST transfer`: 202 with an empty body means queued, never paid."""
        faults = self._context.outgoing_faults
        await pause(faults.latency_ms)
        user, environment = self._access.check(request, PRODUCT)
        ordered = self._lottery.draw(faults.request)
        refused = refused_before(request, ordered)
        if refused is not None:
            return refused
        entry = await self._read(kind, request, user, environment)
        code = _ordained(entry)
        if faults.request.refuse_at_post and code:
            return logical(500, code)
        try:
            entry = self._context.book.open(entry)
        except AlreadyThere:
            return logical(409, "RESOURCE_ALREADY_EXIST")
        self._context.courier.concerns(request, entry.msisdn)
        await self._start(entry)
        return answered_after(request, ordered)

    async def _read(self, kind: str, request: web.Request, user: str, environment: str) -> Entry:
        reference = read_reference(request.headers.get("X-Reference-Id", ""))
        callback = self._access.callback_url(request, user)
        try:
            body: Any = await read_json(request)
            order = read_money(body, CURRENCIES[environment], "payee" if kind == TRANSFER else "")
            refunded = str(body["referenceIdToRefund"]) if kind == REFUND else ""
        except (ValueError, KeyError, TypeError):
            raise bad_body() from None
        collected = self._context.book.find(self._context.code, refunded) if refunded else None
        payee = f"+{order['party']}" if kind == TRANSFER else (collected.msisdn if collected else _TEST_PHONE)
        return Entry(
            operator=self._context.code,
            kind=kind,
            our_reference=reference,
            external_id=order["external_id"],
            msisdn=payee,
            amount=order["amount"],
            currency=order["currency"],
            expires_at=time.time(),
            details={
                "message": order["message"],
                "note": order["note"],
                "callback": callback,
                "user": user,
                "environment": environment,
                "refund_of": refunded,
            },
        )

    async def _start(self, entry: Entry) -> None:
        if entry.msisdn[1:] == ONGOING_NUMBER or entry.details["refund_of"] == ONGOING_REFUND:
            return
        if entry.msisdn[1:] == DELAYED_NUMBER or entry.details["refund_of"] == DELAYED_REFUND:
            seconds = self._context.outgoing_faults.status.delayed_seconds
            self._context.courier.later(seconds, lambda: self._outgoing.settle(entry))
            return
        await self._outgoing.start(entry, self._forge)

    def _refusal(self, entry: Entry) -> str | None:
        """MTN's reason against it, if there is one."""
        code = _ordained(entry)
        if code or entry.details["environment"] == "sandbox":
            return code
        if entry.kind == TRANSFER:
            return None if is_subscriber(entry.details["environment"], entry.msisdn[1:]) else "PAYEE_NOT_FOUND"
        book, reference = self._context.book, entry.details["refund_of"]
        collected = book.find(self._context.code, reference)
        if collected is None or collected.status is not Status.SUCCESSFUL or collected.currency != entry.currency:
            return "PAYER_NOT_FOUND"
        given = book.refunded_total(self._context.code, reference, but=entry.number)
        return "NOT_ALLOWED" if given + entry.whole > collected.whole else None

    def _available(self, currency: str) -> int:
        """What the disbursement wallet holds: what was put in, less what went out."""
        book, faults = self._context.book, self._context.outgoing_faults
        return faults.float_balance - book.disbursed_total(self._context.code, currency)

    async def show(self, kind: str, request: web.Request) -> web.Response:
        """`GET refund/{reference}`, `GET transfer/{reference}`: a failed one is HTTP 200 too."""
        context, faults = self._context, self._context.outgoing_faults
        await pause(faults.latency_ms)
        user, _ = self._access.check(request, PRODUCT)
        if context.board.is_down(context.code, disbursements=True):
            return logical(503, "SERVICE_UNAVAILABLE")
        if not self._rate.admits(self._access.status_limit(faults), user):
            return too_many()
        entry = context.book.find(context.code, read_reference(request.match_info["reference"]), kind)
        if entry is None or entry.details["user"] != user:
            return logical(404, "RESOURCE_NOT_FOUND")
        context.courier.concerns(request, entry.msisdn)
        return asked_status(entry, faults, self._questions)

    async def show_balance(self, request: web.Request) -> web.Response:
        """`GET account/balance[/{currency}]`: what can still be given out."""
        await pause(self._context.outgoing_faults.latency_ms)
        _, environment = self._access.check(request, PRODUCT)
        currency = CURRENCIES[environment]
        if request.match_info.get("currency", currency) != currency:
            return logical(500, "INVALID_CURRENCY")
        return answer(200, {"availableBalance": str(self._available(currency)), "currency": currency})

    async def _announce(self, entry: Entry) -> None:
        if entry.details["callback"]:
            await self._callbacks.send(self._news(entry))

    async def _forge(self, entry: Entry) -> None:
        if entry.details["callback"]:
            await self._callbacks.send_forged(self._news(entry))

    def _news(self, entry: Entry) -> News:
        body = shown(entry, self._context.outgoing_faults)
        return News(entry.details["callback"], body, wrong_amount(entry, body), entry.msisdn)


def _ordained(entry: Entry) -> str | None:
    """How MTN's documented test numbers and test references fail."""
    if entry.kind == REFUND:
        return FAILING_REFUNDS.get(entry.details["refund_of"])
    return FAILING_PAYEES.get(entry.msisdn[1:])
