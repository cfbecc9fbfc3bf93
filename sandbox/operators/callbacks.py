"""How news of a payment travels to the merchant, with the faults that are ordered."""

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import CallbackFaults

_COPIES = {"none": 0, "twice": 2, "many": 20}
_HELD_BACK_SECONDS = 0.3
TIMEOUT_SECONDS = 10.0
"""How long an operator waits for the merchant's answer. MTN documents 2 s on one page and nothing on
the other; waiting longer hides nothing, because no answer makes it repeat."""
CONTENT_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class News:
    """One callback. `url`: empty where the merchant named none. `wrong`: the same with another amount. `about`: the
    payer, E.164."""

    url: str
    body: Mapping[str, object]
    wrong: Mapping[str, object]
    about: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback as it goes out, for signing. `forged`: an impostor writes it, who has no key."""

    method: str
    url: str
    body: bytes
    forged: bool


class Callbacks:
    """Sends each callback once, or as the ordered faults say. Failed ones are recorded, never repeated.
    `disbursements`: news of money on its way out. `sign`: makes the headers that vouch for one."""

    def __init__(
        self, context: OperatorContext, *, disbursements: bool, sign: Callable[[Letter], Mapping[str, str]]
    ) -> None:
        self._context = context
        self._disbursements = disbursements
        self._sign = sign
        self._count = itertools.count()

    async def send(self, news: News) -> None:
        """Notify the merchant."""
        faults = self._faults()
        delay = faults.delay_ms / 1000
        if faults.reorder and next(self._count) % 2 == 0:
            delay += _HELD_BACK_SECONDS
        if delay:
            await asyncio.sleep(delay)
        body = news.wrong if faults.mode == "wrong_amount" else news.body
        for _ in range(_COPIES.get(faults.mode, 1)):
            await self._post(news, body)

    def _faults(self) -> CallbackFaults:
        context = self._context
        return (context.outgoing_faults if self._disbursements else context.faults).callback

    def send_later(self, news: News) -> None:
        """The same, in the background."""
        self._context.courier.spawn(self.send(news))

    def forge(self, news: Callable[[], News]) -> None:
        """Where it is ordered, send what an impostor would: `news` claims what did not happen."""
        if self._faults().mode == "forged":
            forged_news = news()
            self._context.courier.spawn(self._post(forged_news, forged_news.body, forged=True))

    async def _post(self, news: News, body: Mapping[str, object], *, forged: bool = False) -> None:
        if not news.url:
            return
        method = "PUT" if self._faults().mode == "put" else "POST"
        letter = Letter(method, news.url, json.dumps(body, ensure_ascii=False).encode(), forged)
        await self._context.courier.deliver(
            self._context.code,
            method,
            news.url,
            body=letter.body,
            content_type=CONTENT_TYPE,
            headers=self._sign(letter),
            within=TIMEOUT_SECONDS,
            about=news.about,
        )
