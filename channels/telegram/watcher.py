"""Orders followed in their chats: the confirmation is edited as the payment goes.

One question a second about all followed orders, whatever their number. What is followed is kept in
Redis as well, for the next process; losing it loses an edit, and the receipt comes without it.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import orjson
import structlog
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramBadRequest, TelegramNetworkError

from channels.telegram import order_views
from channels.telegram.desk import Desk, is_gone, is_unchanged
from channels.telegram.flood import TooLong, Urgency, urgency
from channels.telegram.keyboards import inline
from channels.telegram.port import WatchedOrders
from channels.telegram.views import View
from gateway.storage.engine import DatabaseUnavailable
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus

TICK_SECONDS: Final = 1.0
# A payment may still arrive after its time: that long its message is looked after.
FOLLOW: Final = timedelta(minutes=45)
FOLLOWED_MAX: Final = 20_000
# Nothing can follow these words but a refund, which has a message of its own.
_LAST: Final = frozenset({PublicStatus.COMPLETED, PublicStatus.REFUNDED})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Followed:
    """The message of an order. `mark`: the service's word for the state that it shows."""

    chat_id: int
    message_id: int
    language: str
    since: datetime
    mark: str = ""


class Watcher:
    """Every order that this process follows."""

    def __init__(self, desk: Desk, kept: WatchedOrders) -> None:
        self._desk = desk
        self._kept = kept
        self._followed: dict[UUID, Followed] = {}
        self._shown: dict[UUID, View] = {}
        self._editing: dict[UUID, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._followed)

    def view(self, language: str, order: OrderView) -> View:
        """The order as its message shows it."""
        contest = self._desk.service.contest(order.contest_slug)
        return order_views.order(language, order, contest, self._desk.public_url, self._desk.service.rails)

    async def follow(self, order: OrderView, view: View, followed: Followed) -> None:
        """Keep this message, which shows `view`, up to date from now on."""
        if len(self._followed) >= FOLLOWED_MAX:
            _log.warning("too_many_followed", orders=len(self._followed))
            return
        self._followed[order.vote_id] = followed
        self._shown[order.vote_id] = view
        await self._kept.put(order.vote_id, _packed(followed))

    async def run(self) -> None:
        """Take up what an earlier process followed, then look once a tick until cancelled."""
        for vote_id, packed in (await self._kept.all()).items():
            if (found := _unpacked(packed)) is not None:
                self._followed.setdefault(vote_id, found)
        away = False
        while True:
            try:
                await self.look()
                away = False
            except DatabaseUnavailable as error:
                if not away:
                    _log.warning("watcher_without_house", error=str(error), orders=len(self._followed))
                away = True
            except Exception:  # one order's trouble must not silence the others
                _log.exception("watcher_failed", orders=len(self._followed))
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        """Ask about everything that is followed and edit what changed."""
        await self._forget_old()
        asked = {vote: held.mark for vote, held in self._followed.items() if vote not in self._editing}
        if not asked:
            return
        changed = await self._desk.service.changed_orders(asked)
        for vote_id, (mark, order) in changed.items():
            task = asyncio.create_task(self._show(vote_id, mark, order))
            self._editing[vote_id] = task
            task.add_done_callback(partial(self._edited, vote_id))

    def _edited(self, vote_id: UUID, _: "asyncio.Task[None]") -> None:
        self._editing.pop(vote_id, None)

    async def settled(self) -> None:
        """Wait until the edits under way are done."""
        await asyncio.gather(*self._editing.values(), return_exceptions=True)

    async def _show(self, vote_id: UUID, mark: str, order: OrderView) -> None:
        held = self._followed.get(vote_id)
        if held is None:
            return
        view = self.view(held.language, order)
        if view != self._shown.get(vote_id) and not await self._edit(held, view):
            return
        self._shown[vote_id] = view
        self._followed[vote_id] = replace(held, mark=mark)
        if order.status in _LAST:
            await self._drop(vote_id)

    async def _edit(self, held: Followed, view: View) -> bool:
        """Whether the message shows the view now, or never will."""
        try:
            with urgency(Urgency.STATUS):
                await self._desk.bot.edit_message_text(
                    view.text, chat_id=held.chat_id, message_id=held.message_id, reply_markup=inline(view)
                )
        except TelegramBadRequest as error:
            if not (is_unchanged(error) or is_gone(error)):
                _log.warning("status_not_shown", error=error.message[:80])
        except (TooLong, TelegramNetworkError, ClientDecodeError):
            return False
        except TelegramAPIError as error:
            _log.info("status_not_shown", error=type(error).__name__)
            # Too often, or a server's trouble: later. Blocked: the receipt finds its own way.
            return "Forbidden" in type(error).__name__
        return True

    async def _forget_old(self) -> None:
        before = self._desk.service.now() - FOLLOW
        for vote_id in [vote for vote, held in self._followed.items() if held.since < before]:
            await self._drop(vote_id)

    async def _drop(self, vote_id: UUID) -> None:
        self._followed.pop(vote_id, None)
        self._shown.pop(vote_id, None)
        await self._kept.drop(vote_id)


def _packed(held: Followed) -> bytes:
    return orjson.dumps([held.chat_id, held.message_id, held.language, held.since])


def _unpacked(packed: bytes) -> Followed | None:
    try:
        chat_id, message_id, language, since = orjson.loads(packed)
        return Followed(int(chat_id), int(message_id), str(language), datetime.fromisoformat(since))
    except (ValueError, TypeError):
        return None
