"""Hub2: payment intents, payments on them by a prompt of the payer's operator, signed webhooks.

Source: product code of several clients; reasons and limits are ours. An intent moves nothing; one payment runs on it.
Webhooks go to the address in Hub2's dashboard (`HUB2_CALLBACK_URL`). A number that ends with 77 has to bring a code,
1234.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import PromptedRequests, Words
from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import Letter, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.wire import Refusal, answer, read_object, served

CURRENCY: Final = "XOF"
PAYER_SECONDS: Final = 300.0
CODE_WANTED: Final = "77"
PAYMENT_CODE: Final = "1234"
WORDS: Final = Words(
    declined="rejected_by_customer",
    expired="expired",
    no_funds="insufficient_funds",
    wrong_pin="rejected_by_customer",
    busy="operator_error",
    approvals_code="*155#",
    sender="MoovMoney",
    limit="limit_exceeded",
)
_SUBSCRIBERS: Final = {"moov": re.compile(r"01\d{8}", re.ASCII)}
_STATUS: Final = {Status.PENDING: "processing", Status.SUCCESSFUL: "successful", Status.FAILED: "failed"}


def refused(status: int, code: str) -> web.Response:
    """Hub2's error body."""
    return answer(status, {"statusCode": status, "code": code, "message": code.replace("_", " ")})


