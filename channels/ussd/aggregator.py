"""What an aggregator's translator does: its wire format in and out, and nothing else.

Two families exist. Cumulative ones send everything typed so far with each hop; the others send
the newest input only. `UssdTurn` serves both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.ports.raw_exchange import RawRequest, RawResponse


class Phase(StrEnum):
    """What kind of request this is."""

    HOP = "hop"  # a first dial or a further input
    END = "end"  # a notice that the dialogue is over; nobody sees the answer


@dataclass(frozen=True, slots=True)
class UssdTurn:
    """One request of a dialogue.

    `transcript`: everything typed so far, joined by `*`, of a cumulative aggregator; None for the
    others. `newest`: the newest input of the others. `service_code` may lack its `*` and `#`, or
    hold the whole dialled string, or be empty. `msisdn` and `network` are raw.
    """

    session_id: str
    msisdn: str
    service_code: str
    network: str | None
    transcript: str | None
    newest: str = ""
    phase: Phase = Phase.HOP


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

    def read(self, request: RawRequest) -> UssdTurn | Malformed:
        """Read a request."""
        ...

    def write(self, screen: str, *, more: bool, request: Mapping[str, str]) -> RawResponse:
        """Answer with a screen. `more`: the voter may type again."""
        ...


@dataclass(frozen=True, slots=True)
class Registration:
    """How an aggregator file announces itself."""

    code: str
    aggregator: UssdAggregator
