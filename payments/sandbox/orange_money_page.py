"""Orange's hosted payment page, and the one-time codes that open it.

A payer dials `#144*82#` and has ten minutes to type the code with her number.
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from payments.sandbox.book import Entry, Status
from payments.sandbox.surroundings import Surroundings, Turn
from payments.sandbox.wire import answer

CODES_DIALLED: Final = "#144*82#"
CODE_SECONDS: Final = 600.0
CODE_ATTEMPTS: Final = 3
_PREFIXES: Final = re.compile(r"\+(22507\d{8}|237(69|64[0-2]|65[5-9]|68[6-9])\d{6,7}|2217[178]\d{7})")
_LOCAL_CI: Final = re.compile(r"0\d{9}", re.ASCII)

_templates: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Payment:
    """An order and the number that pays it, E.164."""

    entry: Entry
    msisdn: str


class Codes:
    """One-time codes: four digits, one for a number at a time, never 0000."""

    def __init__(self) -> None:
        self._codes: dict[str, tuple[str, float]] = {}

    def make(self, msisdn: str) -> str:
        """A new code; the number's former one stops working."""
        code = f"{secrets.randbelow(9999) + 1:04d}"
        self._codes[msisdn] = (code, time.monotonic() + CODE_SECONDS)
        return code

    def use(self, msisdn: str, code: str) -> bool:
        """Whether the code is right; a right one is used up."""
        known = self._codes.get(msisdn)
        if known is None or time.monotonic() > known[1] or not secrets.compare_digest(known[0].encode(), code.encode()):
            return False
        del self._codes[msisdn]
        return True


class PaymentPage:
    """`GET` and `POST /payment/pay_token/{token}`; with `?format=json`, answers for programs."""

    def __init__(
        self,
        around: Surroundings,
        *,
        pay: Callable[[Payment], Awaitable[Entry]],
        cancel: Callable[[Entry], Entry],
        find: Callable[[str], Entry | None],
    ) -> None:
        self._around = around
        self._pay = pay
        self._cancel = cancel
        self._find = find
        self._codes = Codes()
        self._attempts: dict[str, int] = {}
        around.handsets.serve_code(CODES_DIALLED, self._open_menu)

    def path(self, entry: Entry) -> str:
        """Where the page of an order is, below `/orange_money`."""
        return f"/payment/pay_token/{entry.details['pay_token']}"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The page."""
        router.add_get("/payment/pay_token/{token}", self.show)
        router.add_post("/payment/pay_token/{token}", self.submit)

    def _open_menu(self, msisdn: str) -> Turn:
        async def turn(_: str) -> tuple[str, bool]:
            if not _PREFIXES.fullmatch(msisdn):
                return "Service reserve aux clients Orange Money.", False
            code = self._codes.make(msisdn)
            return f"Votre code de paiement temporaire: {code}. Valable 10 minutes, une seule fois.", False

        return turn

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
        return await self._pay(Payment(entry, msisdn)), ""

    def _render(self, entry: Entry, fault: str = "", typed: str = "") -> web.Response:
        back = entry.details["return_url" if entry.status is Status.SUCCESSFUL else "cancel_url"]
        if entry.status is Status.PENDING:
            back = entry.details["return_url"]
        page = _templates.get_template("orange_money.html").render(
            lang="en" if entry.details["lang"].lower().startswith("en") else "fr",
            entry=entry,
            status=entry.status.value,
            merchant=entry.details["reference"] or self._around.merchant,
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
    return number if _PREFIXES.fullmatch(number) else None
