"""pawaPay, Merchant API v2: deposits by prompt or by the payer's code, refunds, payouts, balances.

Source: pawaPay's developer pages. Callbacks go to the address in the dashboard (`PAWAPAY_CALLBACK_URL`) and
are signed. A payer of Orange in Côte d'Ivoire dials `#144*82#` and the merchant hands in her code, which is
good once, for ten minutes; all other payers are prompted. `push` off: no prompt comes, and none can be fetched.
"""

import re
import time
from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import Approvals, Words
from sandbox.operators.book import COLLECTION, AlreadyThere, Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.orange_codes import codes_of
from sandbox.operators.pawapay.messages import (
    NETWORKS,
    STUCK,
    amount_fault,
    answered_after,
    error,
    number_of,
    ordained,
    read_body,
    read_message,
    read_party,
    read_reference,
    received,
    refused_before,
    rejected,
    shown,
    text_field,
)
from sandbox.operators.pawapay.outgoing import Disbursements
from sandbox.operators.pawapay.signing import Signatures
from sandbox.operators.wire import (
    Lottery,
    RateLimit,
    Refusal,
    answer,
    garbage,
    pause,
    read_bearer,
    refusals_are_answers,
    same,
)

DEPOSIT: Final = "deposit"
PAYER_SECONDS: Final = 600.0
REFERENCE_LENGTH_MAX: Final = 64
WORDS: Final = Words(
    declined="PAYMENT_NOT_APPROVED",
    expired="PAYMENT_NOT_APPROVED",
    no_funds="INSUFFICIENT_BALANCE",
    wrong_pin="PAYMENT_NOT_APPROVED",
    busy="UNSPECIFIED_FAILURE",
    approvals_code="le menu de votre operateur",
    sender="pawaPay",
    limit="PAYER_LIMIT_REACHED",
)
_NUMBER: Final = re.compile(r"[1-9]\d{7,14}", re.ASCII)


