"""Orange Money Cameroon, core API: token, init, pay with a prompt on the phone, status.

Sources: clients of the core API with their tests; Orange publishes neither pages nor a sandbox, so numbers
and limits are ours: a number that ends with 99051 is an Orange number without Orange Money.
"""

import base64
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from sandbox.company import Company, same
from sandbox.operators.approvals import PromptedRequests, Words
from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.wire import Refusal, Tokens, answer, pause, read_basic, read_bearer, read_json, served

WORDS: Final = Words(
    declined="CANCELLED",
    expired="EXPIRED",
    no_funds="60019",
    wrong_pin="FAILED",
    busy="FAILED",
    approvals_code="#150*50#",
    sender="_OrangeMoney",
    limit="60021",
)
TOKEN_SECONDS: Final = 3600
PAYER_SECONDS: Final = 300.0
CURRENCY: Final = "XAF"
ORDER_ID: Final = re.compile(r"[A-Za-z0-9]{1,20}")
_PRODUCT: Final = "core"
_ORANGE: Final = re.compile(r"(69\d|64[0-2]|65[5-9]|68[6-9])\d{6}", re.ASCII)
_NO_WALLET: Final = "99051"
_FIELDS: Final = (
    "subscriberMsisdn",
    "channelUserMsisdn",
    "amount",
    "description",
    "orderId",
    "pin",
    "payToken",
    "notifUrl",
)
_XML: Final = (
    '<am:fault xmlns:am="http://wso2.org/apimanager"><am:code>101503</am:code>'
    "<am:message>Runtime Error</am:message><am:description>Error connecting to the back end</am:description></am:fault>"
)


def fault(status: int, code: int, message: str) -> web.Response:
    """An answer of the gateway in front (WSO2)."""
    return answer(status, {"fault": {"code": code, "message": message, "description": message}})


def plain_answer(status: int, message: str) -> web.Response:
    """An answer of Orange without data."""
    return answer(status, {"message": message, "data": None})


