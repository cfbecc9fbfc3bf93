"""Messages that keep themselves up to date: orders while their payment goes, and rankings.

One query a second about all followed orders, whatever their number. A ranking is edited only when its text has
changed, at most once in ten seconds, and no longer than ten minutes after its reader last touched it. Edits wait
behind receipts and answers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import partial
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramBadRequest, TelegramForbiddenError
from redis import asyncio as redis_asyncio

from channels.phrases import languages
from channels.telegram import order_views, views
from channels.telegram.context import Context, Shown, inline, is_gone, is_unchanged, repeat
from channels.telegram.sending import SendTimeout, Urgency, urgency
from channels.telegram.state import lost_without_redis
from channels.telegram.store import Chat, RankingText, ShownRanking
from channels.telegram.views import View
from gateway.contests.contest import Contest
from leaderboard.ranking import Ranking
from payments.collection.order_views import OrderView
from payments.lifecycle import PublicStatus

TICK_SECONDS: Final = 1.0
# A payment may still arrive after its time: an order's message is followed for so long.
FOLLOW: Final = timedelta(minutes=45)
FOLLOWED_MAX: Final = 20_000
FOLLOWED_SECONDS: Final = 3600
EVERY_SECONDS: Final = 10.0
LIVE_SECONDS: Final = 600.0
BATCH: Final = 50
# Only a refund can follow these, and it has a message of its own.
_LAST: Final = frozenset({PublicStatus.COMPLETED, PublicStatus.REFUNDED})
_log = structlog.get_logger(__name__)


class Edited(Enum):
    """What became of an edit. `DONE`: it is shown, or can never be. `LATER`: to be tried again."""

    DONE = auto()
    BLOCKED = auto()
    LATER = auto()


async def _edit(context: Context, chat_id: int, message_id: int, view: View, kind: Urgency) -> Edited:
    try:
        with urgency(kind):
            await context.bot.edit_message_text(
                view.text, chat_id=chat_id, message_id=message_id, reply_markup=inline(view)
            )
    except TelegramBadRequest as error:
        if not (is_unchanged(error) or is_gone(error)):
            _log.warning("message_not_edited", error=error.message[:80])
    except TelegramForbiddenError:
        return Edited.BLOCKED
    except (SendTimeout, TelegramAPIError, ClientDecodeError) as error:
        _log.debug("edit_waits", error=type(error).__name__)
        return Edited.LATER
    return Edited.DONE


@dataclass(frozen=True, slots=True)
class Followed:
    """The message of an order. `mark`: of the order's state that it shows, see `VotingService.changed_orders`."""

    chat_id: int
    message_id: int
    language: str
    since: datetime
    mark: str = ""


class FollowedOrders:
    """Messages that follow an order, in Redis, so that the next process finds them: one hash, gone an hour after its
    last entry. May be lost, and never raises: the receipt comes without it."""

    def __init__(self, redis: "redis_asyncio.Redis", bot_id: int) -> None:
        self._redis: Any = redis
        self._key = f"telegram:{bot_id}:watched"

    async def put(self, vote_id: UUID, followed: Followed) -> None:
        """Store the message of an order."""
        packed = orjson.dumps([followed.chat_id, followed.message_id, followed.language, followed.since])
        with lost_without_redis("followed_order_not_stored"):
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hset(self._key, str(vote_id), packed)
            pipeline.expire(self._key, FOLLOWED_SECONDS)
            await pipeline.execute()

    async def drop(self, vote_id: UUID) -> None:
        """Forget it."""
        with lost_without_redis("followed_order_not_dropped"):
            await self._redis.hdel(self._key, str(vote_id))

    async def all(self) -> Mapping[UUID, Followed]:
        """Every stored message that can be read, by order."""
        stored: dict[bytes, bytes] = {}
        with lost_without_redis("followed_orders_not_read"):
            stored = await self._redis.hgetall(self._key)
        read = {UUID(vote.decode()): _unpacked(packed) for vote, packed in stored.items()}
        return {vote: followed for vote, followed in read.items() if followed is not None}


def _unpacked(packed: bytes) -> Followed | None:
    try:
        chat_id, message_id, language, since = orjson.loads(packed)
        return Followed(int(chat_id), int(message_id), str(language), datetime.fromisoformat(since))
    except (ValueError, TypeError):
        return None


