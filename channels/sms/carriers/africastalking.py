"""Africa's Talking, SMS: texts in, delivery reports in, texts out.

Source: Africa's Talking developer pages and help centre (article 742510), and its Python SDK 2.0.3
read in November 2026. Everything inbound is a form:

| what | fields |
| --- | --- |
| text | `from`, `to`, `text`, `date`, `id`, `linkId`, `networkCode`; repeated each minute until 200, for 12 h |
| report | `id` (the `messageId` of the send answer), `status`, `phoneNumber`, `failureReason` |

Unreliable: nothing is signed; a report may come before the answer to the send, twice, or never; an
answer 201 may still mean that nothing was sent (`Recipients` empty, the reason in `Message`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from africastalking.SMS import SMSService
from pydantic import BaseModel, Field, SecretStr

from channels.messages.carrier import IncomingText, OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.sms.carrier import (
    FIELD_LENGTH_MAX,
    DeliveryReport,
    Malformed,
    Registration,
    Senders,
    incoming,
    number,
    sender_to,
    storable,
)
from gateway.http.raw_exchange import RawRequest
from payments.answers import read_object
from payments.http_call import HttpCaller, Outcome, Timeouts
from payments.provider import NotSent, Unknown

CODE: Final = "africastalking"
AT_ONCE_MAX: Final = 16
TIMEOUTS: Final = Timeouts(pool=6, connect=3, read=10, total=13)
_ACCEPTED: Final = frozenset({100, 101, 102})
# Status codes of the send answer that no second try here will change; 407, 500, 501, 502 (its routes)
# may pass. 402 (sender id) and 405 (balance) are about our account, not about the number.
_PERMANENT: Final = frozenset({401, 402, 403, 404, 405, 406, 409})
_OURS: Final = frozenset({402, 405})
_TEMPORARY_WORDS: Final = frozenset({"CouldNotRoute", "InternalServerError", "GatewayError", "RejectedByGateway"})


class Settings(BaseModel):
    """`AFRICASTALKING_*`. `sender`: sender id or short code, by country where there are several
    (`read_senders`); empty uses the account's own.
    `shared_secret`: the word that inbound calls must carry as `?key=`."""

    base_url: str = "https://api.africastalking.com"
    username: str
    api_key: SecretStr
    sender: Senders = Field(default_factory=dict, examples=["7890,CM:7800"])
    shared_secret: SecretStr | None = None


class _Service(SMSService):  # type: ignore[misc] # the SDK has no types
    """The SDK's SMS service at an address of our choice, which it has no setting for. It checks numbers and makes
    requests; they are sent over connections that are kept: the SDK blocks a thread and opens one for each text."""

    def __init__(self, username: str, api_key: str, base_url: str, caller: HttpCaller) -> None:
        self._address = base_url.rstrip("/")
        self._caller = caller
        super().__init__(username, api_key)

    def _init_service(self) -> None:
        self._baseUrl = self._contentUrl = f"{self._address}/version1"

    async def _make_request(
        self, url: str, method: str, headers: Mapping[str, str], data: Mapping[str, object], **_: object
    ) -> Outcome:
        return await self._caller.call(method, url, what="send", timeouts=TIMEOUTS, headers=headers, data=data)


class AfricasTalking:
    """`SmsCarrier`. So many texts are sent at once."""

    code = CODE
    method = "POST"
    thanks = "ok"

    def __init__(self, settings: Settings) -> None:
        self._senders = settings.sender
        self._caller = HttpCaller(CODE)
        key = settings.api_key.get_secret_value()
        self._service = _Service(settings.username, key, settings.base_url, self._caller)
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)

    def read_message(self, request: RawRequest) -> IncomingText | Malformed:
        """Read a text that a voter sent us."""
        form = _storable(request.form)
        return incoming(CODE, form, form.get("text", ""), form.get("networkCode", "")[:FIELD_LENGTH_MAX] or None)

    def read_delivery_report(self, request: RawRequest) -> DeliveryReport | Malformed:
        """Read a delivery report; words that we do not know are kept as they are."""
        form = _storable(request.form)
        message_id, status = form.get("id", ""), form.get("status", "")
        if not message_id or not status or len(message_id) > FIELD_LENGTH_MAX:
            return Malformed("no id or status")
        failure = form.get("failureReason", "")[:FIELD_LENGTH_MAX] or None
        return DeliveryReport(message_id, status[:40], number(form.get("phoneNumber", "")), failure)

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text."""
        sender = sender_to(self._senders, message.to)
        async with self._at_once:
            try:
                sent = self._service.send(message.text, [message.to], sender_id=sender)
            except ValueError as error:
                return SendRefused(type(error).__name__, permanent=True)
            return read_answer(await sent)

    async def aclose(self) -> None:
        """Close connections."""
        await self._caller.aclose()


def _storable(form: Mapping[str, str]) -> dict[str, str]:
    return {name: storable(value) for name, value in form.items()}


def read_answer(outcome: Outcome) -> SendResult:
    """What the answer to a send means."""
    if isinstance(outcome, NotSent):
        return SendRefused("not reached", permanent=False)
    if isinstance(outcome, Unknown):
        return SendUnknown(outcome.error)
    if not 200 <= outcome.status < 300:
        # Of all refusals only that of a key has a text of its own.
        refused = b"authentication" in outcome.body.lower()
        return (
            SendRefused("authentication", permanent=True, ours=True)
            if refused
            else SendUnknown("refused by its server")
        )
    data: Any = read_object(outcome.body).get("SMSMessageData")
    if not isinstance(data, Mapping):
        return SendUnknown("unreadable answer")
    recipients = data.get("Recipients")
    if not isinstance(recipients, list) or not recipients or not isinstance(recipients[0], Mapping):
        word = str(data.get("Message", "no recipients"))[:80]
        # The whole call was refused, so not for the number's sake.
        permanent = word not in _TEMPORARY_WORDS
        return SendRefused(word, permanent=permanent, ours=permanent)
    recipient = recipients[0]
    status = _status_code(recipient.get("statusCode"))
    if status in _ACCEPTED:
        cost, message_id = recipient.get("cost"), str(recipient.get("messageId") or "None")
        # An accepted text without an id can never be found in a report: not the same as sent.
        if message_id == "None":
            return SendUnknown("accepted without an id")
        return SendAccepted(message_id, str(cost) if cost is not None else None)
    word = str(recipient.get("status", status))[:80]
    return SendRefused(word, permanent=status in _PERMANENT, ours=status in _OURS)


def _status_code(given: object) -> int:
    """The code as a number, also where it came as text; 0 for anything else."""
    digits = str(given)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 3 else 0


def _in_test(settings: Settings) -> bool:
    return settings.username == "sandbox" or "api.sandbox." in settings.base_url


REGISTRATION = Registration(CODE, Settings, AfricasTalking, _in_test)