class _OrangeMoneyCm(PromptedRequests):
    """The core API. Requests live in the operators' book; tokens and unused handles in memory."""

    words = WORDS

    def __init__(self, context: OperatorContext) -> None:
        super().__init__(context)
        self._tokens = Tokens()
        self._handles: set[str] = set()

    def application(self) -> web.Application:
        """Everything under `/orange_money_cm`."""
        app = served(self.resume)
        base = "/omcoreapis/1.0.2/mp"
        app.router.add_post("/token", self.issue_token)
        app.router.add_post(f"{base}/init", self.init)
        app.router.add_post(f"{base}/pay", self.take)
        app.router.add_get(f"{base}/paymentstatus/{{reference}}", self.show)
        self.serve_menu()
        return app

    async def issue_token(self, request: web.Request) -> web.Response:
        """`POST /token`: Basic, form `grant_type=client_credentials`."""
        faults = self.context.faults
        await pause(faults.latency_ms)
        pair = read_basic(request)
        if pair is None or not self.context.issued(consumer_key=pair[0], consumer_secret=pair[1]):
            return answer(401, {"error": "invalid_client", "error_description": "Client authentication failed."})
        if parse_qs(await request.text()).get("grant_type") != ["client_credentials"]:
            return answer(400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type."})
        seconds = faults.token_seconds or TOKEN_SECONDS
        token = self._tokens.issue(pair[0], _PRODUCT, seconds)
        scope = "am_application_scope default"
        body = {"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": int(seconds)}
        return answer(200, body)

    def check(self, request: web.Request) -> str:
        """Bearer token and `X-AUTH-TOKEN`. Raises Refusal."""
        token = read_bearer(request)
        if token is None:
            raise Refusal(fault(401, 900902, "Missing Credentials"))
        if self._tokens.owner(token, _PRODUCT) is None or self._tokens.has_expired(token):
            raise Refusal(fault(401, 900901, "Invalid Credentials"))
        issued, wanted = self.context.credentials, ""
        if issued.get("api_user"):
            wanted = base64.b64encode(f"{issued['api_user']}:{issued.get('api_password', '')}".encode()).decode()
        if not same(request.headers.get("X-AUTH-TOKEN", ""), wanted):
            raise Refusal(plain_answer(403, "X-AUTH-TOKEN is missing or wrong"))
        return ""

    def broken(self, code: str) -> web.Response:
        return plain_answer(500, code)

    def too_many(self) -> web.Response:
        return fault(429, 900804, "Message throttled out")

    def unavailable(self) -> web.Response:
        return web.Response(status=503, text=_XML, content_type="text/xml")

    def not_found(self) -> web.Response:
        return plain_answer(404, "No payment with this payToken")

    def repeated(self, entry: Entry) -> web.Response:
        return plain_answer(422, "This payToken was already used")

    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        return answer(200, {"message": "Merchant payment successfully initiated", "data": _shown(entry)})

    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        data = _shown(entry) | ({"status": "IN_REVIEW"} if faults.status.unknown_word else {})
        data["amount"] = entry.whole if faults.status.amount_as_number else entry.amount
        return answer(200, {"message": "Transaction retrieved successfully", "data": data})

    async def find(self, request: web.Request, account: str) -> Entry | None:
        return self.known(request.match_info["reference"])

    def stop(self, request: web.Request, ordered: RequestFaults) -> web.Response | None:
        return self.unavailable() if ordered.xml else super().stop(request, ordered)

    async def init(self, request: web.Request) -> web.Response:
        """`POST mp/init`: a handle, which moves nothing."""
        await self.enter(request)
        handle = f"MP{datetime.now(UTC):%y%m%d}{secrets.token_hex(12).upper()}"
        self._handles.add(handle)
        return answer(200, {"message": "Payment request successfully initiated", "data": {"payToken": handle}})

    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        """`POST mp/pay`: the prompt goes to the phone; a used handle is answered 422."""
        try:
            body: Any = await read_json(request)
            fields = {name: body[name] for name in _FIELDS}
        except (ValueError, KeyError, TypeError):
            raise Refusal(plain_answer(400, "A field is missing")) from None
        if not all(isinstance(value, str) for value in fields.values()):
            raise Refusal(plain_answer(400, "A field has the wrong type"))
        if not self.context.issued(channel_msisdn=fields["channelUserMsisdn"], channel_pin=fields["pin"]):
            raise Refusal(plain_answer(400, "Channel number or PIN is wrong"))
        if not re.fullmatch(r"[1-9]\d{0,9}", fields["amount"], re.ASCII) or not ORDER_ID.fullmatch(fields["orderId"]):
            raise Refusal(plain_answer(400, "amount or orderId is wrong"))
        handle = fields["payToken"]
        if handle not in self._handles and self.known(handle) is None:
            raise Refusal(plain_answer(400, "payToken is unknown"))
        entry = Entry(
            operator=self.code,
            our_reference=handle,
            external_id=fields["orderId"],
            msisdn=f"+237{fields['subscriberMsisdn']}",
            amount=fields["amount"],
            currency=CURRENCY,
            expires_at=time.time() + (self.faults.expire_after_seconds or PAYER_SECONDS),
            details={
                "callback": fields["notifUrl"],
                "description": fields["description"],
                "channel": fields["channelUserMsisdn"],
            },
        )
        subscriber = fields["subscriberMsisdn"]
        code = None if _ORANGE.fullmatch(subscriber) else "00671"
        code = _NO_WALLET if subscriber.endswith(_NO_WALLET) else code
        if code is not None:
            body = {"message": "Merchant payment refused", "data": {**_shown(entry), "inittxnstatus": code}}
            raise Refusal(answer(200 if ordered.refusal_as_200 else 417, body))
        return entry

    async def start(self, entry: Entry) -> None:
        self._handles.discard(entry.our_reference)
        await super().start(entry)

    def number_of(self, entry: Entry) -> str:
        return _transaction(entry)

    def news(self, entry: Entry) -> News:
        body = _shown(entry)
        return News(entry.details["callback"], body, {**body, "amount": entry.whole * 10}, entry.msisdn)


def _word(entry: Entry) -> str:
    """Orange's word for where a request stands: its success has two L."""
    if entry.status is Status.SUCCESSFUL:
        return "SUCCESSFULL"
    if entry.status is Status.FAILED and entry.reason in (WORDS.expired, WORDS.declined):
        return entry.reason
    return entry.status.value


def _shown(entry: Entry) -> dict[str, object]:
    """A request as answers and callbacks show it."""
    refused = entry.reason if entry.reason and entry.reason.isdigit() else None
    confirmed = "200" if entry.status is Status.SUCCESSFUL else refused
    return {
        "id": 48_000_000 + entry.number,
        "createtime": str(int(entry.created_at)),
        "subscriberMsisdn": entry.msisdn.removeprefix("+237"),
        "amount": entry.whole,
        "payToken": entry.our_reference,
        "txnid": _transaction(entry),
        "txnmode": entry.external_id,
        "inittxnmessage": "Payment request successfully initiated",
        "inittxnstatus": "200",
        "confirmtxnstatus": confirmed,
        "confirmtxnmessage": entry.reason,
        "status": _word(entry),
        "notifUrl": entry.details["callback"],
        "description": entry.details["description"],
        "channelUserMsisdn": entry.details["channel"],
    }


def _transaction(entry: Entry) -> str:
    """Orange's transaction number, as `MP261104.1833.X51234`."""
    return f"MP{datetime.fromtimestamp(entry.created_at, UTC):%y%m%d.%H%M}.X{50_000 + entry.number}"


SANDBOX = Company(
    "orange_money_cm",
    lambda context: _OrangeMoneyCm(context).application(),
    demo={
        "CONSUMER_KEY": "demo-consumer",
        "CONSUMER_SECRET": "demo-consumer-secret",
        "API_USER": "demo-api-user",
        "API_PASSWORD": "demo-api-password",
        "CHANNEL_MSISDN": "691000000",
        "CHANNEL_PIN": "2468",
    },
)
