"""What USSD aggregators share: their dialogues and limits.

One file an aggregator says how its messages look (`Wire`); `company` makes the aggregator of it. Most post JSON with
the newest input only (`JsonWire`).
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4

from aiohttp import web

from sandbox.company import Company, Context
from sandbox.phones.handset import Ending
from sandbox.phones.network import network_of, outside, septets

JSON = "application/json"
# 3GPP allows 182 septets; several networks pass on no more than this.
SEPTETS_MAX = 160
_NOTICE_TIMEOUT_SECONDS = 10.0
OPERATOR_ERROR = "Service momentanement indisponible. Veuillez reessayer plus tard."


def is_service_code(code: str) -> bool:
    """Whether a dialled string is for a service: `*789#`, but not `**21*…#` or `*#06#`."""
    return code.startswith("*") and not code.startswith(("**", "*#"))


def registered_part(code: str, registered: Sequence[str]) -> str:
    """The service code at the front of a dialled string: the longest that is registered, else its first segment."""
    for own in sorted(registered, key=len, reverse=True):
        if code == own or code.startswith(f"{own[:-1]}*"):
            return own
    return f"*{code.strip('*#').split('*')[0]}#"


def screen_fault(screen: str, septets_max: int) -> tuple[str, str] | None:
    """What is wrong with a screen, as kind and detail; None when it can be shown."""
    length = septets(screen)
    if length is None:
        return "alphabet", f"{outside(screen)!r} in {screen!r}"
    if length > septets_max:
        return "too_long", f"{length} septets, {septets_max} allowed: {screen!r}"
    if not screen.strip():
        return "empty", "The screen is empty"
    return None


@dataclass(frozen=True, slots=True)
class Hop:
    """What the phone did. `number`: counted from 1. `msisdn`: digits without `+`. `typed`: at the first
    hop the whole dialled string. `service_code`: the registered part of it. `operator`: the brand of the
    network, None when this side keeps it to itself. `inputs`: all that was typed since. `answered`: the gateway's last
    answer; `fault`: what was wrong with the newest one. `started`: seconds of a clock that only goes forward."""

    session: str
    msisdn: str
    dialled: str
    service_code: str
    typed: str
    operator: str | None
    number: int = 0
    inputs: tuple[str, ...] = ()
    answered: Any = None
    fault: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def is_first(self) -> bool:
        """The phone dialled."""
        return self.number == 1


@dataclass(frozen=True, slots=True)
class Message:
    """A request to make: `path` is what comes behind `/ussd/{code}`."""

    fields: Mapping[str, object]
    path: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen that came back, and whether the phone may answer it."""

    text: str
    more: bool


class Wire(ABC):
    """How one aggregator's messages look. `answer_seconds`: how long it waits for an answer. `septets_max`: of a
    screen. `misread`: the kind of the breach when an answer cannot be read."""

    code: str
    content_type: str
    misread = "shape"
    answer_seconds = 10.0
    septets_max = SEPTETS_MAX

    @abstractmethod
    def ask(self, hop: Hop) -> Message:
        """The request of a hop."""

    @abstractmethod
    def encode(self, message: Message) -> bytes:
        """Its body."""

    @abstractmethod
    def decode(self, text: str) -> Any:  # noqa: ANN401 - as `read` takes it
        """An answer. Raises ValueError with what is wrong with it."""

    @abstractmethod
    def read(self, answer: Any, hop: Hop) -> Screen | str:  # noqa: ANN401 - as `decode` makes it
        """The screen of an answer, or what is wrong with it."""

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        """The notice at the end; None where there is none."""
        return None


class JsonWire(Wire):
    """Messages and answers are JSON objects."""

    content_type = JSON

    def encode(self, message: Message) -> bytes:
        """Its body."""
        return json.dumps(message.fields, ensure_ascii=False).encode()

    def decode(self, text: str) -> Any:  # noqa: ANN401 - any JSON object
        """An answer. Raises ValueError with what is wrong with it."""
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
        raise ValueError(f"no JSON object: {text[:80]!r}")