class _Hub2(PromptedRequests):
    """Payments on intents. Payments live in the operators' book, unpaid intents in memory."""

    words = WORDS

    def __init__(self, context: OperatorContext) -> None:
        super().__init__(context)
        self._intents: dict[str, dict[str, Any]] = {}

    def application(self) -> web.Application:
        """Everything under `/hub2`."""
        app = served(self.resume)
        app.router.add_post("/payment-intents", self.create_intent)
        app.router.add_get("/payment-intents/{intent}", self.show)
        app.router.add_post("/payment-intents/{intent}/payments", self.take)
        self.serve_menu()
        return app

    def check(self, request: web.Request) -> str:
        given = request.headers
        if not self.context.issued(api_key=given.get("ApiKey", ""), merchant_id=given.get("MerchantId", "")):
            raise Refusal(refused(401, "unauthorized"))
        if given.get("Environment") not in ("sandbox", "live"):
            raise Refusal(refused(400, "environment_required"))
        return ""

    def broken(self, code: str) -> web.Response:
        return refused(500, "internal_error")

    def too_many(self) -> web.Response:
        return refused(429, "too_many_requests")

    def unavailable(self) -> web.Response:
        return refused(503, "service_unavailable")

    def not_found(self) -> web.Response:
        return refused(404, "payment_intent_not_found")

    def repeated(self, entry: Entry) -> web.Response:
        return refused(409, "payment_already_attempted")

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        return answer(201, _shown(entry))

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        return answer(200, _shown(entry) | ({"status": "in_review"} if faults.status.unknown_word else {}))

    async def create_intent(self, request: web.Request) -> web.Response:
        """`POST /payment-intents`: moves nothing."""
        await self.enter(request)
        body = await read_object(request, refused(400, "validation_error"))
        texts = [body.get(name) for name in ("customerReference", "purchaseReference", "currency")]
        amount = body.get("amount")
        if not all(isinstance(one, str) and one for one in texts) or type(amount) is not int or amount <= 0:
            return refused(400, "validation_error")
        if body["currency"] != CURRENCY:
            return refused(400, "currency_not_supported")
        intent = {**body, "id": f"pi_{secrets.token_urlsafe(12)}", "token": secrets.token_urlsafe(24)}
        self._intents[intent["id"]] = intent
        return answer(201, {**intent, "status": "payment_required", "payments": []})

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        """`POST /payment-intents/{id}/payments`."""
        body, number = await read_object(request, refused(400, "validation_error")), request.match_info["intent"]
        known = self.known(number)
        if known is not None:
            raise Refusal(self.repeated(known))
        intent = self._intents.get(number)
        if intent is None:
            raise Refusal(self.not_found())
        payer = body.get("mobileMoney")
        if body.get("token") != intent["token"] or body.get("paymentMethod") != "mobile_money":
            raise Refusal(refused(400, "validation_error"))
        if body.get("country") != "CI" or not isinstance(payer, dict) or not isinstance(payer.get("msisdn"), str):
            raise Refusal(refused(400, "validation_error"))
        subscribers = _SUBSCRIBERS.get(str(body.get("provider")))
        if subscribers is None:
            raise Refusal(refused(400, "provider_not_supported"))
        if not subscribers.fullmatch(payer["msisdn"]):
            raise Refusal(refused(422, "unknown_account"))
        entry = Entry(
            operator=self.code,
            our_reference=number,
            external_id=intent["purchaseReference"],
            msisdn=f"+225{payer['msisdn']}",
            amount=str(intent["amount"]),
            currency=CURRENCY,
            expires_at=time.time() + (self.faults.expire_after_seconds or PAYER_SECONDS),
            details={"provider": str(body["provider"]), "customerReference": intent["customerReference"]},
        )
        if payer["msisdn"].endswith(CODE_WANTED) and payer.get("otp") != PAYMENT_CODE:
            if payer.get("otp"):
                raise Refusal(refused(422, "invalid_otp"))
            action = {"id": "", "status": "action_required", "nextAction": {"type": "otp"}}
            raise Refusal(answer(201, _shown(entry) | {"status": "action_required", "payments": [action]}))
        return entry

    async def find(self, request: web.Request, account: str) -> Entry | None:
        """An intent that has no payment yet is answered here, as it is in no book."""
        number = request.match_info["intent"]
        entry = self.known(number)
        if entry is None and number in self._intents:
            raise Refusal(answer(200, {**self._intents[number], "status": "payment_required", "payments": []}))
        return entry

    def number_of(self, entry: Entry) -> str:
        return _number_of(entry)

    def sign(self, letter: Letter) -> Mapping[str, str]:
        """`s1`, by the secret in force; an impostor has another secret."""
        key = "of an impostor" if letter.forged else self.context.credentials.get("webhook_secret", "")
        return {"Hub2-Signature": f"s1={hmac.new(key.encode(), letter.body, hashlib.sha256).hexdigest()}"}

    def news(self, entry: Entry) -> News:
        url, paid = self.context.credentials.get("callback_url", ""), entry.status is Status.SUCCESSFUL
        event = {"id": f"evt_{entry.number}", "type": "payment.succeeded" if paid else "payment.failed"}
        data = _shown(entry)
        return News(url, {**event, "data": data}, {**event, "data": data | {"amount": entry.whole * 10}}, entry.msisdn)


def _shown(entry: Entry) -> dict[str, object]:
    """An intent with its payment, as answers and webhooks show it."""
    payment: dict[str, object] = {
        "id": _number_of(entry),
        "status": _STATUS[entry.status],
        "method": "mobile_money",
        "provider": entry.details["provider"],
        "number": entry.msisdn.removeprefix("+225"),
    }
    if entry.reason:
        payment["failure"] = {"code": entry.reason, "message": entry.reason.replace("_", " ")}
    return {
        "id": entry.our_reference,
        "purchaseReference": entry.external_id,
        "customerReference": entry.details["customerReference"],
        "amount": entry.whole,
        "currency": entry.currency,
        "status": _STATUS[entry.status],
        "payments": [payment],
    }


def _number_of(entry: Entry) -> str:
    return f"pay_{50_000 + entry.number}"


SANDBOX = Company(
    "hub2",
    lambda context: _Hub2(context).application(),
    demo={
        "API_KEY": "demo-key",
        "MERCHANT_ID": "demo-merchant",
        "WEBHOOK_SECRET": "demo-webhook-secret",
        "CALLBACK_URL": "{gateway}/api/webhooks/hub2",
    },
)
