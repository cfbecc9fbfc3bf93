"""The handsets over HTTP: JSON for tests and scripts, and the page for people."""

import asyncio
import codecs
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.courier import Courier
from sandbox.phones.handset import NoDialogue, Phones
from sandbox.phones.network import network_of, read_number

PAGES = Path(__file__).with_name("pages")
_PAGE_TIMEOUT_SECONDS = 15.0

Wallets = Callable[[str], Mapping[str, int]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body", bound=BaseModel)


class Problem(Exception):
    """An error in the shape of RFC 9457; the text says what was wrong."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self._status = status
        self._title = title

    def answer(self) -> web.Response:
        """As it goes over the wire."""
        body = {"type": "about:blank", "title": self._title, "status": self._status, "detail": str(self)}
        return web.json_response(body, status=self._status, content_type="application/problem+json")


def bad(detail: str) -> Problem:
    """The caller sent something that cannot be."""
    return Problem(400, "Bad request", detail)


@web.middleware
async def problems_are_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a Problem that a handler raised into its answer."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.answer()
    except NoDialogue:
        return Problem(409, "Nothing to answer", "The phone has no open USSD session or prompt.").answer()


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """The body, read as JSON of this kind. Raises Problem."""
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        raise bad(str(error)) from None


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Dial(_Body):
    code: str = Field(max_length=120)
    aggregator: Any = None


class _Reply(_Body):
    input: str = Field(max_length=182)


class _Text(_Body):
    to: str = Field(min_length=1)
    text: str = Field(max_length=1600)
    carrier: Any = None


class _Answer(_Body):
    pin: str | None = None
    decline: bool = False
    id: str | None = None


class _Payment(_Body):
    payment_url: str
    code: str


@web.middleware
async def readable_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that cannot be unpacked, or whose charset is unknown."""
    try:
        codecs.lookup(request.charset or "utf-8")
        if request.content_type == "multipart/form-data":
            # Its parts are read from the wire, and kept for a second reader; the bytes are not.
            await request.post()
        else:
            await request.read()
    except (LookupError, ValueError, web.RequestPayloadError):
        refusal = bad("The body could not be read.").answer()
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
        app = web.Application()
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
        body = await read_body(request, _Dial)
        _check("aggregator", body.aggregator, self._phones.aggregators)
        # A caller that goes away does not break a dialogue that the network carries on.
        screen, goes_on = await asyncio.shield(self._phones.dial(_number(request), body.code, body.aggregator))
        return web.json_response({"screen": screen, "open": goes_on})

    async def reply(self, request: web.Request) -> web.Response:
        """`{"input": "07"}` → `{"screen", "open"}`; 409 without an open session."""
        typed = (await read_body(request, _Reply)).input
        screen, goes_on = await asyncio.shield(self._phones.reply(_number(request), typed))
        return web.json_response({"screen": screen, "open": goes_on})

    async def hang_up(self, request: web.Request) -> web.Response:
        """End the session."""
        self._phones.hang_up(_number(request))
        return web.json_response({"screen": "", "open": False})

    async def send_text(self, request: web.Request) -> web.Response:
        """`{"to": "7890", "text": "VOTE 07 5"}` and perhaps `"carrier"`, who carries it → `{"id"}`."""
        body = await read_body(request, _Text)
        _check("carrier", body.carrier, self._phones.carriers)
        return web.json_response({"id": self._phones.send_text(_number(request), body.to, body.text, body.carrier)})

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
        body = await read_body(request, _Answer)
        if not body.decline and body.pin is None:
            raise bad('Send {"pin": "0000"} or {"decline": true}.')
        answer = await self._phones.answer_prompt(_number(request), body.id, None if body.decline else body.pin)
        return web.json_response(answer, status=422 if "error" in answer else 200)

    async def show_exchange(self, request: web.Request) -> web.Response:
        """The last requests between gateway and outside world about this phone."""
        return web.json_response(self._courier.exchange(_number(request)))

    async def pay_page(self, request: web.Request) -> web.Response:
        """`{"payment_url", "code"}`: fill an operator's hosted page, as the phone's browser would.

        The page must be one of this simulated country.
        """
        msisdn, body = _number(request), await read_body(request, _Payment)
        parts = urlsplit(body.payment_url)
        if (parts.scheme, parts.netloc) != (request.scheme, request.host):
            raise bad("payment_url must be a page of this simulated country.")
        form = urlencode({"msisdn": msisdn, "code": body.code, "action": "pay"})
        status, text = await self._courier.deliver(
            "browser",
            "POST",
            f"{body.payment_url.split('?')[0]}?format=json",
            body=form.encode(),
            content_type="application/x-www-form-urlencoded",
            within=_PAGE_TIMEOUT_SECONDS,
            about=msisdn,
        )
        try:
            return web.json_response(json.loads(text), status=status or 502)
        except ValueError:
            raise Problem(409, "No payment page", "The address is not a payment page.") from None


def add_page(app: web.Application) -> None:
    """Serve the handset page at `/` and its files under `/handset/`."""

    async def page(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / "handset.html", headers={"Cache-Control": "no-cache"})

    app.router.add_get("/", page)
    app.router.add_static("/handset/", PAGES)


def _number(request: web.Request) -> str:
    number = read_number(request.match_info["msisdn"])
    if number is None:
        raise bad("The path names no phone number.")
    return number


def _check(name: str, wanted: object, known: Collection[str]) -> None:
    if wanted is not None and wanted not in list(known):
        raise bad(f"{name} must be one of {', '.join(sorted(known))}.")
