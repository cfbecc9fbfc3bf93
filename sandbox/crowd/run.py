"""A crowd at work: each voter acts over HTTP, on the country's phones and on the gateway, as people's devices do."""

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

import aiohttp

from sandbox.crowd.plan import Attempt, Channel, Ending, Group, Stage, Wallet

T = TypeVar("T")
Way = Callable[[Attempt], Awaitable["Outcome"]]

PIN: Final = "0000"
_WRONG_PIN: Final = "1234"
_PIN_TRIES: Final = 3
_PERSON_FROM: Final = 4_000_000
_FETCHED: Final = "#144*82#"
_CODE: Final = re.compile(r"\b\d{4,8}\b")
_LINK: Final = re.compile(r"https?://\S+")
_OF_RECEIPTS: Final = "/verify/"
_PAID: Final = re.compile(r"SUCCESS|succeeded")
_FIELD: Final = re.compile(r'name="(nonce|price)" value="([^"]*)"')
_CARD: Final = {"expiry": "12/48", "cvc": "123"}
_GOOD_CARD: Final = "4242424242424242"
_DECLINED_CARD: Final = "4000000000000002"
_AWAY: Final = (aiohttp.ClientError, TimeoutError)
# How long a voter waits for a prompt, a link or a word.
_PATIENCE_SECONDS: Final = 60.0
# The public page has shown nothing new for so long: what is not counted by now waits for a person.
_STILL_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.7


class Outcome(StrEnum):
    """How a try ended. `REFUSED`: by the gateway, with a reason; `UNANSWERED`: no prompt came in time."""

    PAID = "paid"
    DECLINED = "declined"
    IGNORED = "ignored"
    EMPTY = "empty"
    WRONG_PIN = "wrong_pin"
    LEFT = "left"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class Refused(Exception):
    """The gateway sold nothing; the text is its answer."""


class Unanswered(Exception):
    """What a voter waited for did not come."""


@dataclass
class Figures:
    """What a crowd did so far. `refusals`: of which group, with the answer of the gateway; `votes_paid`: what was paid
    for; `votes_before`, `votes_now`: on the public page."""

    planned: int = 0
    begun: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    by_channel: Counter[Channel] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    votes_paid: int = 0
    votes_before: int = 0
    votes_now: int = 0

    @property
    def ended(self) -> int:
        """Tries that are over."""
        return self.outcomes.total()

    @property
    def counted(self) -> int:
        """Votes more on the public page than before; others may be voting too."""
        return self.votes_now - self.votes_before

    def shown(self) -> dict[str, object]:
        """As JSON; every outcome is named."""
        return {
            "planned": self.planned,
            "begun": self.begun,
            "ended": self.ended,
            "outcomes": {outcome: self.outcomes[outcome] for outcome in Outcome},
            "channels": dict(self.by_channel),
            "refusals": dict(self.refusals),
            "votes_paid": self.votes_paid,
            "votes_counted": self.counted,
        }


