"""Ranking messages that keep themselves up to date, as long as somebody looks at them.

One a chat, edited only when its text has changed, at most once in ten seconds, and no longer than ten
minutes after its reader last touched it. Edits wait behind receipts and the states of payments.
"""

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import structlog
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramBadRequest, TelegramForbiddenError

from channels.phrases import languages
from channels.telegram import views
from channels.telegram.desk import Desk, Shown, is_gone, is_unchanged
from channels.telegram.flood import TooLong, Urgency, urgency
from channels.telegram.keyboards import inline
from channels.telegram.port import BoardFace, Chat, ShownBoard
from channels.telegram.views import View
from gateway.contests.contest import Contest
from gateway.storage.engine import DatabaseUnavailable

TICK_SECONDS: Final = 1.0
EVERY_SECONDS: Final = 10.0
LIVE_SECONDS: Final = 600.0
BATCH: Final = 50
_log = structlog.get_logger(__name__)


class Boards:
    """Every live ranking; which ones there are is in PostgreSQL, for any process to look after."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show(self, chat: Chat, contest: Contest, shown: Shown | None = None) -> None:
        """The ranking, live from now on: in a new message, or in the one that shows it already."""
        view = self._view(contest, chat.language, live=True)
        if shown is None:
            message_id = (await self._desk.send(chat.chat_id, view)).message_id
        else:
            message_id = await self._desk.replace(shown, view)
        face = BoardFace(contest.id, chat.language, _hash(view))
        before = await self._desk.chats.show_board(chat.chat_id, message_id, face, LIVE_SECONDS)
        if before is not None and before != message_id:
            await self._edit(ShownBoard(chat.chat_id, before, contest.id, chat.language), live=False)

    async def show_once(self, chat_id: int, contest: Contest, language: str, shown: Shown | None = None) -> None:
        """The ranking as it is now, for a group: nobody can vote there, and it does not move by itself."""
        view = self._view(contest, language, live=False, private=False)
        await (self._desk.send(chat_id, view) if shown is None else self._desk.replace(shown, view))

    async def run(self) -> None:
        """Look after all boards until cancelled."""
        away = False
        while True:
            try:
                await self.look()
                away = False
            except DatabaseUnavailable as error:
                if not away:
                    _log.warning("boards_without_house", error=str(error))
                away = True
            except Exception:  # a board is a courtesy; the loop is for all of them
                _log.exception("boards_failed")
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        """Edit what is stale and say good-bye to what nobody looks at any more."""
        chats = self._desk.chats
        stale = await chats.stale_boards(self._faces(), EVERY_SECONDS, BATCH)
        ended = await chats.ended_boards(BATCH)
        await asyncio.gather(
            *(self._edit(board, live=True) for board in stale), *(self._edit(board, live=False) for board in ended)
        )

    def _faces(self) -> Sequence[BoardFace]:
        return [
            BoardFace(contest.id, language, _hash(self._view(contest, language, live=True)))
            for contest in self._desk.service.contests()
            for language in languages()
        ]

    def _view(self, contest: Contest, language: str, *, live: bool, private: bool = True) -> View:
        ranking = self._desk.service.ranking(contest.slug)
        return views.board(language, contest, ranking, live=live, private=private)

    async def _edit(self, board: ShownBoard, *, live: bool) -> None:
        contest = self._desk.service.contest_by_id(board.contest_id)
        if contest is None:
            return
        view = self._view(contest, board.language, live=live)
        try:
            with urgency(Urgency.BOARD):
                await self._desk.bot.edit_message_text(
                    view.text, chat_id=board.chat_id, message_id=board.message_id, reply_markup=inline(view)
                )
        except TelegramBadRequest as error:
            if not (is_unchanged(error) or is_gone(error)):
                _log.warning("board_not_shown", error=error.message[:80])
        except TelegramForbiddenError:
            await self._desk.chats.reachable(board.chat_id, reachable=False)
        except (TooLong, TelegramAPIError, ClientDecodeError) as error:
            _log.info("board_waits", error=type(error).__name__)
            if live:
                await self._desk.chats.forget_board_text(board.chat_id)


def _hash(view: View) -> bytes:
    return blake2b(view.text.encode(), digest_size=16).digest()
