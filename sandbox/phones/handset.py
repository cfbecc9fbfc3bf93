"""Simulated phones: one USSD dialogue at a time, PIN prompts, an inbox."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from sandbox.courier import Courier, instant
from sandbox.phones.faults import Channel

Ending = Literal["completed", "hung_up", "timed_out", "failed"]
Turn = Callable[[str], Awaitable[tuple[str, bool]]]
OpenMenu = Callable[[str], Turn]
AnswerPrompt = Callable[[str | None], Awaitable[Mapping[str, object]]]

NOT_SERVED = "Probleme de connexion ou code IHM non valide."
TIMED_OUT = "Session expiree."
INBOX_KEPT = 500
_CODE = re.compile(r"[*#]{1,2}\d[\d*#]{0,88}#", re.ASCII)


class Dialogue(Protocol):
    """The other side of a USSD dialogue: it answers what the phone types."""

    async def turn(self, typed: str) -> tuple[str, bool]:
        """The next screen and whether it waits for input. The first turn types nothing."""
        ...

    def ended(self, how: Ending) -> None:
        """The dialogue is over."""
        ...


class Aggregator(Protocol):
    """Serves the codes that are no operator's own."""

    def open(self, msisdn: str, code: str) -> Dialogue | None:
        """Start a dialogue; None when the code is unknown."""
        ...


class Carrier(Protocol):
    """Carries a phone's SMS to a short code."""

    def carry(self, msisdn: str, to: str, text: str) -> str:
        """Take a text; it travels in the background. Returns its identifier."""
        ...


class NoDialogue(Exception):
    """The phone has no open dialogue, or no prompt, to answer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """An operator's PIN prompt. `amount` in whole units of `currency`."""

    id: str
    amount: int
    currency: str
    payee: str
    answer: AnswerPrompt

    def shown(self) -> dict[str, object]:
        """As the phone's API shows it."""
        return {"id": self.id, "amount": self.amount, "currency": self.currency, "payee": self.payee}


class _Menu:
    """An operator's own menu as a dialogue; `tail` is what was dialled behind its code."""

    def __init__(self, turn: Turn, tail: list[str]) -> None:
        self._turn = turn
        self._tail = tail

    async def turn(self, typed: str) -> tuple[str, bool]:
        screen, goes_on = await self._turn(typed)
        while goes_on and self._tail:
            screen, goes_on = await self._turn(self._tail.pop(0))
        return screen, goes_on

    def ended(self, how: Ending) -> None:
        self._tail.clear()


class _Session:
    """A dialogue that is open on a phone."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.screen = ""
        self.cancel_idle: Callable[[], None] = _nothing
        self.cancel_limit: Callable[[], None] = _nothing


def _nothing() -> None:
    return


class Phone:
    """What one number's phone holds."""

    def __init__(self) -> None:
        self.session: _Session | None = None
        self.inbox: deque[dict[str, str]] = deque(maxlen=INBOX_KEPT)
        self.prompts: dict[str, Prompt] = {}
        self.when_free: list[Callable[[], None]] = []
        self.turns = asyncio.Lock()


