"""MTN and Africa's Talking on the same wire as the simulated country's, at a tenth of its cost:
`python -m tests.bench.finale.lean PORT GATEWAY_PORT`.

Every payer pays after `_PIN_SECONDS`, every text arrives. Where the simulated country fills the machine, the product
meets its own ceiling here. `/requests` and `/statement/mtn_momo.csv` are those of the country.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, cycle
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import uvloop
from aiohttp import web

from tests.bench.load import Line, OpenLoad, request

# As long as the simulated country takes, for the PIN and between reports of a delivery.
_PIN_SECONDS: Final = 0.25
_REPORT_SECONDS: Final = 0.5
_LINES: Final = 16
_FORM: Final = "application/x-www-form-urlencoded"


class LeanOperator:
    """Both companies. `paid`: what was taken, by our reference."""

    def __init__(self, gateway_port: int) -> None:
        self._port = gateway_port
        self._open: dict[str, dict[str, Any]] = {}
        self.paid: dict[str, dict[str, Any]] = {}
        self._moments: dict[str, str] = {}
        self._lines: dict[str, Iterator[Line]] = {}
        self._numbers = count(1_400_000_000)
        self.totals: Counter[tuple[str, str]] = Counter()

    async def connect(self, _: web.Application) -> None:
        """Connections to the gateway, which stay, of each company its own: an answer holds up those behind it."""
        loop, load = asyncio.get_running_loop(), OpenLoad()
        for company in ("mtn_momo", "africastalking"):
            made = [
                await loop.create_connection(lambda: Line(load), "127.0.0.1", self._port) for _number in range(_LINES)
            ]
            self._lines[company] = cycle([line for _, line in made])

    def _post(self, company: str, path: str, body: bytes, content_type: str) -> None:
        self.totals[company, "out"] += 1
        next(self._lines[company]).send(time.perf_counter(), request("POST", path, body, Content_Type=content_type))

    async def token(self, _: web.Request) -> web.Response:
        self.totals["mtn_momo", "in"] += 1
        return web.json_response({"access_token": "bench", "token_type": "access_token", "expires_in": 3600})

    async def prompt(self, asked: web.Request) -> web.Response:
        """Queue a payment; a reference that is known is refused."""
        self.totals["mtn_momo", "in"] += 1
        reference = asked.headers["X-Reference-Id"]
        if reference in self._open or reference in self.paid:
            return web.json_response({"code": "RESOURCE_ALREADY_EXIST", "message": ""}, status=409)
        self._open[reference] = orjson.loads(await asked.read())
        callback = urlsplit(asked.headers["X-Callback-Url"]).path
        asyncio.get_running_loop().call_later(_PIN_SECONDS, self._pay, reference, callback)
        return web.Response(status=202)

    def _pay(self, reference: str, callback: str) -> None:
        number = str(next(self._numbers))
        body = {**self._open.pop(reference), "financialTransactionId": number, "status": "SUCCESSFUL"}
        self.paid[reference] = body
        self._moments[reference] = datetime.now(UTC).isoformat()
        self._post("mtn_momo", callback, orjson.dumps(body), "application/json")

    async def status(self, asked: web.Request) -> web.Response:
        """What became of a payment."""
        self.totals["mtn_momo", "in"] += 1
        reference = asked.match_info["reference"]
        found = self.paid.get(reference)
        if found is None and (waiting := self._open.get(reference)) is not None:
            found = {**waiting, "status": "PENDING"}
        if found is None:
            return web.json_response({"code": "RESOURCE_NOT_FOUND", "message": ""}, status=404)
        return web.Response(body=orjson.dumps(found), content_type="application/json")

    async def send(self, asked: web.Request) -> web.Response:
        """Take a text in, and report that it was sent and that it arrived."""
        self.totals["africastalking", "in"] += 1
        form = parse_qs((await asked.read()).decode())
        recipients = []
        for number in form["to"][0].split(","):
            message_id = f"ATXid_{next(self._numbers):032x}"
            for place, word in enumerate(("Sent", "Success"), 1):
                report = f"id={message_id}&status={word}&phoneNumber={quote(number)}&networkCode=61205&retryCount=0"
                asyncio.get_running_loop().call_later(
                    place * _REPORT_SECONDS,
                    self._post,
                    "africastalking",
                    "/sms/africastalking/delivery",
                    report.encode(),
                    _FORM,
                )
            recipients.append(
                {
                    "statusCode": 101,
                    "number": number,
                    "status": "Success",
                    "cost": "XOF 12.0000",
                    "messageId": message_id,
                }
            )
        body = {"SMSMessageData": {"Message": "Sent", "Recipients": recipients}}
        return web.Response(status=201, body=orjson.dumps(body), content_type="application/json")

    async def requests(self, _: web.Request) -> web.Response:
        """How many calls each company received (`in`) and made (`out`)."""
        shown: dict[str, dict[str, int]] = {}
        for (company, way), calls in self.totals.items():
            shown.setdefault(company, {})[way] = calls
        return web.json_response(shown)

    async def statement(self, _: web.Request) -> web.Response:
        """The columns of the country's statement that a measurement reads."""
        lines = [
            f"{reference},{body['amount']},collection,{self._moments[reference]}"
            for reference, body in self.paid.items()
        ]
        return web.Response(text="\n".join(("our_reference,amount,kind,completed_at", *lines, "")))


def main() -> None:
    operator = LeanOperator(int(sys.argv[2]))
    app = web.Application()
    app.on_startup.append(operator.connect)
    app.router.add_post("/{product}/token/", operator.token)
    app.router.add_post("/collection/v1_0/requesttopay", operator.prompt)
    app.router.add_get("/{product}/v1_0/{kind}/{reference}", operator.status)
    app.router.add_post("/version1/messaging", operator.send)
    app.router.add_get("/requests", operator.requests)
    app.router.add_get("/statement/mtn_momo.csv", operator.statement)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
