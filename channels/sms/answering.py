"""Texts that came in, answered once each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

import structlog

from channels.messages.inbox import InboundText, Inbox, written
from channels.sms import inbound
from channels.voting_service import VotingService
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.set_aside import passes

TEXTS_BATCH: Final = 100
SENDERS_AT_ONCE: Final = 8
_log = structlog.get_logger(__name__)


async def answer_texts(inbox: Inbox, service: VotingService, look: Callable[[], Awaitable[None]]) -> int:
    """Answer stored texts, each once; how many. A sender's in their order; different senders do not wait for
    each other, since one answer may wait for an operator. `look`: bring the service's rankings up to date."""
    due = await inbox.due(TEXTS_BATCH)
    if due:
        # A worker shows no rankings and reads no score feed.
        await look()
    by_sender: dict[str, list[InboundText]] = {}
    for incoming in due:
        by_sender.setdefault(incoming.text.sender, []).append(incoming)
    turns = asyncio.Semaphore(SENDERS_AT_ONCE)

    async def answer_all(texts: list[InboundText]) -> None:
        async with turns:
            for incoming in texts:
                await _answer_text(incoming, inbox, service)

    await asyncio.gather(*map(answer_all, by_sender.values()))
    return len(due)


async def _answer_text(incoming: InboundText, inbox: Inbox, service: VotingService) -> None:
    try:
        await _answer_or_raise(incoming, inbox, service)
    except DatabaseUnavailable:
        raise
    except Exception as error:
        if passes(error):
            raise
        # A text that we stumble over must not hold up everybody behind it.
        _log.exception("text_not_answered", carrier=incoming.text.carrier, id=incoming.text.carrier_id)
        await inbox.answered(incoming, "failed", None)


async def _answer_or_raise(incoming: InboundText, inbox: Inbox, service: VotingService) -> None:
    answer = await inbound.answer(incoming.text, service, first_id=incoming.first_id, language=incoming.language)
    params: dict[str, object] = {"lines": list(answer.lines)}
    if answer.question is not None:
        params["question"] = written(answer.question)
    reply = (uuid4(), answer.language, params) if answer.lines else None
    await inbox.answered(incoming, answer.outcome, reply, answer.opt_out)
