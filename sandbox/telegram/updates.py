"""Updates on their way to a bot: by webhook, or asked for with `getUpdates`.

Source: Bot API, "Getting updates"; order, repeats and timeout of the webhook as reported by those
who run bots.
"""

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sandbox.courier import Courier
from sandbox.phones.faults import TelegramFaults
from sandbox.telegram.chats import first_number
from sandbox.telegram.request import Refused

SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
KEPT_SECONDS: Final = 24 * 3600
AT_ONCE_MAX: Final = 100
_PHRASES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
}


@dataclass(frozen=True, slots=True)
class Hook:
    """Where updates go. `connections`: at once, of different chats."""

    url: str
    secret: str = ""
    connections: int = 40


@dataclass(frozen=True, slots=True)
class Update:
    """One update. `at`: seconds of a clock that only goes forward."""

    id: int
    chat_id: int
    body: Mapping[str, object]
    at: float = field(default_factory=time.monotonic)


class Updates:
    """What one bot has not yet received. `faults` gives those in force."""

    def __init__(self, party: str, courier: Courier, faults: Callable[[], TelegramFaults]) -> None:
        self._party = party
        self._courier = courier
        self._faults = faults
        self._numbers = itertools.count(first_number())
        self._waiting: dict[int, deque[Update]] = {}
        self._carried: set[int] = set()
        self._news = asyncio.Event()
        self._asking = 0
        self._room = asyncio.Semaphore(40)
        self.hook: Hook | None = None
        self.allowed: tuple[str, ...] = ()
        self.last_error: tuple[int, str] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def add(self, kind: str, content: Mapping[str, object], chat_id: int) -> int | None:
        """Queue an update. Returns its number; None when the bot does not want this kind."""
        if self.allowed and kind not in self.allowed:
            return None
        update_id = next(self._numbers)
        update = Update(update_id, chat_id, {"update_id": update_id, kind: content})
        self._waiting.setdefault(chat_id, deque()).append(update)
        self._wake()
        self._carry(chat_id)
        return update_id

    def allow(self, kinds: object) -> None:
        """Remember which kinds the bot wants, until changed; none named means all."""
        if isinstance(kinds, list):
            self.allowed = tuple(str(kind) for kind in kinds)

    def set_hook(self, hook: Hook | None, *, drop_pending: bool) -> None:
        """Where updates go from now on; None: they wait to be asked for."""
        if hook != self.hook:
            self.last_error = None
            self._room = asyncio.Semaphore(hook.connections if hook else 1)
        self.hook = hook
        if drop_pending:
            self._waiting.clear()
        self._wake()
        for chat_id in list(self._waiting):
            self._carry(chat_id)

    def close(self) -> None:
        """No one waits any longer."""
        self._asking += 1
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    # Brought to the bot.

    def _carry(self, chat_id: int) -> None:
        if self.hook is not None and chat_id not in self._carried:
            self._carried.add(chat_id)
            self._courier.spawn(self._bring(chat_id))

    async def _bring(self, chat_id: int) -> None:
        """Post what one chat has, in order, the next after a 2xx for the one before."""
        pause = 0.0
        try:
            while (hook := self.hook) is not None and (waiting := self._waiting.get(chat_id)):
                update = waiting[0]
                if time.monotonic() - update.at < KEPT_SECONDS and not await self._post(hook, update):
                    faults = self._faults()
                    pause = min(pause * 2 or faults.repeat_seconds, faults.repeat_seconds_max)
                    await asyncio.sleep(pause)
                    continue
                pause = 0.0
                # It may have been dropped meanwhile.
                if waiting and waiting[0] is update:
                    waiting.popleft()
                if not waiting and self._waiting.get(chat_id) is waiting:
                    del self._waiting[chat_id]
        finally:
            self._carried.discard(chat_id)

    async def _post(self, hook: Hook, update: Update) -> bool:
        """Whether the bot took it. A doubled one counts as taken when the first was."""
        doubled = self._faults().double_updates
        async with self._room:
            if doubled == "at_once":
                taken, _ = await asyncio.gather(self._post_once(hook, update), self._post_once(hook, update))
                return taken
            taken = await self._post_once(hook, update)
            if taken and doubled == "after":
                await self._post_once(hook, update)
            return taken

    async def _post_once(self, hook: Hook, update: Update) -> bool:
        status, text = await self._courier.deliver(
            self._party,
            "POST",
            hook.url,
            body=json.dumps(update.body).encode(),
            content_type="application/json",
            within=self._faults().answer_seconds,
            about=about(update.chat_id),
            headers={SECRET_HEADER: hook.secret} if hook.secret else {},
        )
        if 200 <= status < 300:
            return True
        fault = f"Wrong response from the webhook: {status} {_PHRASES.get(status, '')}".strip() if status else text
        self.last_error = (int(time.time()), fault)
        return False

    # Asked for by the bot.

    async def ask(self, offset: int, limit: int, seconds: float) -> list[Mapping[str, object]]:
        """Updates from `offset` on, which confirms all before it; waits until there are some. Raises Refused."""
        if self.hook is not None:
            raise Refused(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        self._asking += 1
        mine = self._asking
        self._wake()
        self._confirm(offset)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = self._from(offset)[:limit]
                    if found or not seconds:
                        return [update.body for update in found]
                    await self._news.wait()
                    if self._asking != mine or self.hook is not None:
                        break
        except TimeoutError:
            return []
        raise Refused(
            409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
        )

    def _from(self, offset: int) -> list[Update]:
        waiting = sorted(itertools.chain.from_iterable(self._waiting.values()), key=lambda update: update.id)
        return waiting[offset:] if offset < 0 else waiting

    def _confirm(self, offset: int) -> None:
        """Forget what is confirmed; a negative offset keeps only so many of the newest."""
        newest = self._from(offset)
        first = newest[0].id if offset < 0 and newest else offset
        for chat_id, waiting in list(self._waiting.items()):
            while waiting and waiting[0].id < first:
                waiting.popleft()
            if not waiting:
                del self._waiting[chat_id]


def about(person_id: int | str) -> str:
    """Under which word the record keeps what concerns one person's chat."""
    return f"telegram {person_id}"
