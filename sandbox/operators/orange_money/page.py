"""Orange's hosted payment page, which a one-time code opens.

A payer dials `#144*82#` and has ten minutes to type the code with her number.
"""

import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext
from sandbox.operators.orange_codes import CODES_DIALLED, SUBSCRIBERS, codes_of
from sandbox.operators.wire import answer

CODE_ATTEMPTS: Final = 3
_LOCAL_CI: Final = re.compile(r"0\d{9}", re.ASCII)

_templates: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


class PaymentPage:
    """`GET` and `POST /payment/pay_token/{token}`; with `?format=json`, answers for programs."""

    def __init__(
        self,
        context: OperatorContext,
        *,
        pay: Callable[[Entry, str], Awaitable[Entry]],
        cancel: Callable[[Entry], Entry],
        find: Callable[[str], Entry | None],
    ) -> None:
        self._context = context
        self._pay = pay
        self._cancel = cancel
        self._find = find
        self._codes = codes_of(context.phones)
        self._attempts: dict[str, int] = {}

    def path(self, entry: Entry) -> str:
        """Where the page of an order is, below `/orange_money`."""
        return f"/payment/pay_token/{entry.details['pay_token']}"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The page."""
        router.add_get("/payment/pay_token/{token}", self.show)
        router.add_post("/payment/pay_token/{token}", self.submit)

    async def show(self, request: web.Request) -> web.Response:
        """The form, or how the payment ended."""
        entry = self._find(request.match_info["token"])
        if entry is None:
            return web.Response(status=404, text="404: Not Found")
        return self._render(entry)

    async def submit(self, request: web.Request) -> web.Response:
        """Pay or cancel."""
        entry = self._find(request.match_info["token"])
        wants_json = request.query.get("format") == "json"
        if entry is None:
            return answer(404, {"error": "unknown"}) if wants_json else web.Response(status=404, text="404: Not Found")
        try:
            form = await request.post()
        except ValueError:
            return web.Response(status=400, text="400: Bad Request")
        fault = ""
        if entry.status is Status.INITIATED:
            if form.get("action") == "cancel":
                entry = self._cancel(entry)
            else:
                entry, fault = await self._try(entry, str(form.get("msisdn", "")), str(form.get("code", "")))
        if wants_json:
            word = "SUCCESS" if entry.status is Status.SUCCESSFUL else entry.status.value
            return answer(422 if fault else 200, {"status": word, **({"error": fault} if fault else {})})
        return self._render(entry, fault, str(form.get("msisdn", ""))[:20])

    async def _try(self, entry: Entry, number: str, code: str) -> tuple[Entry, str]:
        """The order after an attempt, and what was wrong with it: wrong_number, wrong_code or nothing."""
        msisdn = _read_number(number)
        if msisdn is None:
            return entry, "wrong_number"
        if not self._codes.use(msisdn, code.strip()):
            tried = self._attempts[entry.our_reference] = self._attempts.get(entry.our_reference, 0) + 1
            if tried >= CODE_ATTEMPTS:
                entry = self._cancel(entry)
            return entry, "wrong_code"
        return await self._pay(entry, msisdn), ""

    def _render(self, entry: Entry, fault: str = "", typed: str = "") -> web.Response:
        back = entry.details["return_url" if entry.status is Status.SUCCESSFUL else "cancel_url"]
        if entry.status is Status.PENDING:
            back = entry.details["return_url"]
        page = _templates.get_template("page.html").render(
            lang="en" if entry.details["lang"].lower().startswith("en") else "fr",
            entry=entry,
            status=entry.status.value,
            merchant=entry.details["reference"] or self._context.merchant,
            fault=fault,
            typed=typed,
            back=back,
            back_host=urlsplit(back).hostname or "",
            minutes=max(0, round((entry.expires_at - time.time()) / 60)),
            dialled=CODES_DIALLED,
        )
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})


def _read_number(text: str) -> str | None:
    digits = re.sub(r"[\s.()-]", "", text)
    if _LOCAL_CI.fullmatch(digits):
        digits = f"+225{digits}"
    number = f"+{digits.removeprefix('+').removeprefix('00')}"
    return number if SUBSCRIBERS.fullmatch(number) else None
