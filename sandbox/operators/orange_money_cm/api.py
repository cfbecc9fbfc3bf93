"""Orange Money Cameroon, core API: token, init, pay with a prompt on the phone, push again, status.

Sources: clients of the core API with their tests; Orange publishes neither pages nor a sandbox, so numbers
and limits are ours: a number that ends with 99051 is an Orange number without Orange Money.
"""

import base64
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from sandbox.company import Company
from sandbox.operators.approvals import Approvals, Words
from sandbox.operators.approvals_menu import open_menu
from sandbox.operators.book import AlreadyThere, Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import RequestFaults
from sandbox.operators.wire import (
    Lottery,
    RateLimit,
    Refusal,
    Tokens,
    answer,
    cut,
    firewall_page,
    garbage,
    pause,
    read_basic,
    read_bearer,
    read_json,
    refusals_are_answers,
    same,
)

WORDS: Final = Words(
    declined="CANCELLED",
    expired="EXPIRED",
    no_funds="60019",
    wrong_pin="FAILED",
    busy="FAILED",
    approvals_code="#150*50#",
    sender="OrangeMoney",
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


def said(status: int, message: str) -> web.Response:
    """An answer of Orange without data."""
    return answer(status, {"message": message, "data": None})


class OrangeMoneyCm:
    """The core API. Requests live in the operators' book; tokens and unused handles in memory."""

    def __init__(self, context: OperatorContext) -> None:
        self._context = context
        self._tokens = Tokens()
        self._callbacks = Callbacks(context)
        self._approvals = Approvals(context, WORDS, number_of=_transaction, announce=self._announce)
        self._lottery = Lottery()
        self._rate = RateLimit()
        self._handles: set[str] = set()
        self._questions: dict[str, int] = {}
        self._told_early: set[str] = set()

    def application(self) -> web.Application:
        """Everything under `/orange_money_cm`."""
        app = web.Application(middlewares=[refusals_are_answers])
        base = "/omcoreapis/1.0.2/mp"
        app.router.add_post("/token", self.issue_token)
        app.router.add_post(f"{base}/init", self.init)
        app.router.add_post(f"{base}/pay", self.pay)
        app.router.add_get(f"{base}/push/{{handle}}", self.push)
        app.router.add_get(f"{base}/paymentstatus/{{handle}}", self.show_status)
        self._context.phones.serve_code(
            WORDS.approvals_code, partial(open_menu, self._approvals, self._context.merchant)
        )
        app.on_startup.append(self._resume)
        return app

    async def _resume(self, _: web.Application) -> None:
        for entry in self._context.book.unfinished(self._context.code):
            self._approvals.open(entry)

    async def issue_token(self, request: web.Request) -> web.Response:
        """`POST /token`: Basic, form `grant_type=client_credentials`."""
        faults, issued = self._context.faults, self._context.credentials
        await pause(faults.latency_ms + faults.token_latency_ms)
        pair = read_basic(request)
        known = pair is not None and same(pair[0], issued.get("consumer_key"))
        if pair is None or not known or not same(pair[1], issued.get("consumer_secret")):
            return answer(401, {"error": "invalid_client", "error_description": "Client authentication failed."})
        if parse_qs(await request.text()).get("grant_type") != ["client_credentials"]:
            return answer(400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type."})
        seconds = faults.token_seconds or TOKEN_SECONDS
        token = self._tokens.issue(pair[0], _PRODUCT, seconds)
        scope = "am_application_scope default"
        body = {"access_token": token, "scope": scope, "token_type": "Bearer", "expires_in": int(seconds)}
        return answer(200, body)

    def _check(self, request: web.Request) -> None:
        """Bearer token and `X-AUTH-TOKEN`. Raises Refusal."""
        token = read_bearer(request)
        if token is None:
            raise Refusal(fault(401, 900902, "Missing Credentials"))
        if self._tokens.owner(token, _PRODUCT) is None or self._tokens.has_expired(token):
            raise Refusal(fault(401, 900901, "Invalid Credentials"))
        issued, wanted = self._context.credentials, ""
        if issued.get("api_user"):
            wanted = base64.b64encode(f"{issued['api_user']}:{issued.get('api_password', '')}".encode()).decode()
        if not same(request.headers.get("X-AUTH-TOKEN", ""), wanted):
            raise Refusal(said(403, "X-AUTH-TOKEN is missing or wrong"))

    async def init(self, request: web.Request) -> web.Response:
        """`POST mp/init`: a handle, which moves nothing."""
        await pause(self._context.faults.latency_ms)
        self._check(request)
        handle = f"MP{datetime.now(UTC):%y%m%d}{secrets.token_hex(12).upper()}"
        self._handles.add(handle)
        return answer(200, {"message": "Payment request successfully initiated", "data": {"payToken": handle}})

    async def pay(self, request: web.Request) -> web.Response:
        """`POST mp/pay`: the prompt goes to the phone; a used handle is answered 422."""
        faults = self._context.faults
        await pause(faults.latency_ms)
        self._check(request)
        ordered = self._lottery.draw(faults.request)
        refused = _ordered_refusal(request, ordered)
        if refused is not None:
            return refused
        entry = await self._read(request)
        subscriber = entry.msisdn.removeprefix("+237")
        code = None if _ORANGE.fullmatch(subscriber) else "00671"
        code = _NO_WALLET if subscriber.endswith(_NO_WALLET) else code
        if code is not None:
            body = {"message": "Merchant payment refused", "data": {**_shown(entry), "inittxnstatus": code}}
            return answer(200 if ordered.refusal_as_200 else 417, body)
        try:
            entry = self._context.book.open(entry)
        except AlreadyThere:
            return said(422, "This payToken was already used")
        self._handles.discard(entry.our_reference)
        self._context.courier.concerns(request, entry.msisdn)
        await self._start(entry)
        if ordered.drop_after:
            return cut(request)
        if ordered.garbage:
            return garbage()
        if ordered.error_500:
            return said(500, ordered.error_500)
        return answer(200, {"message": "Merchant payment successfully initiated", "data": _shown(entry)})

    async def _read(self, request: web.Request) -> Entry:
        try:
            body: Any = await read_json(request)
            fields = {name: body[name] for name in _FIELDS}
        except (ValueError, KeyError, TypeError):
            raise Refusal(said(400, "A field is missing")) from None
        if not all(isinstance(value, str) for value in fields.values()):
            raise Refusal(said(400, "A field has the wrong type"))
        issued = self._context.credentials
        merchant = same(fields["channelUserMsisdn"], issued.get("channel_msisdn"))
        if not merchant or not same(fields["pin"], issued.get("channel_pin")):
            raise Refusal(said(400, "Channel number or PIN is wrong"))
        if not re.fullmatch(r"[1-9]\d{0,9}", fields["amount"], re.ASCII) or not ORDER_ID.fullmatch(fields["orderId"]):
            raise Refusal(said(400, "amount or orderId is wrong"))
        handle = fields["payToken"]
        if handle not in self._handles and self._find(handle) is None:
            raise Refusal(said(400, "payToken is unknown"))
        return Entry(
            operator=self._context.code,
            our_reference=handle,
            external_id=fields["orderId"],
            msisdn=f"+237{fields['subscriberMsisdn']}",
            amount=fields["amount"],
            currency=CURRENCY,
            expires_at=time.time() + (self._context.faults.expire_after_seconds or PAYER_SECONDS),
            details={
                "callback": fields["notifUrl"],
                "description": fields["description"],
                "channel": fields["channelUserMsisdn"],
            },
        )

    def _find(self, handle: str) -> Entry | None:
        return self._context.book.find(self._context.code, handle)

    async def _start(self, entry: Entry) -> None:
        faults = self._context.faults
        if faults.callback.mode == "forged" and entry.details["callback"]:
            forged = replace(entry, status=Status.SUCCESSFUL, provider_reference=_transaction(entry))
            self._context.courier.spawn(self._callbacks.send_forged(_news(forged)))
        self._approvals.open(entry)
        if faults.autopay and faults.callback.mode == "before_answer":
            self._told_early.add(entry.our_reference)
            paid = self._approvals.pay(entry.our_reference)
            if paid is not None:
                await self._callbacks.send(_news(paid))

    async def push(self, request: web.Request) -> web.Response:
        """`GET mp/push/{payToken}`: the prompt once more; the phone rings."""
        await pause(self._context.faults.latency_ms)
        self._check(request)
        entry = self._find(request.match_info["handle"])
        if entry is None:
            return said(404, "payToken is unknown")
        self._context.courier.concerns(request, entry.msisdn)
        self._context.courier.note(self._context.code, "push", entry.msisdn, entry.our_reference)
        self._approvals.prompt_again(entry.our_reference)
        return answer(200, {"message": "Push sent", "data": _shown(entry)})

    async def show_status(self, request: web.Request) -> web.Response:
        """`GET mp/paymentstatus/{payToken}`; a handle that nobody paid with is not found."""
        context, faults = self._context, self._context.faults
        await pause(faults.latency_ms)
        self._check(request)
        if context.board.is_down(context.code):
            return web.Response(status=503, text=_XML, content_type="text/xml")
        if not self._rate.admits(faults.status.rate_limit_per_second or 0):
            return fault(429, 900804, "Message throttled out")
        entry = self._find(request.match_info["handle"])
        if entry is None:
            return said(404, "No payment with this payToken")
        context.courier.concerns(request, entry.msisdn)
        if faults.status.not_found_first:
            count = self._questions[entry.our_reference] = self._questions.get(entry.our_reference, 0) + 1
            if count <= faults.status.not_found_first:
                return said(404, "No payment with this payToken")
        if faults.status.garbage:
            return garbage()
        data = _shown(entry) | ({"status": "IN_REVIEW"} if faults.status.unknown_word else {})
        data["amount"] = entry.whole if faults.status.amount_as_number else entry.amount
        return answer(200, {"message": "Transaction retrieved successfully", "data": data})

    async def _announce(self, entry: Entry) -> None:
        if entry.our_reference in self._told_early:
            self._told_early.discard(entry.our_reference)
        elif entry.details["callback"]:
            await self._callbacks.send(_news(entry))


def _ordered_refusal(request: web.Request, ordered: RequestFaults) -> web.Response | None:
    if ordered.drop_before:
        return cut(request)
    if ordered.html:
        return firewall_page()
    if ordered.xml:
        return web.Response(status=503, text=_XML, content_type="text/xml")
    if ordered.too_many:
        return fault(429, 900804, "Message throttled out")
    if ordered.error_500 and not ordered.error_500_registered:
        return said(500, ordered.error_500)
    return None


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


def _news(entry: Entry) -> News:
    body: Mapping[str, object] = _shown(entry)
    return News(entry.details["callback"], body, {**body, "amount": entry.whole * 10}, entry.msisdn)


def _transaction(entry: Entry) -> str:
    """Orange's transaction number, as `MP261104.1833.X51234`."""
    return f"MP{datetime.fromtimestamp(entry.created_at, UTC):%y%m%d.%H%M}.X{50_000 + entry.number}"


SANDBOX = Company("orange_money_cm", lambda context: OrangeMoneyCm(context).application())