class Line:
    """All service codes that are no operator's own."""

    def __init__(self, context: Context, wire: Wire) -> None:
        self._context = context
        self._wire = wire

    def open(self, msisdn: str, code: str) -> "_Dialogue | None":
        """Start a dialogue; None when the code is unknown."""
        if not is_service_code(code):
            return None
        faults = self._context.channel.faults.ussd
        own = registered_part(code, faults.service_codes)
        hop = Hop(
            session=uuid4().hex,
            msisdn=msisdn.removeprefix("+"),
            dialled=code,
            service_code=own,
            typed=own if faults.deep_dial == "lost" else code,
            operator=None if faults.network_code == "missing" else network_of(msisdn).name,
        )
        return _Dialogue(self._context, self._wire, hop)


class _Dialogue:
    """One session."""

    def __init__(self, context: Context, wire: Wire, dialled: Hop) -> None:
        self._context = context
        self._wire = wire
        self._hop = dialled
        self._has_ended = False

    async def turn(self, typed: str) -> tuple[str, bool]:
        """Post one hop and read its answer. A breach of the rules ends the session."""
        last = self._hop
        if last.number:
            last = replace(last, typed=typed, inputs=(*last.inputs, typed))
        self._hop = hop = replace(last, number=last.number + 1)
        faults = self._context.channel.faults.ussd
        status, text = await self._post(self._wire.ask(hop), faults.answer_seconds)
        if faults.repeat_hop and not self._has_ended:
            again = await self._post(self._wire.ask(hop), faults.answer_seconds)
            if again != (status, text):
                self._violated("repeated_hop_answered_differently", f"{text!r} then {again[1]!r}")
        if self._has_ended:
            return OPERATOR_ERROR, False
        screen = "answer_lost" if faults.lose_answer else self._shown(status, text)
        if isinstance(screen, Screen):
            return screen.text, screen.more
        self._hop = replace(self._hop, fault=screen)
        self.ended("failed")
        return OPERATOR_ERROR, False

    def _shown(self, status: int, text: str) -> Screen | str:
        """The screen of an answer; the kind of its fault, and a record of it, when it breaks the rules."""
        screen = self._read(status, text)
        if isinstance(screen, Screen):
            septets_max = min(self._wire.septets_max, self._context.channel.faults.ussd.septets_max)
            fault = screen_fault(screen.text, septets_max)
            if fault is None:
                return screen
            screen = fault
        self._violated(*screen)
        return screen[0]

    def _read(self, status: int, text: str) -> Screen | tuple[str, str]:
        """The screen of an answer, or what is wrong with it, as kind and detail."""
        if status == 0:
            return "no_answer", text
        if status != 200:
            return "http_status", f"HTTP {status}: {text[:80]!r}"
        try:
            answer = self._wire.decode(text)
        except ValueError as error:
            return self._wire.misread, str(error)
        self._hop = replace(self._hop, answered=answer)
        screen = self._wire.read(answer, self._hop)
        return screen if isinstance(screen, Screen) else (self._wire.misread, screen)

    def ended(self, how: Ending) -> None:
        """Tell the gateway, where this aggregator does."""
        if self._has_ended:
            return
        self._has_ended = True
        notice = self._wire.notice(replace(self._hop, number=self._hop.number + 1, typed=""), how)
        if notice is not None and self._context.channel.faults.ussd.end_notice is not False:
            self._context.courier.spawn(self._notify(notice))

    async def _notify(self, notice: Message) -> None:
        await self._post(notice, _NOTICE_TIMEOUT_SECONDS)

    async def _post(self, message: Message, within: float) -> tuple[int, str]:
        return await self._context.courier.deliver(
            self._context.code,
            message.method,
            self._context.address(f"/ussd/{self._wire.code}{message.path}"),
            body=self._wire.encode(message),
            content_type=self._wire.content_type,
            within=min(within, self._wire.answer_seconds),
            about=f"+{self._hop.msisdn}",
        )

    def _violated(self, kind: str, detail: str) -> None:
        self._context.channel.violated(kind, f"+{self._hop.msisdn}", self._hop.session, detail)


def company(wire: Wire) -> Company:
    """The aggregator, as the country finds it. It has no addresses of its own."""
    return Company(wire.code, partial(_build, wire=wire))


def _build(context: Context, wire: Wire) -> web.Application:
    context.phones.aggregators[context.code] = Line(context, wire)
    return web.Application()
