"""`/control`, statements and the record of calls: what the country itself answers, simulating nothing outside."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.courier import Courier
from sandbox.operators.book import Book
from sandbox.operators.faults import FaultBoard, merged
from sandbox.phones.api import Problem, bad, read_body
from sandbox.phones.faults import Channel, ChannelFaults
from sandbox.phones.network import read_number


class _Orders(BaseModel):
    """What `POST /control` takes, besides faults by their names. `balances`: a phone's number → an amount."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    reset: bool = False
    balances: dict[str, Annotated[int, Field(ge=-(10**15), le=10**15)]] = {}


class Control:
    """Orders faults and balances, and shows what happened."""

    def __init__(self, book: Book, board: FaultBoard, channel: Channel, courier: Courier, operators: list[str]) -> None:
        self._book = book
        self._board = board
        self._channel = channel
        self._courier = courier
        self._operators = operators

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Routes of the country itself, which stand for nothing outside."""
        router.add_get("/healthz", self.show_health)
        router.add_get("/control", self.show)
        router.add_post("/control", self.order)
        router.add_get("/control/violations", self.show_violations)
        router.add_get("/statement/{provider}.csv", self.show_statement)
        router.add_get("/requests", self.show_totals)
        router.add_get("/requests/{provider}", self.show_requests)

    async def show_health(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def show(self, _: web.Request) -> web.Response:
        """Everything that is ordered."""
        return web.json_response(self._state())

    def _state(self) -> dict[str, object]:
        return {**self._board.state(), **self._channel.faults.model_dump(), "balances": self._book.balances()}

    async def order(self, request: web.Request) -> web.Response:
        """Lay the given keys over what is in force; `{"reset": true}` first restores the defaults."""
        orders = await read_body(request, _Orders)
        patch = orders.model_extra or {}
        known = self._board.names() | set(ChannelFaults.model_fields)
        if unknown := sorted(set(patch) - known):
            raise bad(f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(known | set(_Orders.model_fields)))}.")
        balances = {_number(written): amount for written, amount in orders.balances.items()}
        if orders.reset:
            self._board.reset()
            self._channel.reset()
            self._book.forget_balances()
        ordered = {key: value for key, value in patch.items() if key in ChannelFaults.model_fields}
        try:
            faults = ChannelFaults.model_validate(merged(self._channel.faults.model_dump(), ordered))
            self._board.merge({key: value for key, value in patch.items() if key not in ordered})
        except (ValidationError, ValueError, TypeError, AttributeError) as error:
            raise bad(str(error)) from None
        self._channel.faults = faults
        for msisdn, balance in balances.items():
            for operator in self._operators:
                self._book.set_balance(operator, msisdn, balance)
        return web.json_response(self._state())

    async def show_violations(self, _: web.Request) -> web.Response:
        """What the gateway did against the aggregator's rules."""
        return web.json_response(list(self._channel.violations))

    async def show_statement(self, request: web.Request) -> web.Response:
        """What an operator says it collected."""
        code = request.match_info["provider"]
        if code not in self._operators:
            raise Problem(404, "Not found", f"Operators: {', '.join(self._operators)}.")
        return web.Response(text=self._book.statement(code), content_type="text/csv")

    async def show_totals(self, _: web.Request) -> web.Response:
        """How many calls each company received (`in`) and made (`out`) since the start."""
        return web.json_response(self._courier.totals)

    async def show_requests(self, request: web.Request) -> web.Response:
        """Calls received and made by one company, oldest first; `?direction=in` for received ones only."""
        wanted = request.query.get("direction")
        calls = self._courier.calls.get(request.match_info["provider"], ())
        return web.json_response([call for call in calls if wanted in (None, call["direction"])])


def _number(written: str) -> str:
    msisdn = read_number(written)
    if msisdn is None:
        raise bad(f"balances: {written!r} is no phone number.")
    return msisdn
