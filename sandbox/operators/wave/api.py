"""Wave's checkout: sessions with a link into the application, search, refunds, signed webhooks.

Sources: Wave's developer pages and clients. The link opens a page here that stands for the application: the
payer types number and PIN. Webhooks go to the address in Wave's portal (`WAVE_CALLBACK_URL`). A try that fails
leaves the session open. A session made twice is two sessions.
"""

import base64
import hashlib
import hmac
import html
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import PIN
from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import Callbacks, Letter, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import RequestFaults
from sandbox.operators.wave.transactions import transactions_of
from sandbox.operators.wire import (
    Lottery,
    RateLimit,
    Refusal,
    answer,
    cut,
    firewall_page,
    garbage,
    pause,
    read_bearer,
    read_json,
    refusals_are_answers,
    same,
)

SESSION_SECONDS: Final = 1800.0
CURRENCY: Final = "XOF"
REFUND: Final = "refund"
NO_FUNDS: Final = "insufficient-funds"
LIMIT: Final = "kyb-limits-exceeded"
_AMOUNT: Final = re.compile(r"[1-9]\d{0,11}", re.ASCII)
_NUMBER: Final = re.compile(r"\+225\d{10}", re.ASCII)
_PAGE: Final = """<!doctype html><html lang="fr"><meta name="viewport" content="width=device-width"><title>Wave</title>
<body><h1>Wave</h1><p>{amount} {currency} &rarr; {merchant}: {status}</p><form method="post">
<label>+225 <input name="msisdn" autocomplete="tel"></label> <label>PIN <input name="pin" type="password"></label>
<button name="action" value="pay">Payer</button> <button name="action" value="cancel">Annuler</button></form>
<p><a href="{back}">Retour</a></p></body></html>"""


def refused(status: int, code: str, message: str = "") -> web.Response:
    """Wave's error body."""
    return answer(status, {"code": code, "message": message or code, "details": []})


