"""What an imitated operator finds around it: phones, a way to post, its book, the ordered faults."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from sandbox.operators.book import Book, Entry
from sandbox.operators.faults import FaultBoard, Faults

Turn = Callable[[str], Awaitable[tuple[str, bool]]]
OpenMenu = Callable[[str], Turn]
AnswerPrompt = Callable[[str | None], Awaitable[Mapping[str, object]]]


class Handsets(Protocol):
    """The payers' phones, as far as an operator can reach them. Numbers are E.164 text."""

    def is_busy(self, msisdn: str) -> bool:
        """Whether a USSD dialogue is open, so that no prompt can be shown (3GPP TS 24.090 §5.1.1)."""
        ...

    def when_free(self, msisdn: str, then: Callable[[], None]) -> None:
        """Call `then` once the dialogue that is open now has ended."""
        ...

    def show_prompt(
        self, msisdn: str, prompt_id: str, *, amount: int, currency: str, payee: str, answer: AnswerPrompt
    ) -> None:
        """Ask for the PIN. `answer` takes the PIN, or None when the payer declines, and returns JSON."""
        ...

    def withdraw_prompt(self, msisdn: str, prompt_id: str) -> None:
        """Take a prompt off the screen; one that is gone already is no error."""
        ...

    def text(self, msisdn: str, sender: str, text: str) -> None:
        """Put an SMS into the inbox."""
        ...

    def serve_code(self, code: str, open_menu: OpenMenu) -> None:
        """Answer an operator's own code, e.g. `*133#`. `open_menu(msisdn)` starts a dialogue whose
        turns take what was typed (first: nothing) and return the screen and whether it goes on."""
        ...


class Courier(Protocol):
    """Carries requests to the gateway and keeps a record of each."""

    async def deliver(
        self,
        party: str,
        method: str,
        url: str,
        *,
        body: bytes,
        content_type: str,
        within: float,
        about: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Send once. Returns the HTTP status and text; status 0 and the error when no answer came.

        `party`: who sends. `within`: seconds to wait for an answer. `about`: the phone that it concerns, E.164.
        `headers`: more than the content type.
        """
        ...

    def concerns(self, request: web.Request, msisdn: str) -> None:
        """Say which phone a received request is about, for the record."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background until done or until the process stops."""
        ...

    def later(self, seconds: float, then: Callable[[], object]) -> Callable[[], None]:
        """Call `then` after so many seconds; the returned function cancels that."""
        ...

    def note(self, party: str, word: str, about: str, detail: str) -> None:
        """Record an event that is not a request, e.g. a prompt that met a busy phone."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed to an operator when it is built. `merchant`: our name as the operator registered it.
    `credentials`: what the merchant was issued, by lower-case name; absent ones are not checked."""

    code: str
    book: Book
    board: FaultBoard
    handsets: Handsets
    courier: Courier
    credentials: Mapping[str, str]
    merchant: str = "SPOTLIGHT"

    @property
    def faults(self) -> Faults:
        """The faults that are ordered for this operator's collections at this moment."""
        return self.board.of(self.code).concerning(disbursements=False)

    @property
    def outgoing_faults(self) -> Faults:
        """The faults that are ordered for money on its way out."""
        return self.board.of(self.code).concerning(disbursements=True)

    def fee_of(self, entry: Entry) -> int:
        """What the operator keeps of a collection, in whole units."""
        return entry.whole * self.faults.fee_per_mille // 1000

    @property
    def status_limit(self) -> int:
        """Status questions a second that this merchant was granted; 0 where no limit is known."""
        return int(self.credentials.get("status_per_second") or 0)


@dataclass(frozen=True, slots=True)
class Operator:
    """One imitated operator: `build` makes the application that is served under `/{code}`."""

    code: str
    build: Callable[[Surroundings], web.Application]
