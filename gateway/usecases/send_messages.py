"""Send the texts that are owed: receipts, refusals, links, replies."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from gateway.ports.message_sender import MessageSender, OutboundText, SendAccepted, SendRefused
from gateway.ports.stores import DueMessage, MessageStore, SentMessage

BATCH: Final = 64
# Waits before the next try, by tries so far; after the last one a text is given up.
RETRY_SECONDS: Final = (60, 300, 1_800, 7_200)
UNKNOWN_RETRY_SECONDS: Final = 600
_log = structlog.get_logger(__name__)

Write = Callable[[str, str, Mapping[str, object]], str]


async def send_messages(
    *, messages: MessageStore, carrier: MessageSender, write: Write, parts: Callable[[str], int]
) -> int:
    """Send one batch; how many were tried. `write` renders (kind, language, values)."""
    due = await messages.claim_due(BATCH)
    results = await asyncio.gather(*(_send(message, carrier, write, parts) for message in due))
    await messages.record_sent(results)
    return len(due)


async def _send(message: DueMessage, carrier: MessageSender, write: Write, parts: Callable[[str], int]) -> SentMessage:
    log = _log.bind(message=str(message.id), kind=message.kind, carrier=carrier.code)
    if message.vote_id is not None:
        log = log.bind(vote=str(message.vote_id))
    try:
        text = write(message.kind, message.language, message.params)
    except (KeyError, ValueError) as error:
        log.exception("text_not_written")
        return SentMessage(message.id, "refused", carrier.code, error=f"not written: {error}")
    result = await carrier.send(OutboundText(message.to, text))
    log.info("text_sent", result=type(result).__name__, attempts=message.attempts)
    match result:
        case SendAccepted():
            return SentMessage(message.id, "sent", carrier.code, result.carrier_message_id, parts(text), result.cost)
        case SendRefused(permanent=False) if message.attempts <= len(RETRY_SECONDS):
            wait = RETRY_SECONDS[message.attempts - 1]
            return SentMessage(message.id, "due", carrier.code, error=result.code, retry_seconds=wait)
        case SendRefused():
            return SentMessage(message.id, "refused", carrier.code, error=result.code)
        case _ if message.attempts <= len(RETRY_SECONDS):
            return SentMessage(
                message.id, "unknown", carrier.code, error=result.error, retry_seconds=UNKNOWN_RETRY_SECONDS
            )
        case _:
            return SentMessage(message.id, "refused", carrier.code, error=result.error)