class LiveOrders:
    """Every order that this process follows: its confirmation is edited as the payment goes."""

    def __init__(self, context: Context, stored: FollowedOrders) -> None:
        self._context = context
        self._stored = stored
        self._followed: dict[UUID, Followed] = {}
        self._shown: dict[UUID, View] = {}
        self._editing: dict[UUID, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._followed)

    def view(self, language: str, order: OrderView) -> View:
        """The order as its message shows it."""
        service = self._context.service
        contest = service.contest(order.contest_slug)
        return order_views.order(language, order, contest, self._context.public_url, service.rails)

    async def follow(self, order: OrderView, view: View, followed: Followed) -> None:
        """Keep this message, which shows `view`, up to date from now on."""
        if len(self._followed) >= FOLLOWED_MAX:
            _log.warning("too_many_followed", orders=len(self._followed))
            return
        self._followed[order.vote_id] = followed
        self._shown[order.vote_id] = view
        await self._stored.put(order.vote_id, followed)

    async def run(self) -> None:
        """Go on with what an earlier process followed, then update once a tick until cancelled."""
        self._followed = {**await self._stored.all(), **self._followed}
        await repeat("live orders", TICK_SECONDS, self.update)

    async def update(self) -> None:
        """Ask about everything that is followed, and begin to edit what changed."""
        before = self._context.service.now() - FOLLOW
        for vote_id in [vote for vote, followed in self._followed.items() if followed.since < before]:
            await self._drop(vote_id)
        known = {vote: followed.mark for vote, followed in self._followed.items() if vote not in self._editing}
        if not known:
            return
        changed = await self._context.service.changed_orders(known)
        for vote_id, (mark, order) in changed.items():
            task = asyncio.create_task(self._show(vote_id, mark, order))
            self._editing[vote_id] = task
            task.add_done_callback(partial(self._edited, vote_id))

    def _edited(self, vote_id: UUID, _: "asyncio.Task[None]") -> None:
        self._editing.pop(vote_id, None)

    async def wait_idle(self) -> None:
        """Wait until the edits in progress are done."""
        await asyncio.gather(*self._editing.values(), return_exceptions=True)

    async def _show(self, vote_id: UUID, mark: str, order: OrderView) -> None:
        followed = self._followed.get(vote_id)
        if followed is None:
            return
        view = self.view(followed.language, order)
        if view != self._shown.get(vote_id):
            edited = await _edit(self._context, followed.chat_id, followed.message_id, view, Urgency.STATUS)
            # Of a blocked bot the receipt goes another way.
            if edited is Edited.LATER:
                return
        self._shown[vote_id] = view
        self._followed[vote_id] = replace(followed, mark=mark)
        if order.status in _LAST:
            await self._drop(vote_id)

    async def _drop(self, vote_id: UUID) -> None:
        self._followed.pop(vote_id, None)
        self._shown.pop(vote_id, None)
        await self._stored.drop(vote_id)


class LiveRankings:
    """Every live ranking, one a chat. Which ones there are is in PostgreSQL, for any process to update."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[UUID, tuple[Contest, Ranking, tuple[RankingText, ...]]] = {}

    async def show(self, chat: Chat, contest: Contest, shown: Shown | None = None) -> None:
        """The ranking, live from now on: in a new message, or in the one that shows it already."""
        view = self._view(contest, chat.language, live=True)
        if shown is None:
            message_id = (await self._context.send(chat.chat_id, view)).message_id
        else:
            message_id = await self._context.replace(shown, view)
        text = RankingText(contest.id, chat.language, _hash(view))
        before = await self._context.chats.set_ranking(chat.chat_id, message_id, text, LIVE_SECONDS)
        if before is not None and before != message_id:
            await self._update(ShownRanking(chat.chat_id, before, contest.id, chat.language), live=False)

    async def show_once(self, chat_id: int, contest: Contest, language: str, shown: Shown | None = None) -> None:
        """The ranking as it is now, for a group: it stays as it is, and has no button to vote."""
        view = self._view(contest, language, live=False, private=False)
        await (self._context.send(chat_id, view) if shown is None else self._context.replace(shown, view))

    async def run(self) -> None:
        """Update all rankings once a tick until cancelled."""
        await repeat("live rankings", TICK_SECONDS, self.update)

    async def update(self) -> None:
        """Edit rankings that are stale, and end those whose time is over."""
        chats = self._context.chats
        stale = await chats.stale_rankings(self._texts(), EVERY_SECONDS, BATCH)
        ended = await chats.ended_rankings(BATCH)
        await asyncio.gather(
            *(self._update(one, live=True) for one in stale), *(self._update(one, live=False) for one in ended)
        )

    def _texts(self) -> Sequence[RankingText]:
        """In every language, made again for contests and rankings that are others than a tick ago."""
        service, before = self._context.service, self._made
        self._made = {}
        for contest in service.contests():
            ranking, made = service.ranking(contest.slug), before.get(contest.id)
            if made is None or made[0] is not contest or made[1] is not ranking:
                made = contest, ranking, tuple(self._text(contest, language) for language in languages())
            self._made[contest.id] = made
        return [text for _, _, texts in self._made.values() for text in texts]

    def _text(self, contest: Contest, language: str) -> RankingText:
        return RankingText(contest.id, language, _hash(self._view(contest, language, live=True)))

    def _view(self, contest: Contest, language: str, *, live: bool, private: bool = True) -> View:
        ranking = self._context.service.ranking(contest.slug)
        return views.ranking(language, contest, ranking, live=live, private=private)

    async def _update(self, shown: ShownRanking, *, live: bool) -> None:
        contest = self._context.service.contest_by_id(shown.contest_id)
        if contest is None:
            return
        view = self._view(contest, shown.language, live=live)
        edited = await _edit(self._context, shown.chat_id, shown.message_id, view, Urgency.RANKING)
        if edited is Edited.BLOCKED:
            await self._context.chats.set_reachable(shown.chat_id, reachable=False)
        elif edited is Edited.LATER and live:
            await self._context.chats.mark_ranking_stale(shown.chat_id)


def _hash(view: View) -> bytes:
    return blake2b(view.text.encode(), digest_size=16).digest()