class Wave:
    """Checkout sessions. They live in the operators' book, under Wave's own word for them."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._callbacks = Callbacks(context, sign=self._sign)
        self._lottery = Lottery()
        self._refund_lottery = Lottery()
        self._rate = RateLimit()
        self._questions: dict[str, int] = {}
        self._errors: dict[str, str] = {}
        self._sessions: defaultdict[str, list[str]] = defaultdict(list)

    def application(self) -> web.Application:
        """Everything under `/wave`."""
        app = web.Application(middlewares=[refusals_are_answers])
        base = "/v1/checkout/sessions"
        app.router.add_post(base, self.create)
        app.router.add_get(f"{base}/search", self.find)
        app.router.add_get(f"{base}/{{session}}", self.show)
        app.router.add_post(f"{base}/{{session}}/refund", self.refund)
        app.router.add_get("/v1/transactions", self.list_transactions)
        app.router.add_get("/c/{session}", self.show_page)
        app.router.add_post("/c/{session}", self.submit_page)
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._context.book.collected(self._context.code):
            self._sessions[entry.external_id].append(entry.our_reference)
        for entry in self._context.book.unfinished(self._context.code):
            self._sessions[entry.external_id].append(entry.our_reference)
            self._follow(entry)
        for entry in self._context.book.unfinished(self._context.code, REFUND):
            self._context.courier.later(0, partial(self._give_back, entry))

    def _check(self, request: web.Request) -> None:
        token = read_bearer(request)
        if token is None:
            raise Refusal(refused(401, "missing-auth-header"))
        if not same(token, self._context.credentials.get("api_key")):
            raise Refusal(refused(401, "no-matching-api-key"))

    def _ask(self, request: web.Request) -> None:
        """What stands before a question: the key, an hour without service, too many. Raises Refusal."""
        self._check(request)
        context = self._context
        if context.board.is_down(context.code) or context.board.is_down(context.code, disbursements=True):
            raise Refusal(refused(503, "service-unavailable"))
        limit = context.faults.status.rate_limit_per_second
        if not self._rate.admits(context.status_limit if limit is None else limit):
            raise Refusal(refused(429, "rate-limit-exceeded"))

    async def create(self, request: web.Request) -> web.Response:
        """`POST /v1/checkout/sessions`."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        self._check(request)
        ordered = self._lottery.draw(faults.request)
        stopped = _stopped(request, ordered)
        if stopped is not None:
            return stopped
        entry = self._context.book.open(await self._read(request))
        self._sessions[entry.external_id].append(entry.our_reference)
        self._start(entry)
        known = self._known(entry.our_reference)
        return _answered(request, ordered) or answer(200, self._shown(known))

    async def _read(self, request: web.Request) -> Entry:
        try:
            body = await read_json(request)
        except ValueError:
            raise Refusal(refused(400, "request-validation-error", "not JSON")) from None
        names = ("amount", "currency", "success_url", "error_url", "client_reference")
        given = {name: body.get(name) for name in names} if isinstance(body, dict) else {}
        fields = {name: value for name, value in given.items() if isinstance(value, str)}
        if len(fields) < len(names) or not _AMOUNT.fullmatch(fields["amount"]) or fields["currency"] != CURRENCY:
            raise Refusal(refused(422, "request-validation-error"))
        if len(fields["client_reference"]) > 255:
            raise Refusal(refused(422, "request-validation-error", "client_reference"))
        session = f"cos-{base64.b32encode(secrets.token_bytes(10)).decode().lower()}"
        url = f"{request.url.origin()}/{self._context.code}/c/{session}"
        return Entry(
            operator=self._context.code,
            our_reference=session,
            external_id=fields["client_reference"],
            msisdn="",
            amount=fields["amount"],
            currency=CURRENCY,
            status=Status.INITIATED,
            expires_at=time.time() + (self._context.faults.expire_after_seconds or SESSION_SECONDS),
            details={"url": url, "success_url": fields["success_url"], "error_url": fields["error_url"]},
        )

    def _start(self, entry: Entry) -> None:
        faults, courier = self._context.faults, self._context.courier
        self._follow(entry)
        if faults.callback.mode == "forged":
            forged = replace(entry, status=Status.SUCCESSFUL, provider_reference=_transaction(entry))
            courier.spawn(self._callbacks.send_forged(self._news(forged, "checkout.session.completed")))
        if faults.autodecline:
            courier.later(faults.prompt_delay_ms / 1000, lambda: self._end(entry, Status.FAILED, "cancelled"))
        elif faults.autopay:
            courier.later(faults.prompt_delay_ms / 1000, lambda: self._settle(entry, ""))

    def _follow(self, entry: Entry) -> None:
        if entry.status is Status.PENDING:
            self._context.courier.later(0, lambda: self._settle(entry, entry.msisdn))
            return
        left = max(0.0, entry.expires_at - time.time())
        self._context.courier.later(left, lambda: self._end_unpaid(entry.our_reference))

    def _end_unpaid(self, session: str) -> None:
        entry = self._known(session)
        if entry.status is Status.INITIATED:
            self._context.book.change(entry, Status.EXPIRED)

    def _end(self, entry: Entry, status: Status, reason: str) -> Entry:
        return self._context.book.change(self._known(entry.our_reference), status, reason=reason)

    def _settle(self, entry: Entry, msisdn: str) -> Entry:
        """The money moves; of a session paid without a phone, nobody's wallet is charged."""
        known = self._known(entry.our_reference)
        if known.status.is_final:
            return known
        paid = self._context.book.change(
            known,
            Status.SUCCESSFUL,
            msisdn=msisdn,
            provider_reference=_transaction(known),
            charge=bool(msisdn),
            default_balance=self._context.faults.default_balance,
            fee=self._context.fee_of(known),
        )
        self._tell(paid, "checkout.session.completed")
        return paid

    def pay(self, entry: Entry, msisdn: str) -> Entry:
        """The payer's try: the money moves, takes its time, or the session stays open with an error."""
        faults = self._context.faults
        error = LIMIT if faults.limit and entry.whole > faults.limit else ""
        if self._context.book.balance(entry.operator, msisdn, faults.default_balance) < entry.whole:
            error = NO_FUNDS
        if error:
            self._errors[entry.our_reference] = error
            self._tell(entry, "checkout.session.payment_failed")
            return entry
        if faults.pending_seconds:
            pending = self._context.book.change(entry, Status.PENDING, msisdn=msisdn)
            self._context.courier.later(faults.pending_seconds, lambda: self._settle(pending, msisdn))
            return pending
        return self._settle(entry, msisdn)

    def _known(self, session: str) -> Entry:
        """The session. Raises Refusal."""
        entry = self._context.book.find(self._context.code, session)
        if entry is None:
            raise Refusal(refused(404, "checkout-session-not-found"))
        return entry

    async def show(self, request: web.Request) -> web.Response:
        """`GET /v1/checkout/sessions/{id}`."""
        faults = self._context.faults
        await pause(max(faults.latency_ms, self._context.outgoing_faults.latency_ms))
        self._ask(request)
        entry = self._known(request.match_info["session"])
        self._context.courier.concerns(request, entry.msisdn)
        if faults.status.not_found_first:
            count = self._questions[entry.our_reference] = self._questions.get(entry.our_reference, 0) + 1
            if count <= faults.status.not_found_first:
                raise Refusal(refused(404, "checkout-session-not-found"))
        if faults.status.garbage:
            return garbage()
        body = self._shown(entry)
        return answer(200, body | {"payment_status": "in-review"} if faults.status.unknown_word else body)

    async def find(self, request: web.Request) -> web.Response:
        """`GET …/search?client_reference=…`."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        self._ask(request)
        if faults.status.garbage:
            return garbage()
        sessions = self._sessions.get(request.query.get("client_reference", ""), [])
        return answer(200, {"result": [self._shown(self._known(session)) for session in sessions]})

    async def list_transactions(self, request: web.Request) -> web.Response:
        """`GET /v1/transactions?date=…&after=…`."""
        self._ask(request)
        asked = request.query.get("date", ""), request.query.get("after", "")
        return answer(200, transactions_of(self._context.book.moved(self._context.code), *asked))

    async def refund(self, request: web.Request) -> web.Response:
        """`POST …/{id}/refund`: all of it; asked again it is given once."""
        context, faults = self._context, self._context.outgoing_faults
        await pause(faults.latency_ms)
        self._check(request)
        ordered = self._refund_lottery.draw(faults.request)
        stopped = _stopped(request, ordered)
        if stopped is not None:
            return stopped
        entry = self._known(request.match_info["session"])
        if entry.status is not Status.SUCCESSFUL:
            return refused(400, "checkout-refund-failed")
        if context.book.find(context.code, entry.our_reference, REFUND) is None:
            held = faults.float_balance + context.book.collected_total(context.code, CURRENCY)
            if held - context.book.disbursed_total(context.code, CURRENCY) < entry.whole:
                return refused(400, "checkout-refund-failed", "insufficient balance")
            details = {"refund_of": entry.our_reference}
            back = replace(entry, kind=REFUND, status=Status.PENDING, details=details, provider_reference=None, fee=0)
            back = context.book.open(replace(back, created_at=time.time(), completed_at=None))
            if faults.pending_seconds:
                context.courier.later(faults.pending_seconds, lambda: self._give_back(back))
            else:
                self._give_back(back)
        return _answered(request, ordered) or web.Response(status=200)

    def _give_back(self, back: Entry) -> Entry:
        balance = self._context.outgoing_faults.default_balance
        reference, has_phone = _transaction(back), bool(back.msisdn)
        return self._context.book.change(
            back, Status.SUCCESSFUL, provider_reference=reference, credit=has_phone, default_balance=balance
        )

    def _tell(self, entry: Entry, kind: str) -> None:
        self._context.courier.spawn(self._callbacks.send(self._news(entry, kind)))

    def _sign(self, letter: Letter) -> Mapping[str, str]:
        """`t` and `v1`; an impostor has another secret."""
        key = "of an impostor" if letter.forged else self._context.credentials.get("webhook_secret", "")
        stamp = str(int(time.time()))
        made = hmac.new(key.encode(), stamp.encode() + letter.body, hashlib.sha256).hexdigest()
        return {"Wave-Signature": f"t={stamp},v1={made}"}

    def _news(self, entry: Entry, kind: str) -> News:
        session = self._shown(entry)
        event = {"id": f"EV_{entry.our_reference[4:]}", "type": kind}
        url = self._context.credentials.get("callback_url", "")
        wrong = {**session, "amount": str(entry.whole * 10)}
        return News(url, {**event, "data": session}, {**event, "data": wrong}, entry.msisdn)

    def _shown(self, entry: Entry) -> dict[str, object]:
        """A session as answers and webhooks show it."""
        back = self._context.book.find(self._context.code, entry.our_reference, REFUND)
        error = self._errors.get(entry.our_reference)
        done = entry.completed_at if entry.status is Status.SUCCESSFUL else None
        return {
            "id": entry.our_reference,
            "amount": entry.amount,
            "currency": entry.currency,
            "client_reference": entry.external_id,
            "checkout_status": _CHECKOUT[entry.status],
            "payment_status": _PAYMENT[entry.status],
            "last_payment_error": {"code": error, "message": error} if error else None,
            "transaction_id": entry.provider_reference,
            "business_name": self._context.merchant,
            "success_url": entry.details["success_url"],
            "error_url": entry.details["error_url"],
            "wave_launch_url": entry.details["url"],
            "when_created": _instant(entry.created_at),
            "when_expires": _instant(entry.expires_at),
            "when_completed": _instant(done),
            "when_refunded": _instant(back.completed_at if back else None),
        }

    async def show_page(self, request: web.Request) -> web.Response:
        """The application of the payer."""
        return self._render(self._known(request.match_info["session"]))

    async def submit_page(self, request: web.Request) -> web.Response:
        """Pay or cancel: `msisdn`, `pin`, `action`."""
        entry = self._known(request.match_info["session"])
        form = await request.post()
        if entry.status is Status.INITIATED and form.get("action") == "cancel":
            entry = self._end(entry, Status.FAILED, "cancelled")
        elif entry.status is Status.INITIATED and form.get("pin") == PIN:
            number = re.sub(r"[\s.-]", "", str(form.get("msisdn", ""))).removeprefix("+225")
            if _NUMBER.fullmatch(f"+225{number}"):
                entry = self.pay(entry, f"+225{number}")
        return self._render(entry)

    def _render(self, entry: Entry) -> web.Response:
        shown = {"amount": entry.amount, "currency": entry.currency, "merchant": self._context.merchant}
        shown |= {"status": _PAYMENT[entry.status], "back": entry.details["success_url"]}
        page = _PAGE.format(**{name: html.escape(value) for name, value in shown.items()})
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})


_CHECKOUT: Final = {
    Status.INITIATED: "open",
    Status.PENDING: "open",
    Status.SUCCESSFUL: "complete",
    Status.FAILED: "complete",
    Status.EXPIRED: "expired",
}
_PAYMENT: Final = {
    Status.INITIATED: "processing",
    Status.PENDING: "processing",
    Status.SUCCESSFUL: "succeeded",
    Status.FAILED: "cancelled",
    Status.EXPIRED: "processing",
}


def _stopped(request: web.Request, ordered: RequestFaults) -> web.Response | None:
    """What is ordered to happen before anything is registered."""
    if ordered.drop_before:
        return cut(request)
    if ordered.html:
        return firewall_page()
    if ordered.too_many:
        return refused(429, "rate-limit-exceeded")
    if ordered.error_500 and not ordered.error_500_registered:
        return refused(500, "internal-server-error")
    return None


def _answered(request: web.Request, ordered: RequestFaults) -> web.Response | None:
    """What is ordered to happen to the answer of something that is registered."""
    if ordered.drop_after:
        return cut(request)
    if ordered.garbage:
        return garbage()
    return refused(500, "internal-server-error") if ordered.error_500 else None


def _transaction(entry: Entry) -> str:
    return f"T_{base64.b32encode(str(50_000 + entry.number).encode()).decode().rstrip('=')}"


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


SANDBOX = Company("wave", lambda context: Wave(context).application())
