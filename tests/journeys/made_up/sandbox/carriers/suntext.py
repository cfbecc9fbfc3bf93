"""Suntext, simulated."""

from urllib.parse import urlencode
from uuid import uuid4

from aiohttp import web

from sandbox.company import Company, Context


class _Suntext:
    """Texts out, and those of phones in."""

    def __init__(self, context: Context) -> None:
        self._context = context
        context.phones.carriers[context.code] = self

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/texts", self.send)
        return app

    async def send(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["key"] != self._context.credentials.get("key"):
            return web.Response(status=401)
        self._context.courier.concerns(request, body["to"])
        self._context.phones.text(body["to"], "Suntext", body["text"])
        return web.json_response({"id": str(uuid4())})

    def carry(self, msisdn: str, to: str, text: str) -> str:
        """Take a phone's SMS to a short code and bring it to the gateway in the background."""
        number = str(uuid4())
        self._context.courier.spawn(self._bring({"id": number, "from": msisdn, "to": to, "text": text}))
        return number

    async def _bring(self, fields: dict[str, str]) -> None:
        await self._context.courier.deliver(
            self._context.code,
            "POST",
            self._context.address("/sms/suntext"),
            body=urlencode(fields).encode(),
            content_type="application/x-www-form-urlencoded",
            within=10,
            about=fields["from"],
        )


SANDBOX = Company("suntext", lambda context: _Suntext(context).application(), demo={"KEY": "demo-key"})
