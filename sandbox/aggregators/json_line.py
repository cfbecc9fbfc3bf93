"""What USSD aggregators share, and those that post JSON with the newest input only: their dialogues and limits.

One file an aggregator says how its messages look (`Wire`); `company` makes the aggregator of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol
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
    network, None when this side keeps it to itself. `answered`: the gateway's last answer."""

    session: str
    msisdn: str
    service_code: str
    typed: str
    operator: str | None
    number: int = 1
    answered: Mapping[str, Any] | None = None

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


class Wire(Protocol):
    """How one aggregator's messages look. `answer_seconds`: how long it waits for an answer."""

    code: str
    answer_seconds: float

    def ask(self, hop: Hop) -> Message:
        """The request of a hop."""
        ...

    def read(self, answer: Mapping[str, Any], hop: Hop) -> Screen | str:
        """The screen of an answer, or what is wrong with it."""
        ...

    def notice(self, hop: Hop, how: Ending) -> Message | None:
        """The notice at the end; None where there is none."""
        ...


class _Line:
    """All service codes that are no operator's own."""

    def __init__(self, context: Context, wire: Wire) -> None:
        self._context = context
        self._wire = wire

    def open(self, msisdn: str, code: str) -> "_Dialogue | None":
        """Start a dialogue; None when the code is nobody's."""
        if not is_service_code(code):
            return None
        faults = self._context.channel.faults.ussd
        own = registered_part(code, faults.service_codes)
        hop = Hop(
            session=uuid4().hex,
            msisdn=msisdn.removeprefix("+"),
            service_code=own,
            typed=own if faults.deep_dial == "lost" else code,
            operator=None if faults.network_code == "missing" else network_of(msisdn).name,
            number=0,
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
        self._hop = hop = replace(last, number=last.number + 1, typed=typed if last.number else last.typed)
        faults = self._context.channel.faults.ussd
        status, text = await self._post(self._wire.ask(hop), faults.answer_seconds)
        if faults.repeat_hop and not self._has_ended:
            again = await self._post(self._wire.ask(hop), faults.answer_seconds)
            if again != (status, text):
                self._violated("repeated_hop_answered_differently", f"{text!r} then {again[1]!r}")
        if self._has_ended:
            return OPERATOR_ERROR, False
        screen = None if faults.lose_answer else self._shown(status, text)
        if screen is None:
            self.ended("failed")
            return OPERATOR_ERROR, False
        return screen.text, screen.more

    def _shown(self, status: int, text: str) -> Screen | None:
        """The screen of an answer; None, and a record of it, when it breaks the rules."""
        screen = self._read(status, text)
        if isinstance(screen, Screen):
            fault = screen_fault(screen.text, min(SEPTETS_MAX, self._context.channel.faults.ussd.septets_max))
            if fault is None:
                return screen
            screen = fault
        self._violated(*screen)
        return None

    def _read(self, status: int, text: str) -> Screen | tuple[str, str]:
        """The screen of an answer, or what is wrong with it, as kind and detail."""
        if status == 0:
            return "no_answer", text
        if status != 200:
            return "http_status", f"HTTP {status}: {text[:80]!r}"
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            return "shape", f"no JSON object: {text[:80]!r}"
        self._hop = replace(self._hop, answered=answer)
        screen = self._wire.read(answer, self._hop)
        return screen if isinstance(screen, Screen) else ("shape", screen)

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
            body=json.dumps(message.fields, ensure_ascii=False).encode(),
            content_type=JSON,
            within=min(within, self._wire.answer_seconds),
            about=f"+{self._hop.msisdn}",
        )

    def _violated(self, kind: str, detail: str) -> None:
        self._context.channel.violated(kind, f"+{self._hop.msisdn}", self._hop.session, detail)


def company(wire: Wire) -> Company:
    """The aggregator, as the country finds it. It has no addresses of its own."""
    return Company(wire.code, partial(_build, wire=wire))


def _build(context: Context, wire: Wire) -> web.Application:
    context.phones.aggregators[context.code] = _Line(context, wire)
    return web.Application()
