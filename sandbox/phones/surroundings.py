"""What phones and the companies between them and the gateway find around them."""

import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from sandbox.phones.faults import ChannelFaults

if TYPE_CHECKING:
    from sandbox.phones.handset import Phones

_VIOLATIONS_KEPT = 1000


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

        `party`: who sends. `within`: seconds to wait for an answer. `about`: the phone that it concerns,
        E.164. `headers`: more of them.
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

    def exchange(self, about: str) -> list[dict[str, object]]:
        """The last requests and answers that concerned one phone, oldest first."""
        ...


class Channel:
    """The state of this side: the faults in force, and what the gateway did wrong."""

    def __init__(self) -> None:
        self.faults = ChannelFaults()
        self.violations: deque[Mapping[str, object]] = deque(maxlen=_VIOLATIONS_KEPT)

    def reset(self) -> None:
        """Back to a good day; what the gateway did wrong is forgotten too."""
        self.faults = ChannelFaults()
        self.violations.clear()

    def violated(self, kind: str, msisdn: str, session: str, detail: str) -> None:
        """Record a breach of the aggregator's rules."""
        self.violations.append({"at": instant(), "kind": kind, "msisdn": msisdn, "session": session, "detail": detail})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed to a company when it is built. `gateway`: where the gateway listens, without a
    trailing slash. `credentials`: what the gateway's owner was issued, by lower-case name; absent
    ones are not checked."""

    code: str
    phones: "Phones"
    channel: Channel
    courier: Courier
    gateway: str
    credentials: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Company:
    """One imitated company: `build` makes the application that is served under `/{code}`."""

    code: str
    build: Callable[[Surroundings], web.Application]


def instant(seconds: float | None = None) -> str:
    """A moment as ISO 8601 in UTC with milliseconds; now, when none is given."""
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
