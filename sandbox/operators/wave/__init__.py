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
from typing import Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import PIN
from sandbox.operators.book import COLLECTION, Entry, Status
from sandbox.operators.callbacks import Letter, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.hosted import HostedRequests
from sandbox.operators.pipeline import Calls
from sandbox.operators.wire import Refusal, answer, garbage, pause, read_bearer, read_json, served

SESSION_SECONDS: Final = 1800.0
CURRENCY: Final = "XOF"
REFUND: Final = "refund"
NO_FUNDS: Final = "insufficient-funds"
TRANSACTIONS_PAGE: Final = 50
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


class _WaveCalls(Calls):
    """How Wave refuses, whatever a call is about."""

    def check(self, request: web.Request) -> str:
        token = read_bearer(request)
        if token is None:
            raise Refusal(refused(401, "missing-auth-header"))
        if not self.context.issued(api_key=token):
            raise Refusal(refused(401, "no-matching-api-key"))
        return ""

    def broken(self, code: str) -> web.Response:
        return refused(500, "internal-server-error")

    def too_many(self) -> web.Response:
        return refused(429, "rate-limit-exceeded")

    def unavailable(self) -> web.Response:
        return refused(503, "service-unavailable")


class _Refunds(_WaveCalls):
    """Requests for a refund. A session shows whether it was given back."""

    outgoing = True


