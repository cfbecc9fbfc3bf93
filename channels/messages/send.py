"""Send the texts that are owed: receipts, refusals, links, replies."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from channels.gsm import parts
from channels.messages.carrier import (
    MessageSender,
    OutboundText,
    SendAccepted,
    SendRefused,
    SendResult,
    SendUnknown,
)
from channels.messages.outbox import DueMessage, Outbox, SentMessage
from channels.messages.rules import UNKNOWN_SECONDS, Routes, next_attempt
from gateway.storage.set_aside import in_halves

BATCH: Final = 64
_log = structlog.get_logger(__name__)

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sending:
    """Who sends what. `senders`: by code, the one of chat messages included. Texts are rendered from kind, language
    and facts: `write` for a phone; `write_in_chat` for a chat, None where that has no wording of its own."""

    outbox: Outbox
    senders: Mapping[str, MessageSender]
    routes: Routes
    write: Callable[[str, str, Facts], str]
    write_in_chat: Callable[[str, str, Facts], str | None]

    async def send_due(self) -> int:
        """Send one batch; how many were tried."""
        due = await self.outbox.claim_due(BATCH, self.routes)
        results = await asyncio.gather(*map(self._send, due))
        recorded = await in_halves(results, self.outbox.record_sent)
        await self.outbox.record_sent([_not_recorded(result, error) for result, error in recorded.broken])
        for carrier, answer in {one.refused_us: one.error for one in results if one.refused_us}.items():
            await self.outbox.note_refused(carrier, answer or "")
        return len(due)

    def _in_chat(self, message: DueMessage) -> bool:
        return message.carrier == self.routes.chats

    def _text(self, message: DueMessage) -> str:
        wording = message.kind, message.language, message.params
        own = self.write_in_chat(*wording) if self._in_chat(message) else None
        return self.write(*wording) if own is None else own

    async def _send(self, message: DueMessage) -> SentMessage:
        log = _log.bind(message=str(message.id), kind=message.kind, carrier=message.carrier)
        if message.vote_id is not None:
            log = log.bind(vote=str(message.vote_id))
        try:
            text = self._text(message)
        except Exception as error:
            log.exception("text_not_written")
            return SentMessage(
                message.id, message.attempts, "refused", message.carrier, error=f"not written: {type(error).__name__}"
            )
        to = str(message.chat_id) if self._in_chat(message) else message.to
        try:
            result = await self.senders[message.carrier].send(OutboundText(to, text, str(message.id)))
        except Exception as error:
            # A fault of this carrier must not lose the results of the others.
            log.exception("carrier_failed")
            result = SendUnknown(type(error).__name__)
        note = log.debug if isinstance(result, SendAccepted) else log.info
        note("text_sent", result=type(result).__name__, attempts=message.attempts)
        if isinstance(result, SendRefused) and result.ours:
            log.error("carrier_refuses_us", code=result.code)
        return self._sent(message, result, text)

    def _sent(self, message: DueMessage, result: SendResult, text: str) -> SentMessage:
        in_chat = self._in_chat(message)
        # A text that left a chat does not come back to it.
        ways = message.ways if in_chat else self.routes.ways(message.to, None)
        attempt = next_attempt(result, carrier=message.carrier, attempts=message.attempts, ways=ways, in_chat=in_chat)
        accepted = result if isinstance(result, SendAccepted) else None
        return SentMessage(
            id=message.id,
            attempts=message.attempts,
            status=attempt.status,
            carrier=attempt.carrier,
            carrier_message_id=accepted.carrier_message_id if accepted else None,
            parts=None if in_chat or accepted is None else parts(text),
            cost=accepted.cost if accepted else None,
            error=_error(message.carrier, result),
            retry_seconds=attempt.wait_seconds,
            refused_us=message.carrier if isinstance(result, SendRefused) and result.ours else "",
        )


def _not_recorded(result: SentMessage, error: Exception) -> SentMessage:
    """The carrier's answer cannot be stored: the text may have been sent."""
    _log.error("carrier_answer_not_stored", message=str(result.id), carrier=result.carrier, error=type(error).__name__)
    return SentMessage(
        result.id,
        result.attempts,
        "unknown",
        result.carrier,
        error=f"answer not kept: {type(error).__name__}",
        retry_seconds=UNKNOWN_SECONDS,
    )


def _error(carrier: str, result: SendResult) -> str | None:
    """What went wrong, for people and for the figures (`gateway.runtime.figures`)."""
    if isinstance(result, SendAccepted):
        return None
    if isinstance(result, SendRefused):
        return f"{carrier} {'refuses us' if result.ours else 'refused'}: {result.code}"
    return f"{carrier} did not answer: {result.error}"
