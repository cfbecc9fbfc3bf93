"""Send the texts that are owed: receipts, refusals, links, replies."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from channels.messages.next_attempt import UNKNOWN_SECONDS, next_attempt
from channels.messages.port import DueMessage, MessageStore, SentMessage
from channels.messages.sender import (
    ChatSender,
    MessageSender,
    OutboundText,
    SendAccepted,
    SendRefused,
    SendResult,
    SendUnknown,
)
from channels.messages.texting import Routes
from gateway.values.halving import in_halves, of_a_server

BATCH: Final = 64
_log = structlog.get_logger(__name__)

Write = Callable[[str, str, Mapping[str, object]], str]


@dataclass(frozen=True, slots=True)
class Outbox:
    """Who sends what. `carriers` by code; `chats`: who carries messages to chats, if anybody;
    `write` renders (kind, language, values); `parts` counts what a carrier charges."""

    carriers: Mapping[str, MessageSender]
    routes: Routes
    chats: ChatSender | None
    write: Write
    parts: Callable[[str], int]

    def in_chat(self, message: DueMessage) -> bool:
        """Whether this message goes to its chat now."""
        return self.chats is not None and message.carrier == self.chats.code

    def words(self, message: DueMessage) -> str:
        """The message as whoever carries it says it. Raises what `write` raises."""
        own = None
        if self.chats is not None and self.in_chat(message):
            own = self.chats.write(message.kind, message.language, message.params)
        return self.write(message.kind, message.language, message.params) if own is None else own

    def sender(self, message: DueMessage) -> MessageSender:
        """Who sends this message now."""
        return self.chats if self.chats and message.carrier == self.chats.code else self.carriers[message.carrier]


async def send_messages(
    *,
    messages: MessageStore,
    carriers: Mapping[str, MessageSender],
    routes: Routes,
    chats: ChatSender | None,
    write: Write,
    parts: Callable[[str], int],
    passes: Callable[[Exception], bool] = of_a_server,
) -> int:
    """Send one batch; how many were tried. `write` renders (kind, language, values). `passes`: whether an error of
    the store is of a server that comes back, and is raised."""
    outbox = Outbox(carriers, routes, chats, write, parts)
    due = await messages.claim_due(BATCH, routes)
    results = await asyncio.gather(*(_send(message, outbox) for message in due))
    recorded = await in_halves(results, messages.record_sent, passes)
    await messages.record_sent([_without_answer(result, error) for result, error in recorded.broken])
    return len(due)


def _without_answer(result: SentMessage, error: Exception) -> SentMessage:
    """What a carrier said cannot be kept: the text may have been sent."""
    _log.error("carrier_answer_not_kept", message=str(result.id), carrier=result.carrier, error=type(error).__name__)
    return SentMessage(
        result.id,
        result.attempts,
        "unknown",
        result.carrier,
        error=f"answer not kept: {type(error).__name__}",
        retry_seconds=UNKNOWN_SECONDS,
    )


async def _send(message: DueMessage, outbox: Outbox) -> SentMessage:
    log = _log.bind(message=str(message.id), kind=message.kind, carrier=message.carrier)
    if message.vote_id is not None:
        log = log.bind(vote=str(message.vote_id))
    try:
        text = outbox.words(message)
    except Exception as error:
        log.exception("text_not_written")
        return SentMessage(
            message.id, message.attempts, "refused", message.carrier, error=f"not written: {type(error).__name__}"
        )
    in_chat = outbox.in_chat(message)
    to = str(message.chat_id) if in_chat else message.to
    try:
        result = await outbox.sender(message).send(OutboundText(to, text, str(message.id)))
    except Exception as error:
        # Its own fault, and no reason to forget what became of the others.
        log.exception("carrier_stumbled")
        result = SendUnknown(type(error).__name__)
    log.info("text_sent", result=type(result).__name__, attempts=message.attempts)
    if isinstance(result, SendRefused) and result.ours:
        log.error("carrier_refuses_us", code=result.code)
    return _sent(message, result, outbox, in_chat=in_chat, text=text)


def _sent(message: DueMessage, result: SendResult, outbox: Outbox, *, in_chat: bool, text: str) -> SentMessage:
    # Who was told by the chat to go elsewhere does not come back to it.
    ways = message.ways if in_chat else outbox.routes.ways(message.to, None)
    attempt = next_attempt(result, carrier=message.carrier, attempts=message.attempts, ways=ways, in_chat=in_chat)
    accepted = result if isinstance(result, SendAccepted) else None
    return SentMessage(
        id=message.id,
        attempts=message.attempts,
        status=attempt.status,
        carrier=attempt.carrier,
        carrier_message_id=accepted.carrier_message_id if accepted else None,
        parts=None if in_chat or accepted is None else outbox.parts(text),
        cost=accepted.cost if accepted else None,
        error=_error(message.carrier, result),
        retry_seconds=attempt.wait_seconds,
    )


def _error(carrier: str, result: SendResult) -> str | None:
    """What went wrong, for people and for the figures (`gateway.runtime.figures`)."""
    if isinstance(result, SendAccepted):
        return None
    if isinstance(result, SendRefused):
        return f"{carrier} {'refuses us' if result.ours else 'refused'}: {result.code}"
    return f"{carrier} did not answer: {result.error}"