class PawaPay:
    """The Merchant API. Requests live in the operators' book, the signing key in memory."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._signatures = Signatures()
        self._callbacks = Callbacks(context, sign=self._signatures.sign)
        self._approvals = Approvals(context, WORDS, number_of=number_of, announce=self._announce)
        self._codes = codes_of(context.phones)
        self._outgoing = Disbursements(context, self._signatures, check=self.check, show=self._status)
        self._lottery = Lottery()
        self._rate = RateLimit()
        self._questions: dict[str, int] = {}
        self._told_early: set[str] = set()

    def application(self) -> web.Application:
        """Everything under `/pawapay`."""
        app = web.Application(middlewares=[refusals_are_answers])
        app.router.add_post("/v2/deposits", self.create)
        app.router.add_get("/v2/deposits/{reference}", self.show_deposit)
        app.router.add_get("/v2/public-key/http", self.show_keys)
        self._outgoing.add_routes(app.router)
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._context.book.unfinished(self._context.code):
            self._follow(entry)
        self._outgoing.resume()

    def check(self, request: web.Request) -> None:
        """The token. Raises Refusal."""
        token = read_bearer(request)
        if token is None:
            raise Refusal(error(401, "NO_AUTHENTICATION"))
        if not same(token, self._context.credentials.get("api_token")):
            raise Refusal(error(403, "AUTHENTICATION_ERROR"))

    async def show_keys(self, request: web.Request) -> web.Response:
        """`GET /v2/public-key/http`."""
        await pause(self._context.faults.latency_ms)
        self.check(request)
        return answer(200, self._signatures.published())

    async def create(self, request: web.Request) -> web.Response:
        """`POST /v2/deposits`."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        self.check(request)
        ordered = self._lottery.draw(faults.request)
        refused = refused_before(request, ordered)
        if refused is not None:
            return refused
        body = await read_body(request)
        reference = read_reference(text_field(body, "depositId"), "depositId")
        known = self._context.book.find(self._context.code, reference)
        if known is not None:
            return received(known, DEPOSIT, "DUPLICATE_IGNORED")
        entry = self._read(body, reference)
        try:
            entry = self._context.book.open(entry)
        except AlreadyThere:
            return received(entry, DEPOSIT, "DUPLICATE_IGNORED")
        self._context.courier.concerns(request, entry.msisdn)
        await self._start(entry)
        return answered_after(request, ordered, entry, DEPOSIT)

    def _read(self, body: dict[str, Any], reference: str) -> Entry:
        amount, currency = text_field(body, "amount"), text_field(body, "currency")
        number, provider = read_party(body, "payer")
        order = text_field(body, "clientReferenceId", optional=True)
        code = text_field(body, "preAuthorisationCode", optional=True)
        network = NETWORKS.get(provider)
        if network is None:
            raise rejected(DEPOSIT, reference, "INVALID_PROVIDER")
        if network.code_first and not code:
            raise Refusal(error(400, "MISSING_PARAMETER", "preAuthorisationCode is missing"))
        if code and not network.code_first:
            raise Refusal(error(400, "UNSUPPORTED_PARAMETER", "preAuthorisationCode"))
        if fault := amount_fault(amount):
            raise rejected(DEPOSIT, reference, fault)
        if currency != network.currency:
            raise rejected(DEPOSIT, reference, "INVALID_CURRENCY")
        if not _NUMBER.fullmatch(number):
            raise rejected(DEPOSIT, reference, "INVALID_PHONE_NUMBER")
        return Entry(
            operator=self._context.code,
            our_reference=reference,
            external_id=order[:REFERENCE_LENGTH_MAX],
            msisdn=f"+{number}",
            amount=amount,
            currency=currency,
            expires_at=time.time() + (self._context.faults.expire_after_seconds or PAYER_SECONDS),
            details={
                "provider": provider,
                "code": code,
                "customerMessage": read_message(body),
                "clientReferenceId": order[:REFERENCE_LENGTH_MAX],
            },
        )

    async def _start(self, entry: Entry) -> None:
        faults, url = self._context.faults, self._context.credentials.get("callback_url")
        if faults.callback.mode == "forged" and url:
            forged = replace(entry, status=Status.SUCCESSFUL)
            self._context.courier.spawn(self._callbacks.send_forged(self._news(forged, url)))
        self._follow(entry)
        if faults.autopay and faults.callback.mode == "before_answer":
            self._told_early.add(entry.our_reference)
            paid = self._approvals.pay(entry.our_reference)
            if paid is not None and url:
                await self._callbacks.send(self._news(paid, url))

    def _follow(self, entry: Entry) -> None:
        """Let a deposit run: by the payer's code, by a prompt, or to the end of a test number."""
        reason, network = ordained(entry), NETWORKS[entry.details["provider"]]
        if reason == STUCK:
            return
        self._approvals.open(entry, prompt=reason is None and not network.code_first)
        seconds = self._context.faults.prompt_delay_ms / 1000
        if reason is not None:
            finish = partial(self._approvals.finish, entry.our_reference, Status.FAILED, reason)
            self._context.courier.later(seconds, finish)
        elif network.code_first:
            self._context.courier.later(seconds, partial(self._try_code, entry))

    def _try_code(self, entry: Entry) -> None:
        """The code is handed in to Orange, who takes the money or not; the phone stays dark."""
        faults = self._context.faults
        right = self._codes.use(entry.msisdn, entry.details["code"])
        if (right or faults.autopay) and not faults.autodecline:
            self._approvals.pay(entry.our_reference)
        else:
            self._approvals.finish(entry.our_reference, Status.FAILED, WORDS.declined)

    async def show_deposit(self, request: web.Request) -> web.Response:
        """`GET /v2/deposits/{reference}`: one that is not known is HTTP 200 too."""
        await pause(self._context.faults.latency_ms)
        return self._status(request, DEPOSIT, COLLECTION, False)

    def _status(self, request: web.Request, kind: str, kept_as: str, disbursements: bool) -> web.Response:
        """The answer to a status question. `kept_as`: its kind in the book."""
        context = self._context
        faults = context.outgoing_faults if disbursements else context.faults
        self.check(request)
        if context.board.is_down(context.code, disbursements=disbursements):
            return error(503, "UNKNOWN_ERROR")
        limit = faults.status.rate_limit_per_second
        if not self._rate.admits(context.status_limit if limit is None else limit):
            return answer(429, {"message": "Too many requests"})
        reference = read_reference(request.match_info["reference"], f"{kind}Id")
        entry = context.book.find(context.code, reference, kept_as)
        if entry is None:
            return answer(200, {"status": "NOT_FOUND"})
        context.courier.concerns(request, entry.msisdn)
        if faults.status.not_found_first:
            count = self._questions[reference] = self._questions.get(reference, 0) + 1
            if count <= faults.status.not_found_first:
                return answer(200, {"status": "NOT_FOUND"})
        if faults.status.garbage:
            return garbage()
        data = shown(entry, kind, faults)
        if faults.status.unknown_word:
            data["status"] = "IN_REVIEW"
        return answer(200, {"status": "FOUND", "data": data})

    async def _announce(self, entry: Entry) -> None:
        url = self._context.credentials.get("callback_url")
        if entry.our_reference in self._told_early:
            self._told_early.discard(entry.our_reference)
        elif url:
            await self._callbacks.send(self._news(entry, url))

    def _news(self, entry: Entry, url: str) -> News:
        body = shown(entry, DEPOSIT, self._context.faults)
        return News(url, body, {**body, "amount": str(entry.whole * 10)}, entry.msisdn)


SANDBOX = Company("pawapay", lambda context: PawaPay(context).application())
