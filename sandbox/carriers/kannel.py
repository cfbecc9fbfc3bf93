"""Kannel: texts out by `sendsms`, texts and delivery reports in, all of them GETs.

Source: Kannel 1.4.5, user guide and `gw/smsbox.c`. The address for inbound texts is a template of its
configuration; the one for reports comes with each text, and what begins with `%` is filled in.
"""

import asyncio
import re
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, quote_plus
from uuid import uuid4

from aiohttp import web

from sandbox.company import Company, Context

DEFAULT_SENDER: Final = "KANNEL"
REPORT_MASK_MAX: Final = 31
GATEWAY_TIMEOUT_SECONDS: Final = 10.0
ACCEPTED: Final = "0: Accepted for delivery"
QUEUED: Final = "3: Queued for later delivery"
_RECEIVER: Final = re.compile(r"\+?[0-9]{6,15}", re.ASCII)
_CODINGS: Final = ("", "0", "1", "2")
# Values of %d, in the order of the calls.
_REPORTS: Final = MappingProxyType(
    {
        "normal": (8, 1),
        "early": (8, 1),
        "none": (),
        "twice": (8, 8, 1, 1),
        "reversed": (1, 8),
        "failed": (8, 2),
        "rejected": (16,),
        "unknown_value": (128,),
    }
)
_REPLIES: Final = MappingProxyType({8: "ACK/", 2: "NACK/", 16: "NACK/0x0000000b/Invalid Destination Address"})


class Kannel:
    """The smsbox and what stands behind it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def application(self) -> web.Application:
        """Everything under `/kannel`."""
        app = web.Application()
        app.router.add_get("/cgi-bin/sendsms", self.send)
        self._context.phones.carriers[self._context.code] = self
        return app

    async def send(self, request: web.Request) -> web.Response:
        """`GET /cgi-bin/sendsms`: 202 once the text is in the queue."""
        faults, query = self._context.channel.faults.kannel, request.query
        if not self._context.issued(username=query.get("username", ""), password=query.get("password", "")):
            return _text_answer(403, "Authorization failed for sendsms")
        if faults.error:
            return _text_answer(
                faults.error, "Temporal failure, try again later." if faults.error == 503 else "Refused"
            )
        fault = _fault(request)
        if fault:
            return _text_answer(400, fault)
        to = query["to"].strip()
        number = to if to.startswith("+") else f"+{to}"
        self._context.courier.concerns(request, number)
        if faults.no_route:
            return _text_answer(403, "Not routable. Do not try again.")
        if faults.delivery != "rejected":
            self._context.phones.text(number, query.get("from") or DEFAULT_SENDER, query.get("text", ""))
        mask = int(query.get("dlr-mask") or 0)
        reports = self._report(number, query.get("dlr-url", ""), mask)
        if faults.delivery == "early":
            await reports
        else:
            self._context.courier.spawn(reports)
        if faults.slow_after_send_ms:
            await asyncio.sleep(faults.slow_after_send_ms / 1000)
        return _text_answer(202, QUEUED if faults.queued else ACCEPTED)

    async def _report(self, number: str, template: str, mask: int) -> None:
        """Call the text's own address for each report that its mask asks for; never repeated."""
        faults = self._context.channel.faults.kannel
        for value in _REPORTS[faults.delivery]:
            if faults.delivery != "early":
                await asyncio.sleep(faults.delivery_delay_ms / 1000)
            if template and (value & mask or value > REPORT_MASK_MAX):
                filled = {"%d": str(value), "%A": quote_plus(_REPLIES.get(value, "")), "%p": quote_plus(number)}
                url = template
                for escape, word in filled.items():
                    url = url.replace(escape, word)
                await self._call(url, number)

    def carry(self, msisdn: str, to: str, text: str) -> str:
        """Take a phone's SMS to a short code and bring it to the gateway in the background."""
        faults = self._context.channel.faults.kannel
        first = str(uuid4())
        for message_id in (first, str(uuid4())) if faults.inbound_twice else (first,):
            self._context.courier.spawn(self._bring(message_id, msisdn, to, text))
        return first

    async def _bring(self, message_id: str, msisdn: str, to: str, text: str) -> None:
        """Call the address of the template, once, unless it is set up to repeat."""
        faults = self._context.channel.faults.kannel
        coding, coded = _coded(text, faults.charset)
        fields = f"id={message_id}&from={quote_plus(msisdn)}&to={quote_plus(to)}&text={coded}&coding={coding}"
        address = self._context.address("/sms/kannel")
        address = f"{address}{'&' if '?' in address else '?'}{fields}"
        for tries in range(faults.inbound_tries):
            if tries:
                await asyncio.sleep(faults.repeat_seconds)
            status, text_back = await self._call(address, msisdn)
            if status == 200:
                if text_back:
                    # `max-messages` above 0 would do this; it must never have anything to send.
                    self._context.channel.violated("answered", msisdn, message_id, text_back)
                return

    async def _call(self, url: str, about: str) -> tuple[int, str]:
        return await self._context.courier.deliver(
            self._context.code,
            "GET",
            url,
            body=b"",
            content_type="text/plain",
            within=GATEWAY_TIMEOUT_SECONDS,
            about=about,
        )


def _text_answer(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html")


def _fault(request: web.Request) -> str | None:
    """Why Kannel would not take this request."""
    query = request.query
    if not query.get("to", "").strip():
        return "Missing receiver number, rejected"
    if not _RECEIVER.fullmatch(query["to"].strip()):
        return "Number(s) has/have been denied by white- and/or black-lists."
    if query.get("coding", "") not in _CODINGS:
        return "Coding field misformed, rejected"
    mask = query.get("dlr-mask", "")
    if mask and not (mask.isascii() and mask.isdigit() and int(mask) <= REPORT_MASK_MAX):
        return "DLR-Mask field misformed, rejected"
    return None


def _coded(text: str, charset: str) -> tuple[int, str]:
    """Coding and bytes of a text as they go into the template."""
    if charset == "latin1":
        return 1, quote(text.encode("latin-1", "replace"), safe="")
    if charset == "utf16":
        return 2, quote(text.encode("utf-16-be"), safe="")
    return 0, quote_plus(text)


SANDBOX = Company(
    "kannel",
    lambda context: Kannel(context).application(),
    demo={
        "USERNAME": "demo",
        "PASSWORD": "demo-password",
        "SENDER": "7890,CM:7800",
        "DELIVERY_URL": "{gateway}/sms/kannel/delivery",
    },
)