class Phones:
    """Every phone of the country, made when first used. Numbers are E.164 text."""

    def __init__(self, channel: Channel, courier: Courier) -> None:
        self._channel = channel
        self._courier = courier
        self._phones: dict[str, Phone] = {}
        self._menus: dict[str, OpenMenu] = {}
        self.aggregators: dict[str, Aggregator] = {}
        self.carriers: dict[str, Carrier] = {}

    def of(self, msisdn: str) -> Phone:
        """The phone with this number."""
        return self._phones.setdefault(msisdn, Phone())

    def used(self) -> list[str]:
        """Numbers whose phone has done or received anything."""
        return sorted(self._phones)

    # What operators use.

    def is_busy(self, msisdn: str) -> bool:
        """Whether a USSD dialogue is open: then no prompt can be shown."""
        return msisdn in self._phones and self._phones[msisdn].session is not None

    def when_free(self, msisdn: str, then: Callable[[], None]) -> None:
        """Call `then` once the dialogue that is open now has ended; at once when there is none."""
        if self.is_busy(msisdn):
            self.of(msisdn).when_free.append(then)
        else:
            then()

    def show_prompt(
        self, msisdn: str, prompt_id: str, *, amount: int, currency: str, payee: str, answer: AnswerPrompt
    ) -> None:
        """Ask for the PIN. Several prompts queue up; the oldest is on the screen."""
        self.of(msisdn).prompts[prompt_id] = Prompt(prompt_id, amount, currency, payee, answer)

    def withdraw_prompt(self, msisdn: str, prompt_id: str) -> None:
        """Take a prompt off the screen; one that is gone already is no error."""
        if msisdn in self._phones:
            self._phones[msisdn].prompts.pop(prompt_id, None)

    def text(self, msisdn: str, sender: str, text: str) -> None:
        """Put an SMS into the inbox."""
        self.of(msisdn).inbox.append({"from": sender, "text": text, "at": instant()})

    def serve_code(self, code: str, open_menu: OpenMenu) -> None:
        """Let an operator answer its own code, e.g. `*133#`."""
        self._menus[code] = open_menu

    # What the owner of the phone does.

    async def dial(self, msisdn: str, code: str, aggregator: str | None = None) -> tuple[str, bool]:
        """Dial a code. A dialogue that is still open is hung up first. Returns screen and whether it goes on.

        `aggregator`: who serves the code when no operator does; None for the one in force.
        """
        phone = self.of(msisdn)
        async with phone.turns:
            self._end(phone, "hung_up")
            dialogue = self._dialogue(msisdn, code.replace(" ", ""), aggregator)
            if dialogue is None:
                return NOT_SERVED, False
            session = phone.session = _Session(dialogue)
            session.cancel_limit = self._courier.later(
                self._channel.faults.ussd.session_seconds, partial(self._time_out, phone, session)
            )
            return await self._take_turn(phone, session, "")

    def _dialogue(self, msisdn: str, code: str, aggregator: str | None) -> Dialogue | None:
        if not _CODE.fullmatch(code):
            return None
        for own, open_menu in self._menus.items():
            if code == own or code.startswith(f"{own[:-1]}*"):
                tail = code[len(own) : -1].split("*") if code != own else []
                return _Menu(open_menu(msisdn), tail)
        serving = self.aggregators.get(aggregator or self._channel.faults.ussd.aggregator)
        return serving.open(msisdn, code) if serving else None

    async def reply(self, msisdn: str, typed: str) -> tuple[str, bool]:
        """Answer the screen. Raises NoDialogue."""
        phone = self.of(msisdn)
        async with phone.turns:
            if phone.session is None:
                raise NoDialogue
            return await self._take_turn(phone, phone.session, typed)

    async def _take_turn(self, phone: Phone, session: _Session, typed: str) -> tuple[str, bool]:
        session.cancel_idle()
        screen, goes_on = await session.dialogue.turn(typed)
        if phone.session is not session:
            return TIMED_OUT, False
        session.screen = screen
        if goes_on:
            session.cancel_idle = self._courier.later(
                self._channel.faults.ussd.idle_seconds, partial(self._time_out, phone, session)
            )
        else:
            self._end(phone, "completed")
        return screen, goes_on

    def hang_up(self, msisdn: str) -> None:
        """End the dialogue, if there is one."""
        self._end(self.of(msisdn), "hung_up")

    def _time_out(self, phone: Phone, session: _Session) -> None:
        if phone.session is session:
            self._end(phone, "timed_out")

    def _end(self, phone: Phone, how: Ending) -> None:
        session, phone.session = phone.session, None
        if session is None:
            return
        session.cancel_idle()
        session.cancel_limit()
        session.dialogue.ended(how)
        waiting, phone.when_free = phone.when_free, []
        for then in waiting:
            then()

    async def answer_prompt(self, msisdn: str, prompt_id: str | None, pin: str | None) -> Mapping[str, object]:
        """Answer a prompt, the oldest unless one is named. `pin` None declines. Raises NoDialogue."""
        prompts = self.of(msisdn).prompts
        prompt = prompts.get(prompt_id) if prompt_id else next(iter(prompts.values()), None)
        if prompt is None:
            raise NoDialogue
        return await prompt.answer(pin)

    def send_text(self, msisdn: str, to: str, text: str, carrier: str | None = None) -> str:
        """Send an SMS to a short code. Returns the carrier's identifier. Raises NoDialogue without a carrier.

        `carrier`: who carries it; None for the one in force.
        """
        carrying = self.carriers.get(carrier or self._channel.faults.sms.carrier)
        if carrying is None:
            raise NoDialogue
        return carrying.carry(msisdn, to, text)
