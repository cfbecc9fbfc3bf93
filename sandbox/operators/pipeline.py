"""One pipeline for the calls that simulated operators take: requests to move money, and questions about them.

The order is the same for all: latency, access, what is ordered to go wrong, read, book, start, answer. An operator says
how a caller is checked, how a request is read, and how each answer looks in its own form.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from sandbox.operators.book import COLLECTION, AlreadyThere, Entry
from sandbox.operators.callbacks import Callbacks, Letter, News
from sandbox.operators.context import OperatorContext
from sandbox.operators.faults import Faults, RequestFaults
from sandbox.operators.wire import Lottery, RateLimit, Refusal, cut, firewall_page, garbage, pause


class Calls(ABC):
    """Calls about one direction of money; `outgoing`: it leaves the merchant's wallet. `rate`: where several share
    one limit of questions."""

    outgoing = False

    def __init__(self, context: OperatorContext, rate: RateLimit | None = None) -> None:
        self.context = context
        self.book = context.book
        self.code = context.code
        self._rate = rate or RateLimit()
        self._lottery = Lottery()
        self._questions: Counter[str] = Counter()

    @property
    def faults(self) -> Faults:
        """What is ordered for this direction now."""
        return self.context.outgoing_faults if self.outgoing else self.context.faults

    # What an operator says.

    @abstractmethod
    def check(self, request: web.Request) -> str:
        """The account that calls; empty where there is one only. Raises Refusal."""

    @abstractmethod
    def broken(self, code: str) -> web.Response:
        """The answer when the operator breaks. `code`: the one that is ordered."""

    @abstractmethod
    def too_many(self) -> web.Response:
        """The answer to one call too many."""

    @abstractmethod
    def unavailable(self) -> web.Response:
        """The answer to a question while the operator is down."""

    # What all of them do.

    def status_limit(self) -> int:
        """Questions a second that an account may ask: as ordered, else as granted; 0 is no limit."""
        ordered = self.faults.status.rate_limit_per_second
        return self.context.status_limit if ordered is None else ordered

    def is_down(self) -> bool:
        """Whether questions are not answered now."""
        return self.context.board.is_down(self.code, disbursements=self.outgoing)

    async def enter(self, request: web.Request) -> str:
        """Latency and access: the account that calls. Raises Refusal."""
        await pause(self.faults.latency_ms)
        return self.check(request)

    async def enter_question(self, request: web.Request) -> str:
        """The same of a question, which is refused while the operator is down, and above its limit."""
        account = await self.enter(request)
        if self.is_down():
            raise Refusal(self.unavailable())
        if not self._rate.admits(self.status_limit(), account):
            raise Refusal(self.too_many())
        return account

    def draw(self) -> RequestFaults:
        """What is ordered to happen to the next request."""
        return self._lottery.draw(self.faults.request)

    def stop(self, request: web.Request, ordered: RequestFaults) -> web.Response | None:
        """What is ordered to happen to a request before anything is registered."""
        if ordered.drop_before:
            return cut(request)
        if ordered.html:
            return firewall_page()
        if ordered.too_many:
            return self.too_many()
        if ordered.error_500 and not ordered.error_500_registered:
            return self.broken(ordered.error_500)
        return None

    def spoil(self, request: web.Request, ordered: RequestFaults) -> web.Response | None:
        """What is ordered to happen to the answer of a request that is registered."""
        if ordered.drop_after:
            return cut(request)
        if ordered.garbage:
            return garbage()
        return self.broken(ordered.error_500) if ordered.error_500 else None

    def hides(self, reference: str) -> bool:
        """Whether this question comes too early for the operator to know the reference, where that is ordered."""
        first = self.faults.status.not_found_first
        self._questions[reference] += bool(first)
        return bool(first) and self._questions[reference] <= first


class MoneyRequests(Calls):
    """Requests of one kind, written to the book as `kind`."""

    kind = COLLECTION

    def __init__(self, context: OperatorContext, rate: RateLimit | None = None) -> None:
        super().__init__(context, rate)
        self.callbacks = Callbacks(context, disbursements=self.outgoing, sign=self.sign)

    @abstractmethod
    def number_of(self, entry: Entry) -> str:
        """The operator's own number of a request."""

    @abstractmethod
    def news(self, entry: Entry) -> News:
        """The callback about a request that is final."""

    def sign(self, letter: Letter) -> Mapping[str, str]:
        """The headers that vouch for a callback, where the operator signs."""
        return {}

    @abstractmethod
    def follow(self, entry: Entry) -> None:
        """Let a request that is in the book run to its end."""

    @abstractmethod
    async def read(self, request: web.Request, account: str, ordered: RequestFaults) -> Entry:
        """The request, as the book keeps it. Raises Refusal."""

    @abstractmethod
    async def start(self, entry: Entry) -> None:
        """Let a request that was just registered run."""

    @abstractmethod
    def taken(self, request: web.Request, entry: Entry) -> web.Response:
        """The answer to a request that is registered."""

    @abstractmethod
    def repeated(self, entry: Entry) -> web.Response:
        """The answer to a reference that was used before."""

    @abstractmethod
    async def find(self, request: web.Request, account: str) -> Entry | None:
        """What a question is about. Raises Refusal."""

    @abstractmethod
    def not_found(self) -> web.Response:
        """The answer to a question about what is not known."""

    @abstractmethod
    def shown(self, entry: Entry, faults: Faults) -> web.Response:
        """The answer to a question."""

    async def take(self, request: web.Request) -> web.Response:
        """A request to move money."""
        account = await self.enter(request)
        ordered = self.draw()
        stopped = self.stop(request, ordered)
        if stopped is not None:
            return stopped
        entry = await self.read(request, account, ordered)
        try:
            entry = self.book.open(entry)
        except AlreadyThere:
            return self.repeated(entry)
        self.context.courier.concerns(request, entry.msisdn)
        await self.start(entry)
        return self.spoil(request, ordered) or self.taken(request, entry)

    async def show(self, request: web.Request) -> web.Response:
        """A question about one request."""
        account = await self.enter_question(request)
        entry = await self.find(request, account)
        if entry is None:
            return self.not_found()
        self.context.courier.concerns(request, entry.msisdn)
        if self.hides(entry.our_reference):
            return self.not_found()
        return garbage() if self.faults.status.garbage else self.shown(entry, self.faults)

    def known(self, reference: str) -> Entry | None:
        """A request of this kind by its reference."""
        return self.book.find(self.code, reference, self.kind)

    def fresh(self, entry: Entry) -> Entry:
        """The request as it is now."""
        return self.known(entry.our_reference) or entry

    def resume(self) -> None:
        """Go on with what a former process left open."""
        for entry in self.book.unfinished(self.code, self.kind):
            self.follow(entry)