class Crowd:
    """Voters who carry out a plan. `country`, `gateway`: addresses without a trailing slash."""

    def __init__(
        self, client: aiohttp.ClientSession, country: str, gateway: str, stage: Stage, plan: Sequence[Attempt]
    ) -> None:
        self._client = client
        self._country = country
        self._gateway = gateway
        self._stage = stage
        self._plan = plan
        self._fans = {attempt.msisdn for attempt in plan if attempt.group is Group.FAN}
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._cookies: defaultdict[int, dict[str, str]] = defaultdict(dict)
        self._ways: dict[Channel, Way] = {
            Channel.USSD: self._by_ussd,
            Channel.SMS: self._by_text,
            Channel.TELEGRAM: self._by_telegram,
            Channel.WEB: self._by_form,
            Channel.API: self._by_api,
        }
        self._moved = 0.0
        self.figures = Figures(planned=len(plan))

    async def run(self) -> None:
        """Vote until the plan is done and what was paid is counted, or nothing more comes. Raises aiohttp.ClientError
        when gateway or country is away at the start."""
        figures = self.figures
        figures.votes_before = figures.votes_now = await self._votes()
        poor = {attempt.msisdn: 0 for attempt in self._plan if attempt.ending is Ending.EMPTY}
        await self._post(f"{self._country}/control", {"balances": poor})
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            tries = [group.create_task(self._try(attempt, began)) for attempt in self._plan]
            await asyncio.wait(tries)
            self._moved = time.monotonic()
            with suppress(Unanswered):
                await _until(self._all_counted)
            watching.cancel()

    async def _all_counted(self) -> bool:
        """Whether all that is paid is counted, or nothing more comes."""
        all_there = self.figures.counted >= self.figures.votes_paid
        return all_there or time.monotonic() - self._moved > _STILL_SECONDS

    async def _watch(self) -> None:
        while True:
            before = self.figures.votes_now
            with suppress(*_AWAY):
                self.figures.votes_now = await self._votes()
            if self.figures.votes_now != before:
                self._moved = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _votes(self) -> int:
        board = await self._get(f"{self._gateway}/api/contests/{self._stage.slug}/leaderboard?limit=1")
        return int(board["totalVotes"])

    # One voter.

    async def _try(self, attempt: Attempt, began: float) -> None:
        await asyncio.sleep(began + attempt.at - time.monotonic())
        async with self._busy[attempt.msisdn]:
            self.figures.begun += 1
            self.figures.by_channel[attempt.channel] += 1
            try:
                outcome = await self._ways[attempt.channel](attempt)
            except Refused as refused:
                self.figures.refusals[f"{attempt.group}, {refused}"] += 1
                outcome = Outcome.REFUSED
            except (Unanswered, *_AWAY):
                outcome = Outcome.UNANSWERED
            self.figures.outcomes[outcome] += 1
            if outcome is Outcome.PAID:
                self.figures.votes_paid += attempt.votes

    async def _by_ussd(self, attempt: Attempt) -> Outcome:
        phone, whole = self._phone(attempt), attempt.person % 2
        typed = [attempt.candidate, str(attempt.votes), "1"]
        if attempt.ending is Ending.LEAVES:
            typed = typed[: attempt.person % len(typed)]
        links = await self._links(attempt)
        if whole and attempt.ending is not Ending.LEAVES:
            shown = await self._post(f"{phone}/dial", {"code": "*".join((self._stage.service_code[:-1], *typed)) + "#"})
        else:
            shown = await self._post(f"{phone}/dial", {"code": self._stage.service_code})
            for one in typed:
                if shown["open"]:
                    shown = await self._post(f"{phone}/reply", {"input": one})
        if attempt.ending is Ending.LEAVES:
            await self._post(f"{phone}/hangup", {})
            return Outcome.LEFT
        if shown["open"]:
            await self._post(f"{phone}/hangup", {})
            raise Refused(str(shown["screen"]).partition("\n")[0])
        return await self._pay_on_phone(attempt, links)

    async def _by_text(self, attempt: Attempt) -> Outcome:
        links = await self._links(attempt)
        words = f"{self._stage.keyword} {attempt.candidate} {attempt.votes}"
        await self._post(f"{self._phone(attempt)}/sms", {"to": self._stage.short_code, "text": words})
        return await self._pay_on_phone(attempt, links)

    async def _by_telegram(self, attempt: Attempt) -> Outcome:
        chat = f"{self._country}/telegram/people/{_PERSON_FROM + attempt.person}"
        start = f"/start c_{self._stage.slug}_{attempt.candidate}"
        await self._post(f"{chat}/send", {"text": start, "language_code": "fr", "first_name": "Ama"})

        async def bot_wrote() -> bool:
            return any(message["from"] == "bot" for message in await self._get(f"{chat}/chat"))

        async def asked_for_number() -> bool:
            return bool((await self._get(chat))["keyboard"])

        async def button(key: str, words: str = "") -> tuple[int, str] | None:
            shown = reversed(await self._get(f"{chat}/chat"))
            found = ((m["id"], b) for m in shown for row in m["buttons"] for b in row if b["text"].startswith(words))
            return next(((message, one[key]) for message, one in found if key in one), None)

        await _until(bot_wrote)
        # Without the x a number that is a candidate's code too is asked about.
        await self._post(f"{chat}/send", {"text": f"{attempt.candidate} x{attempt.votes}"})
        await _until(asked_for_number)
        await self._post(f"{chat}/contact", {"phone": attempt.msisdn})
        message, data = await _until(lambda: button("data", "Payer"))
        await self._post(f"{chat}/tap", {"message_id": message, "data": data})
        if not attempt.by_page:
            return await self._answer_prompt(attempt)
        _, link = await _until(lambda: button("url"))
        return await self._pay_on_page(attempt, link)

    async def _by_form(self, attempt: Attempt) -> Outcome:
        address = f"{self._gateway}/c/{self._stage.slug}/{attempt.candidate}"
        headers, cookies = {"X-Forwarded-For": attempt.address}, self._cookies[attempt.person]
        async with self._client.get(address, headers=headers, cookies=cookies) as page:
            hidden = dict(_FIELD.findall(await page.text()))
        form = {"quantity": attempt.votes, "phone": attempt.msisdn, "method": attempt.wallet.value, **hidden}
        async with self._client.post(
            address, data=form, headers=headers, cookies=cookies, allow_redirects=False
        ) as placed:
            if placed.status != 303:
                raise Refused(f"web form: {placed.status}")
            cookies.update({name: morsel.value for name, morsel in placed.cookies.items()})
            return await self._pay_order(attempt, placed.headers["Location"].rpartition("/")[2])

    async def _by_api(self, attempt: Attempt) -> Outcome:
        body = {
            "contest": self._stage.slug,
            "candidateCode": attempt.candidate,
            "quantity": attempt.votes,
            "paymentMethod": attempt.wallet.value,
            "voterPhone": "" if attempt.wallet is Wallet.CARD else attempt.msisdn,
        }
        headers = {"X-Forwarded-For": attempt.address}
        placed = await self._post(f"{self._gateway}/api/votes/initiate", body, headers)
        return await self._pay_order(attempt, placed["voteId"])

    # The payer's approval.

    async def _pay_order(self, attempt: Attempt, vote_id: str) -> Outcome:
        async def shown() -> Mapping[str, Any]:
            order: Mapping[str, Any] = await self._get(f"{self._gateway}/api/votes/{vote_id}")
            return order

        async def link() -> str | None:
            url = (await shown())["paymentUrl"]
            return None if url is None else str(url)

        async def over() -> bool:
            return str((await shown())["status"]) != "PENDING"

        paid = await (
            self._pay_on_page(attempt, await _until(link)) if attempt.by_page else self._answer_prompt(attempt)
        )
        if attempt.msisdn in self._fans:
            # Who votes again looks first whether the last vote is counted: a number is asked for one payment at a time.
            with suppress(Unanswered):
                await _until(over)
        return paid

    async def _pay_on_phone(self, attempt: Attempt, old_links: Collection[str]) -> Outcome:
        if not attempt.by_page:
            return await self._answer_prompt(attempt)

        async def link() -> str | None:
            return next((one for one in await self._links(attempt) if one not in old_links), None)

        return await self._pay_on_page(attempt, await _until(link))

    async def _links(self, attempt: Attempt) -> list[str]:
        """Payment pages that the phone got by text."""
        if not attempt.by_page:
            return []
        inbox = await self._get(f"{self._phone(attempt)}/inbox")
        return [link for text in inbox for link in _LINK.findall(text["text"]) if _OF_RECEIPTS not in link]

    async def _answer_prompt(self, attempt: Attempt) -> Outcome:
        prompt = f"{self._phone(attempt)}/prompt"
        await _until(lambda: self._get(prompt))
        match attempt.ending:
            case Ending.IGNORES:
                return Outcome.IGNORED
            case Ending.DECLINES:
                await self._post(prompt, {"decline": True})
                return Outcome.DECLINED
            case Ending.WRONG_PIN:
                for _ in range(_PIN_TRIES):
                    await self._post(prompt, {"pin": _WRONG_PIN})
                return Outcome.WRONG_PIN
            case Ending.MISTYPES:
                await self._post(prompt, {"pin": _WRONG_PIN})
            case _:
                pass
        answer = await self._post(prompt, {"pin": PIN})
        return Outcome.PAID if _PAID.search(str(answer.get("status"))) else Outcome.EMPTY

    async def _pay_on_page(self, attempt: Attempt, page: str) -> Outcome:
        if attempt.ending is Ending.IGNORES:
            return Outcome.IGNORED
        declines = attempt.ending is Ending.DECLINES
        form = {"action": "cancel" if declines else "pay", "msisdn": attempt.msisdn, "pin": PIN}
        if attempt.wallet is Wallet.CARD:
            form = {"action": "pay", "number": _DECLINED_CARD if declines else _GOOD_CARD, **_CARD}
        elif attempt.wallet is Wallet.ORANGE and not declines:
            dialled = await self._post(f"{self._phone(attempt)}/dial", {"code": _FETCHED})
            form["code"] = "".join(_CODE.findall(dialled["screen"])[:1])
        async with self._client.post(f"{page.partition('?')[0]}?format=json", data=form) as answer:
            if _PAID.search(await answer.text()):
                return Outcome.PAID
        return Outcome.DECLINED if declines else Outcome.UNANSWERED

    # HTTP.

    def _phone(self, attempt: Attempt) -> str:
        return f"{self._country}/phones/{attempt.msisdn}"

    async def _get(self, url: str) -> Any:  # noqa: ANN401 - JSON
        async with self._client.get(url) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def _post(self, url: str, body: object, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """The answer. Raises Refused for what the gateway does not sell."""
        async with self._client.post(url, json=body, headers=headers) as answer:
            shown = await answer.json(content_type=None)
        if url.startswith(self._gateway) and answer.status != 201:
            raise Refused(f"API: {answer.status} {shown.get('type', '').rpartition('/')[2]}")
        return shown


async def _until(look: Callable[[], Awaitable[T | None]]) -> T:
    """Look until something is there. Raises Unanswered."""
    began = time.monotonic()
    while not (found := await look()):
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise Unanswered
        await asyncio.sleep(_LOOK_SECONDS)
    return found
