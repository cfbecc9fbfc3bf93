"""Kannel, the SMS gateway that many operators and aggregators put before their SMPP lines.

Source: Kannel 1.4.5, user guide and `gw/smsbox.c`, and a running one. Everything is a GET with query
fields:

| what | who calls | fields |
| --- | --- | --- |
| text | Kannel, by a URL template of ours | `id` %I, `from` %p, `to` %P, `text` %a, `coding` %c |
| send | we, `/cgi-bin/sendsms` | `username password from to text coding charset dlr-mask dlr-url` |
| report | Kannel, the `dlr-url` of that very text | `id` (ours), `status` %d, `reply` %A |

Its side wants, with the word of `KANNEL_SHARED_SECRET`:

    group = sms-service
    get-url = "https://vote.example.org/sms/kannel?key=WORD&id=%I&from=%p&to=%P&text=%a&coding=%c"
    max-messages = 0

Without `max-messages = 0` the text of our answer, or an excuse for an empty one, goes to the voter.
Unreliable: nothing is signed; a text is not brought again unless `http-request-retry` is set; `%I` is
new at each attempt; bytes of a text come as the phone's side coded them (`coding` 0 text, 1 eight-bit
data in UTF-8 or Latin-1, 2 UCS-2). An accepted text is only in Kannel's queue: what the operator says
comes as a report.
"""

import asyncio
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from pydantic import BaseModel, Field, SecretStr

from channels import gsm
from channels.messages.carrier import IncomingText, OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.sms.carrier import (
    FIELD_LENGTH_MAX,
    DeliveryReport,
    Malformed,
    Registration,
    Senders,
    incoming,
    sender_to,
    storable,
)
from gateway.http.raw_exchange import RawRequest

CODE: Final = "kannel"
AT_ONCE_MAX: Final = 16
CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
REPORT_MASK: Final = 1 | 2 | 8 | 16
# Bits of `%d`, the weightiest first; 34 (expired) and 66 (unknown to the operator) hold the bit of a failure.
_REPORT_WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {1: "Success", 2: "Failed", 16: "Rejected", 8: "Sent", 4: "Buffered"}
)
_UCS2: Final = "2"
_ACCEPTED: Final = ("0:", "3:")
_TRY_LATER: Final = "temporal failure"
_NUMBER_BANNED: Final = "black-list"
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)
_STATUS_DIGITS_MAX: Final = 4


class Settings(BaseModel):
    """`KANNEL_*`. `base_url`: of its smsbox. `sender`: short code or sender id, by country where there are several
    (`read_senders`); empty uses Kannel's own.
    `delivery_url`: our address for reports (`…/sms/kannel/delivery`); empty asks for none, and then a
    text whose answer was lost stays unknown. `shared_secret`: the word that its calls carry as `?key=`."""

    base_url: str = Field(examples=["http://kannel.internal:13013"])
    username: str
    password: SecretStr
    sender: Senders = Field(default_factory=dict, examples=["7890,CM:7800"])
    delivery_url: str = Field("", examples=["https://vote.example.org/sms/kannel/delivery"])
    shared_secret: SecretStr | None = None