class _Wave(_WaveCalls, HostedRequests):
    """Checkout sessions. They live in the operators' book, under Wave's own number for them."""

    def __init__(self, context: OperatorContext) -> None:
        super().__init__(context)
        self._refunds = _Refunds(context)
        self._errors: dict[str, str] = {}
        self._sessions: defaultdict[str, list[str]] = defaultdict(list)

    def application(self) -> web.Application:
        """Everything under `/wave`."""
        app = served(self.resume)
        base = "/v1/checkout/sessions"
        app.router.add_post(base, self.take)
        app.router.add_get(f"{base}/search", self.search)
        app.router.add_get(f"{base}/{{session}}", self.show)
        app.router.add_post(f"{base}/{{session}}/refund", self.refund)
        app.router.add_get("/v1/transactions", self.list_transactions)
        app.router.add_get("/c/{session}", self.show_page)
        app.router.add_post("/c/{session}", self.submit_page)
        return app

    def resume(self) -> None:
        for entry in self.book.entries(self.code):
            self._sessions[entry.external_id].append(entry.our_reference)
            if not entry.status.is_final:
                self.follow(entry)
        for entry in self.book.unfinished(self.code, REFUND):
            self._give_back(entry)

    # Sessions.

    def is_down(self) -> bool:
        """A session shows its refund, so it is silent while either is."""
        return super().is_down() or self._refunds.is_down()

    def not_found(self) -> web.Response:
        return refused(404, "checkout-session-not-found")

    def repeated(self, entry: Entry) -> web.Response:
        raise AssertionError("each session has a number of its own")

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        return answer(200, self._shown(self.fresh(entry)))

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        body = self._shown(entry)
        return answer(200, body | {"payment_status": "in-review"} if faults.status.unknown_word else body)

    async def find(self, request: web.Request, account: str) -> Entry | None:
        await pause(self._refunds.faults.latency_ms - self.faults.latency_ms)
        return self.known(request.match_info["session"])

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        """`POST /v1/checkout/sessions`."""
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
        url = f"{request.url.origin()}/{self.code}/c/{session}"
        return Entry(
            operator=self.code,
            our_reference=session,
            external_id=fields["client_reference"],
            msisdn="",
            amount=fields["amount"],
            currency=CURRENCY,
            status=Status.INITIATED,
            expires_at=time.time() + (self.faults.expire_after_seconds or SESSION_SECONDS),
            details={"url": url, "success_url": fields["success_url"], "error_url": fields["error_url"]},
        )

    async def start(self, entry: Entry) -> None:
        self._sessions[entry.external_id].append(entry.our_reference)
        await super().start(entry)

    async def pay(self, entry: Entry, msisdn: str) -> Entry:
        """The payer's try: the money moves, takes its time, or the session stays open with an error."""
        faults = self.faults
        error = LIMIT if faults.limit and entry.whole > faults.limit else ""
        if not self.can_bear(entry, msisdn):
            error = NO_FUNDS
        if not error:
            return await self.charge(entry, msisdn)
        self._errors[entry.our_reference] = error
        self.callbacks.send_later(self._event(entry, "checkout.session.payment_failed"))
        return entry

    def cancel(self, entry: Entry) -> Entry:
        return self.book.change(entry, Status.FAILED, reason="cancelled")

    def _existing(self, request: web.Request) -> Entry:
        """The session that the address names. Raises Refusal."""
        entry = self.known(request.match_info["session"])
        if entry is None:
            raise Refusal(self.not_found())
        return entry

    async def search(self, request: web.Request) -> web.Response:
        """`GET …/search?client_reference=…`."""
        await self.enter_question(request)
        if self.faults.status.garbage:
            return garbage()
        sessions = self._sessions.get(request.query.get("client_reference", ""), [])
        found = [self.known(session) for session in sessions]
        return answer(200, {"result": [self._shown(entry) for entry in found if entry is not None]})

    async def list_transactions(self, request: web.Request) -> web.Response:
        """`GET /v1/transactions?date=…&after=…`: one page of a day, UTC. `after`: the cursor of the page before."""
        await self.enter_question(request)
        day, after = request.query.get("date", ""), request.query.get("after", "")
        moved = self.book.moved(self.code)
        of_day = [entry for entry in moved if (_instant(entry.completed_at) or "").startswith(day)]
        start = int(after) if after.isdigit() else 0
        end = start + TRANSACTIONS_PAGE
        page_info = {"start_cursor": str(start), "end_cursor": str(end), "has_next_page": end < len(of_day)}
        items = [_transaction_shown(entry) for entry in of_day[start:end]]
        return answer(200, {"page_info": page_info, "date": day, "items": items})

    # Refunds.

    async def refund(self, request: web.Request) -> web.Response:
        """`POST …/{id}/refund`: all of it; asked again it is given once."""
        await self._refunds.enter(request)
        ordered = self._refunds.draw()
        stopped = self._refunds.stop(request, ordered)
        if stopped is not None:
            return stopped
        entry = self._existing(request)
        if entry.status is not Status.SUCCESSFUL:
            return refused(400, "checkout-refund-failed")
        if self.book.find(self.code, entry.our_reference, REFUND) is None:
            faults = self._refunds.faults
            held = faults.float_balance + self.book.collected_total(self.code, CURRENCY)
            if held - self.book.disbursed_total(self.code, CURRENCY) < entry.whole:
                return refused(400, "checkout-refund-failed", "insufficient balance")
            details = {"refund_of": entry.our_reference}
            back = replace(entry, kind=REFUND, status=Status.PENDING, details=details, provider_reference=None, fee=0)
            back = self.book.open(replace(back, created_at=time.time(), completed_at=None))
            if faults.pending_seconds:
                self.context.courier.later(faults.pending_seconds, lambda: self._give_back(back))
            else:
                self._give_back(back)
        return self._refunds.spoil(request, ordered) or web.Response(status=200)

    def _give_back(self, back: Entry) -> Entry:
        balance = self._refunds.faults.default_balance
        reference, has_phone = _transaction(back), bool(back.msisdn)
        return self.book.change(
            back, Status.SUCCESSFUL, provider_reference=reference, credit=has_phone, default_balance=balance
        )

    # What the merchant is shown.

    def sign(self, letter: Letter) -> Mapping[str, str]:
        """`t` and `v1`; an impostor has another secret."""
        key = "of an impostor" if letter.forged else self.context.credentials.get("webhook_secret", "")
        stamp = str(int(time.time()))
        made = hmac.new(key.encode(), stamp.encode() + letter.body, hashlib.sha256).hexdigest()
        return {"Wave-Signature": f"t={stamp},v1={made}"}

    def number_of(self, entry: Entry) -> str:
        return _transaction(entry)

    def news(self, entry: Entry) -> News:
        return self._event(entry, "checkout.session.completed")

    def _event(self, entry: Entry, kind: str) -> News:
        session = self._shown(entry)
        event = {"id": f"EV_{entry.our_reference[4:]}", "type": kind}
        url = self.context.credentials.get("callback_url", "")
        wrong = {**session, "amount": str(entry.whole * 10)}
        return News(url, {**event, "data": session}, {**event, "data": wrong}, entry.msisdn)

    def _shown(self, entry: Entry) -> dict[str, object]:
        """A session as answers and webhooks show it."""
        back = self.book.find(self.code, entry.our_reference, REFUND)
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
            "business_name": self.context.merchant,
            "success_url": entry.details["success_url"],
            "error_url": entry.details["error_url"],
            "wave_launch_url": entry.details["url"],
            "when_created": _instant(entry.created_at),
            "when_expires": _instant(entry.expires_at),
            "when_completed": _instant(done),
            "when_refunded": _instant(back.completed_at if back else None),
        }

    # The page that stands for Wave's application.

    async def show_page(self, request: web.Request) -> web.Response:
        """The application of the payer."""
        return self._render(self._existing(request))

    async def submit_page(self, request: web.Request) -> web.Response:
        """Pay or cancel: `msisdn`, `pin`, `action`."""
        entry = self._existing(request)
        form = await request.post()
        if entry.status is Status.INITIATED and form.get("action") == "cancel":
            entry = self.cancel(entry)
        elif entry.status is Status.INITIATED and form.get("pin") == PIN:
            number = re.sub(r"[\s.-]", "", str(form.get("msisdn", ""))).removeprefix("+225")
            if _NUMBER.fullmatch(f"+225{number}"):
                entry = await self.pay(entry, f"+225{number}")
        return self._render(entry)

    def _render(self, entry: Entry) -> web.Response:
        shown = {"amount": entry.amount, "currency": entry.currency, "merchant": self.context.merchant}
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


def _transaction(entry: Entry) -> str:
    return f"T_{base64.b32encode(str(50_000 + entry.number).encode()).decode().rstrip('=')}"


def _transaction_shown(entry: Entry) -> dict[str, object]:
    out = entry.kind != COLLECTION
    return {
        "timestamp": _instant(entry.completed_at),
        "transaction_id": entry.provider_reference,
        "transaction_type": "api_checkout_refund" if out else "api_checkout",
        "amount": f"-{entry.amount}" if out else entry.amount,
        "fee": str(entry.fee),
        "currency": entry.currency,
        "is_reversal": False,
        "counterparty_mobile": entry.msisdn or None,
        "client_reference": entry.external_id,
        "checkout_api_session_id": entry.our_reference,
    }


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


SANDBOX = Company(
    "wave",
    lambda context: _Wave(context).application(),
    demo={
        "API_KEY": "demo-key",
        "WEBHOOK_SECRET": "demo-webhook-secret",
        "CALLBACK_URL": "{gateway}/api/webhooks/wave",
    },
)
