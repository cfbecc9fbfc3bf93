"""Africa's Talking: bulk SMS out, texts and delivery reports in, and its USSD line.

Source: Africa's Talking's developer and help pages; the Python SDK 2.0.3 reads an answer as JSON
only when its content type is exactly `application/json`.
"""

import asyncio
import json
import re
import time
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from sandbox.aggregators.africastalking import FORM, ussd_line
from sandbox.company import Company, Context
from sandbox.courier import instant
from sandbox.phones.network import network_of, parts

COST_PER_PART: Final = 12
CURRENCY: Final = "XOF"
DEFAULT_SENDER: Final = "AFRICASTKNG"
INBOUND_TIMEOUT_SECONDS: Final = 10.0
INBOUND_REPEATED_SECONDS: Final = 12 * 3600
RECIPIENTS_MAX: Final = 1000

STATUS_WORDS: Final = MappingProxyType(
    {
        100: "Processed",
        101: "Success",
        102: "Queued",
        401: "RiskHold",
        402: "InvalidSenderId",
        403: "InvalidPhoneNumber",
        404: "UnsupportedNumberType",
        405: "InsufficientBalance",
        406: "UserInBlacklist",
        407: "CouldNotRoute",
        409: "DoNotDisturbRejection",
        500: "InternalServerError",
        501: "GatewayError",
        502: "RejectedByGateway",
    }
)
_ACCEPTED: Final = (100, 101, 102)
_NUMBER: Final = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)
_REPORTS: Final = MappingProxyType(
    {
        "normal": ("Sent", "Success"),
        "early": ("Sent", "Success"),
        "none": (),
        "twice": ("Sent", "Sent", "Success", "Success"),
        "reversed": ("Success", "Sent"),
        "failed": ("Sent", "Failed"),
        "unknown_word": ("Teleported",),
    }
)


class AfricasTalking:
    """The SMS carrier's API and its calls to the gateway."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def application(self) -> web.Application:
        """Everything under `/africastalking`."""
        app = web.Application()
        app.router.add_post("/version1/messaging", self.send)
        self._context.phones.aggregators[self._context.code] = ussd_line(self._context)
        self._context.phones.carriers[self._context.code] = self
        return app

    async def send(self, request: web.Request) -> web.Response:
        """`POST /version1/messaging`: 201 with a status for each recipient."""
        faults = self._context.channel.faults.sms
        form = await _form(request)
        if form is None:
            return web.Response(status=400, text="The request body could not be read.")
        if not self._context.issued(api_key=request.headers.get("apiKey", ""), username=form.get("username", "")):
            return web.Response(status=401, text="The supplied authentication is invalid")
        for name in ("to", "message"):
            if not form.get(name):
                return web.Response(status=400, text=f"Request is missing required form field '{name}'")
        if faults.error:
            return web.Response(status=faults.error, text="An error occurred" if faults.error >= 500 else "Refused")
        numbers = [number.strip() for number in form["to"].split(",") if number.strip()]
        if len(numbers) == 1:
            self._context.courier.concerns(request, numbers[0])
        if faults.no_recipients or len(numbers) > RECIPIENTS_MAX:
            return self._answer("InvalidSenderId", [])
        recipients = [await self._accept(number, form["message"], form.get("from", "")) for number in numbers]
        if faults.slow_after_send_ms:
            await asyncio.sleep(faults.slow_after_send_ms / 1000)
        accepted = [r for r in recipients if r["statusCode"] in _ACCEPTED]
        total = len(accepted) * parts(form["message"]) * COST_PER_PART
        summary = f"Sent to {len(accepted)}/{len(recipients)} Total Cost: {CURRENCY} {total}.0000"
        return self._answer(summary, recipients)

    async def _accept(self, number: str, message: str, sender: str) -> dict[str, object]:
        """Deliver to one recipient at once; its entry in the answer."""
        code = self._context.channel.faults.sms.recipient_status or 101
        if not _NUMBER.fullmatch(number):
            code = 403
        accepted = code in _ACCEPTED
        message_id = f"ATXid_{uuid4().hex}" if accepted else "None"
        if accepted:
            self._context.phones.text(number, sender or DEFAULT_SENDER, message)
            reports = self._report(number, message_id)
            if self._context.channel.faults.sms.delivery == "early":
                await reports
            else:
                self._context.courier.spawn(reports)
        return {
            "statusCode": code,
            "number": number,
            "status": STATUS_WORDS.get(code, "Failed"),
            "cost": f"{CURRENCY} {parts(message) * COST_PER_PART}.0000" if accepted else "0",
            "messageId": message_id,
        }

    def _answer(self, summary: str, recipients: list[dict[str, object]]) -> web.Response:
        body = json.dumps({"SMSMessageData": {"Message": summary, "Recipients": recipients}}).encode()
        charset = "utf-8" if self._context.channel.faults.sms.charset else None
        return web.Response(status=201, body=body, content_type="application/json", charset=charset)

    async def _report(self, number: str, message_id: str) -> None:
        """Delivery reports: one form POST each, never repeated."""
        faults = self._context.channel.faults.sms
        for status in _REPORTS[faults.delivery]:
            if faults.delivery != "early":
                await asyncio.sleep(faults.delivery_delay_ms / 1000)
            fields = {
                "id": message_id,
                "status": status,
                "phoneNumber": number,
                "networkCode": network_of(number).code,
                "retryCount": "0",
            }
            if status == "Failed":
                fields["failureReason"] = "DeliveryFailure"
            await self._post("/sms/africastalking/delivery", fields, number)

    def carry(self, msisdn: str, to: str, text: str) -> str:
        """Take a phone's SMS to a short code and bring it to the gateway in the background."""
        faults = self._context.channel.faults.sms
        first = str(uuid4())
        for message_id in (first, str(uuid4())) if faults.inbound_twice else (first,):
            self._context.courier.spawn(self._bring(message_id, msisdn, to, text))
        return first

    async def _bring(self, message_id: str, msisdn: str, to: str, text: str) -> None:
        """Post an inbound text again and again until HTTP 200, for twelve hours at most."""
        moment = instant()[:19]
        fields = {
            "date": f"{moment}Z" if self._context.channel.faults.sms.iso_date else moment.replace("T", " "),
            "from": msisdn,
            "id": message_id,
            "linkId": "",
            "text": text,
            "to": to,
            "networkCode": network_of(msisdn).code,
        }
        give_up = time.monotonic() + INBOUND_REPEATED_SECONDS
        while True:
            status = await self._post("/sms/africastalking", fields, msisdn)
            if status == 200 or time.monotonic() > give_up:
                return
            await asyncio.sleep(self._context.channel.faults.sms.repeat_seconds)

    async def _post(self, path: str, fields: dict[str, str], about: str) -> int:
        status, _ = await self._context.courier.deliver(
            self._context.code,
            "POST",
            self._context.address(path),
            body=urlencode(fields).encode(),
            content_type=FORM,
            within=INBOUND_TIMEOUT_SECONDS,
            about=about,
        )
        return status


async def _form(request: web.Request) -> dict[str, str] | None:
    """The first value of each form field; None for a body that is no readable form."""
    if request.content_type not in (FORM, "multipart/form-data"):
        return {}
    try:
        fields = await request.post()
    except ValueError:
        return None
    return {name: value for name, value in fields.items() if isinstance(value, str)}


SANDBOX = Company(
    "africastalking",
    lambda context: AfricasTalking(context).application(),
    demo={"USERNAME": "demo", "API_KEY": "demo-api-key", "SENDER": "7890,CM:7800"},
)
