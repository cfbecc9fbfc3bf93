"""What an aggregator's translator does: its wire format in and out, and nothing else.

Two families exist. Cumulative ones send everything typed so far with each hop; the others send
the newest input only. `UssdTurn` serves both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from gateway.http.raw_exchange import RawRequest, RawResponse
from gateway.values.record import record

# An aggregator that calls one address only.
ONE_ADDRESS: Final = (("POST", ""),)


class Phase(StrEnum):
    """What kind of request this is. Of a cumulative aggregator only `END` matters: whether a request
    is the first or a further one follows from the transcript."""

    START = "start"  # a voter dialled
    INPUT = "input"  # a voter typed
    END = "end"  # a notice that the dialogue is over; the answer is not shown


@record
class UssdTurn:
    """One request of a dialogue.

    `session_id`: never empty, unique together with the number for some minutes. `session_named`
    False: the aggregator names no session; `session_id` is the number, and each dial opens a
    dialogue of its own. `msisdn` is raw. `network`: its code, or a wallet's word, else None.
    `service_code` may lack its `*` and `#`, hold the whole dialled string, or be empty.
    `transcript`: everything typed so far, joined by `*`, of a cumulative aggregator; None for the
    others, which have `newest` instead, and `number` where they count their hops. `echo`: what the
    answer must repeat, of the types in which it came. `outcome`: how the dialogue ended, in the
    aggregator's word, of an end notice.
    """

    session_id: str
    msisdn: str
    service_code: str
    network: str | None
    phase: Phase
    transcript: str | None = None
    newest: str = ""
    number: int | None = None
    echo: Mapping[str, str | int | bool] = field(default_factory=dict)
    outcome: str = ""
    session_named: bool = True


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not a request of this aggregator; `fault` is for the log."""

    fault: str


class UssdAggregator(Protocol):
    """One aggregator. Pure: no I/O, and no exception for any request."""

    @property
    def code(self) -> str:
        """The one word for module, URL segment, environment prefix and case file."""
        ...

    @property
    def content_types(self) -> frozenset[str]:
        """Media types that its requests have."""
        ...

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """Where it calls: method and path behind `/ussd/{code}`, with `{names}` for what varies. End
        notices may come to `POST /ussd/{code}/end` too."""
        ...

    @property
    def screen_septets_max(self) -> int:
        """The longest screen that it passes on whole."""
        ...

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a request."""
        ...

    def write(self, screen: str, *, more: bool, turn: UssdTurn | None) -> RawResponse:
        """Answer with a screen. `more`: the voter may type again. `turn`: what is answered; None for
        a request that could not be read."""
        ...
