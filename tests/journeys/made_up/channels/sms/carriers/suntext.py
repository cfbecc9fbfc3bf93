"""Suntext, an SMS carrier that does not exist: JSON out, a form in, no reports."""

from typing import Final

import httpx
from pydantic import BaseModel, SecretStr

from channels.messages.carrier import IncomingText, OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.sms.carrier import DeliveryReport, Malformed, Registration
from gateway.http.raw_exchange import RawRequest

CODE: Final = "suntext"


class Settings(BaseModel):
    """`SUNTEXT_*`."""

    base_url: str
    key: SecretStr
    shared_secret: SecretStr | None = None


class Suntext:
    """`SmsCarrier`."""

    code = CODE
    method = "POST"
    thanks = "thank you"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(timeout=10)

    def read_message(self, request: RawRequest) -> IncomingText | Malformed:
        """Read a text."""
        form = request.form
        if not form.get("id"):
            return Malformed("no id")
        return IncomingText(CODE, form["id"], form.get("from", ""), form.get("to", ""), form.get("text", ""), None)

    def read_delivery_report(self, request: RawRequest) -> DeliveryReport | Malformed:
        """It sends none."""
        return Malformed("no reports")

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text."""
        body = {"to": message.to, "text": message.text, "key": self._settings.key.get_secret_value()}
        try:
            response = await self._client.post(f"{self._settings.base_url}/texts", json=body)
        except httpx.ConnectError:
            return SendRefused("not reached", permanent=False)
        except httpx.HTTPError as error:
            return SendUnknown(type(error).__name__)
        if response.status_code != 200:
            return SendRefused(str(response.status_code), permanent=True)
        return SendAccepted(response.json()["id"])

    async def aclose(self) -> None:
        """Close connections."""
        await self._client.aclose()


REGISTRATION = Registration(CODE, Settings, Suntext)
