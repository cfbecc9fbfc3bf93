"""The handsets over HTTP: JSON for tests and scripts, and the page for people."""

import asyncio
import codecs
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from sandbox.courier import Courier
from sandbox.phones.handset import NoDialogue, Phones
from sandbox.phones.network import network_of, read_number

PAGES = Path(__file__).with_name("pages")
_PAGE_TIMEOUT_SECONDS = 15.0
_TEXT_LENGTH_MAX = 1600
_CODE_LENGTH_MAX = 120
_TYPED_LENGTH_MAX = 182

Wallets = Callable[[str], Mapping[str, int]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem(status: int, title: str, detail: str) -> web.Response:
    """An error in the shape of RFC 9457."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


class BadInput(Exception):
    """The caller sent something a phone cannot do; the text says what."""


@web.middleware
async def faults_are_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer bad input with 400, and an answer to nothing with 409."""
    try:
        return await handler(request)
    except BadInput as fault:
        return problem(400, "Bad request", str(fault))
    except NoDialogue:
        return problem(409, "Nothing to answer", "The phone has no open USSD session or prompt.")


@web.middleware
async def readable_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that cannot be unpacked, or whose charset nobody knows."""
    try:
        codecs.lookup(request.charset or "utf-8")
        if request.content_type == "multipart/form-data":
            # Its parts are read from the wire, and kept for a second reader; the bytes are not.
            await request.post()
        else:
            await request.read()
    except (LookupError, ValueError, web.RequestPayloadError):
        refusal = problem(400, "Bad request", "The body could not be read.")
        refusal.force_close()
        return refusal
    return await handler(request)


class PhoneApi:
    """`/phones/{msisdn}/…`. The number may be E.164 with or without `+`, or local (0501020304).

    `wallets(msisdn)` says what the operators hold for a number.
    """

    def __init__(self, phones: Phones, courier: Courier, wallets: Wallets) -> None:
        self._phones = phones
        self._courier = courier
        self._wallets = wallets

    def application(self) -> web.Application:
        """Everything under `/phones`."""
        app = web.Application(middlewares=[faults_are_problems])
        app.router.add_get("", self.list_phones)
        one = "/{msisdn}"
        app.router.add_get(one, self.show)
        app.router.add_post(f"{one}/dial", self.dial)
        app.router.add_post(f"{one}/reply", self.reply)
        app.router.add_post(f"{one}/hangup", self.hang_up)
        app.router.add_post(f"{one}/sms", self.send_text)
        app.router.add_get(f"{one}/inbox", self.show_inbox)
        app.router.add_get(f"{one}/prompt", self.show_prompt)
        app.router.add_post(f"{one}/prompt", self.answer_prompt)
        app.router.add_get(f"{one}/exchange", self.show_exchange)
        app.router.add_post(f"{one}/orange_pay", self.pay_page)
        return app

    async def list_phones(self, _: web.Request) -> web.Response:
        """Numbers that were used since the start."""
        return web.json_response(self._phones.used())

    async def show(self, request: web.Request) -> web.Response:
        """All that the page shows."""
        msisdn = _number(request)
        phone = self._phones.of(msisdn)
        session = phone.session
        return web.json_response(
            {
                "msisdn": msisdn,
                "network": network_of(msisdn).name,
                "session": None if session is None else {"screen": session.screen, "open": True},
                "prompt": self._prompt(msisdn),
                "inbox": list(phone.inbox),
                "wallets": self._wallets(msisdn),
            }
        )

    async def dial(self, request: web.Request) -> web.Response:
        """`{"code": "*789#"}` → `{"screen", "open"}`; `"aggregator": "hubtel"` lets that one carry it."""
        code = await _text(request, "code", _CODE_LENGTH_MAX)
        aggregator = (await _body(request)).get("aggregator")
        if aggregator is not None and aggregator not in list(self._phones.aggregators):
            raise BadInput(f"aggregator must be one of {', '.join(sorted(self._phones.aggregators))}.")
        # A caller that goes away does not break a dialogue that the network carries on.
        screen, goes_on = await asyncio.shield(self._phones.dial(_number(request), code, aggregator))
        return web.json_response({"screen": screen, "open": goes_on})

    async def reply(self, request: web.Request) -> web.Response:
        """`{"input": "07"}` → `{"screen", "open"}`; 409 without an open session."""
        typed = await _text(request, "input", _TYPED_LENGTH_MAX)
        screen, goes_on = await asyncio.shield(self._phones.reply(_number(request), typed))
        return web.json_response({"screen": screen, "open": goes_on})

    async def hang_up(self, request: web.Request) -> web.Response:
        """End the session."""
        self._phones.hang_up(_number(request))
        return web.json_response({"screen": "", "open": False})

    async def send_text(self, request: web.Request) -> web.Response:
        """`{"to": "7890", "text": "VOTE 07 5"}` and perhaps `"carrier"`, who carries it → `{"id"}`."""
        body = await _body(request)
        to, text, carrier = body.get("to"), body.get("text"), body.get("carrier")
        if not isinstance(to, str) or not to or not isinstance(text, str) or len(text) > _TEXT_LENGTH_MAX:
            raise BadInput("to and text must be texts.")
        if carrier is not None and carrier not in self._phones.carriers:
            raise BadInput(f"carrier must be one of {', '.join(sorted(self._phones.carriers))}.")
        return web.json_response({"id": self._phones.send_text(_number(request), to, text, carrier)})

    async def show_inbox(self, request: web.Request) -> web.Response:
        """`[{"from", "text", "at"}]`, oldest first."""
        return web.json_response(list(self._phones.of(_number(request)).inbox))

    async def show_prompt(self, request: web.Request) -> web.Response:
        """`{"id", "amount", "currency", "payee"}` or `null`."""
        return web.json_response(self._prompt(_number(request)))

    def _prompt(self, msisdn: str) -> Mapping[str, object] | None:
        prompt = next(iter(self._phones.of(msisdn).prompts.values()), None)
        return None if prompt is None else prompt.shown()

    async def answer_prompt(self, request: web.Request) -> web.Response:
        """`{"pin": "0000"}` or `{"decline": true}`, and the `id` of a prompt if not the oldest; 409
        without a prompt, 422 `{"error": "wrong_pin", "attempts_left"}` for a wrong PIN."""
        body = await _body(request)
        pin, wanted = body.get("pin"), body.get("id")
        declines = body.get("decline") is True
        if not declines and not isinstance(pin, str):
            raise BadInput('Send {"pin": "0000"} or {"decline": true}.')
        if wanted is not None and not isinstance(wanted, str):
            raise BadInput("id must be a text.")
        answer = await self._phones.answer_prompt(_number(request), wanted, None if declines else pin)
        return web.json_response(answer, status=422 if "error" in answer else 200)

    async def show_exchange(self, request: web.Request) -> web.Response:
        """The last requests between gateway and outside world about this phone."""
        return web.json_response(self._courier.exchange(_number(request)))

    async def pay_page(self, request: web.Request) -> web.Response:
        """`{"payment_url", "code"}`: fill an operator's hosted page, as the phone's browser would.

        The page must be one of this simulated country.
        """
        msisdn, body = _number(request), await _body(request)
        url, code = body.get("payment_url"), body.get("code")
        if not isinstance(url, str) or not isinstance(code, str):
            raise BadInput("payment_url and code must be texts.")
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != (request.scheme, request.host):
            raise BadInput("payment_url must be a page of this simulated country.")
        form = urlencode({"msisdn": msisdn, "code": code, "action": "pay"})
        status, text = await self._courier.deliver(
            "browser",
            "POST",
            f"{url.split('?')[0]}?format=json",
            body=form.encode(),
            content_type="application/x-www-form-urlencoded",
            within=_PAGE_TIMEOUT_SECONDS,
            about=msisdn,
        )
        try:
            return web.json_response(json.loads(text), status=status or 502)
        except ValueError:
            return problem(409, "No payment page", "The address is not a payment page.")


def add_page(app: web.Application) -> None:
    """Serve the handset page at `/` and its files under `/handset/`."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / "handset.html", headers={"Cache-Control": "no-cache"})

    app.router.add_get("/", page)
    app.router.add_static("/handset/", PAGES)


def _number(request: web.Request) -> str:
    number = read_number(request.match_info["msisdn"])
    if number is None:
        raise BadInput("The path names no phone number.")
    return number


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads((await request.read()).decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadInput("The body must be JSON.") from None
    if not isinstance(body, dict):
        raise BadInput("The body must be a JSON object.")
    return body


async def _text(request: web.Request, key: str, length_max: int) -> str:
    value = (await _body(request)).get(key)
    if not isinstance(value, str) or len(value) > length_max:
        raise BadInput(f"{key} must be a text of at most {length_max} characters.")
    return value