class Kannel:
    """`SmsCarrier`."""

    code = CODE
    method = "GET"
    # Kannel would send it to the voter.
    thanks = ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address = f"{settings.base_url.rstrip('/')}/cgi-bin/sendsms"
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=None),
            # A connection that died while idle would make a text's fate unknown: each has a new one.
            limits=httpx.Limits(max_connections=AT_ONCE_MAX, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    def read_message(self, request: RawRequest) -> IncomingText | Malformed:
        """Read a text that a voter sent us."""
        fields = {name: _readable(value) for name, value in request.query.items() if name != "text"}
        text = _text(request.query.get("text", ""), fields.get("coding", ""))
        return incoming(CODE, fields, text)

    def read_delivery_report(self, request: RawRequest) -> DeliveryReport | Malformed:
        """Read a delivery report. It holds no number: the id is the text's own."""
        fields = {name: _readable(value) for name, value in request.query.items()}
        message_id, status = fields.get("id", ""), fields.get("status", "")
        if not message_id or len(message_id) > FIELD_LENGTH_MAX:
            return Malformed("no id")
        if not (status.isascii() and status.isdigit() and len(status) <= _STATUS_DIGITS_MAX):
            return Malformed("no status")
        word = next((word for bit, word in _REPORT_WORDS.items() if int(status) & bit), status)
        return DeliveryReport(message_id, word, "", fields.get("reply", "")[:FIELD_LENGTH_MAX] or None)

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text."""
        if not _NUMBER.fullmatch(message.to):
            return SendRefused("not a number", permanent=True)
        reference = message.reference or str(uuid4())
        async with self._at_once:
            try:
                response = await self._client.get(self._address, params=self._fields(message, reference))
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
                return SendRefused("not reached", permanent=False)
            except httpx.HTTPError as error:
                # Never the error's own text: it may hold the address, and that the password.
                return SendUnknown(type(error).__name__)
        return read_answer(response.status_code, response.text, reference)

    def _fields(self, message: OutboundText, reference: str) -> dict[str, str]:
        settings = self._settings
        in_alphabet = all(c in gsm.ONE_SEPTET or c in gsm.TWO_SEPTETS for c in message.text)
        fields = {
            "username": settings.username,
            "password": settings.password.get_secret_value(),
            "to": message.to,
            "text": message.text,
            "coding": "0" if in_alphabet else _UCS2,
            "charset": "UTF-8",
        }
        if sender := sender_to(settings.sender, message.to):
            fields["from"] = sender
        if settings.delivery_url:
            secret = settings.shared_secret
            known = {"key": secret.get_secret_value()} if secret else {}
            # Kannel fills in what begins with a percent sign.
            fields["dlr-url"] = f"{settings.delivery_url}?{urlencode({**known, 'id': reference})}&status=%d&reply=%A"
            fields["dlr-mask"] = str(REPORT_MASK)
        return fields

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()


def read_answer(status: int, answer: str, reference: str) -> SendResult:
    """What the answer to a send means. Kannel gives a text no id of its own that a report would name."""
    body = answer.strip()
    if 200 <= status < 300:
        taken = body.startswith(_ACCEPTED)
        return SendAccepted(reference) if taken else SendUnknown("unreadable answer")
    if status == 503 and _TRY_LATER in body.lower():
        return SendRefused("temporal failure", permanent=False)
    if 400 <= status < 500:
        if _NUMBER_BANNED in body.lower():
            return SendRefused("number banned", permanent=True)
        # Its configuration or ours: the words, no route, the sender. They are for people, and for the log.
        return SendRefused(f"{status} {body}"[:80], permanent=True, ours=True)
    # Something between us and it; whether Kannel has the text is not known.
    return SendUnknown(f"HTTP {status}")


def _bytes(value: str) -> bytes:
    """The bytes of a field; those that were no UTF-8 came as surrogates (PEP 383)."""
    return value.encode("utf-8", "surrogateescape" if _decodable(value) else "replace")


def _decodable(value: str) -> bool:
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in value)


def _readable(value: str) -> str:
    """A field in characters that PostgreSQL can keep."""
    return storable(_decoded(_bytes(value)))


def _text(value: str, coding: str) -> str:
    given = _bytes(value)
    # Most setups hand UCS-2 over as UTF-8; in text, only UTF-16 holds zero bytes.
    if coding == _UCS2 and b"\x00" in given and len(given) % 2 == 0:
        return storable(given.decode("utf-16-be", "replace"))
    return storable(_decoded(given))


def _decoded(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given.decode("latin-1")


REGISTRATION = Registration(CODE, Settings, Kannel, own_server=True)
