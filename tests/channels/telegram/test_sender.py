"""Owed messages into chats: what Telegram answers, and what that means for the outbox."""

from typing import Any

import pytest
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import SendMessage

from channels.messages.carrier import OutboundText, SendAccepted, SendRefused, SendUnknown
from channels.messages.rules import next_attempt
from channels.telegram.sending import TelegramSender
from tests.channels.telegram.conftest import World

METHOD: Any = SendMessage(chat_id=1, text="")
TEXT = OutboundText("55", "Vote <compté> & reçu")


def sender(world: World) -> TelegramSender:
    return TelegramSender(world.bot, world.queue, world.store)


async def test_a_text_arrives_as_it_is(world: World) -> None:
    sent = await sender(world).send(TEXT)
    assert sent == SendAccepted(str(world.wire.last(55).message_id))
    assert world.text() == "Vote &lt;compté&gt; &amp; reçu"


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (
            TelegramRetryAfter(method=METHOD, message="Too Many Requests", retry_after=77),
            SendRefused("429", permanent=False, retry_after_seconds=77),
        ),
        (TelegramBadRequest(method=METHOD, message="chat not found"), SendRefused("chat not found", permanent=True)),
        (
            TelegramUnauthorizedError(method=METHOD, message="Unauthorized"),
            SendRefused("Unauthorized", permanent=True, ours=True),
        ),
        (TelegramNotFound(method=METHOD, message="Not Found"), SendRefused("Not Found", permanent=True, ours=True)),
        (TelegramServerError(method=METHOD, message="Bad Gateway"), SendUnknown("Bad Gateway")),
        (TelegramNetworkError(method=METHOD, message="time-out"), SendUnknown("TelegramNetworkError")),
        (ClientDecodeError("no JSON", ValueError(), "<html>"), SendUnknown("ClientDecodeError")),
    ],
    ids=lambda held: type(held).__name__,
)
async def test_what_telegram_answers(world: World, fault: Exception, result: object) -> None:
    world.wire.faults.append(fault)
    assert await sender(world).send(TEXT) == result


async def test_a_blocked_chat_is_marked_and_the_receipt_goes_on_by_sms(world: World) -> None:
    await world.write("/start")
    world.wire.faults.append(TelegramForbiddenError(method=METHOD, message="bot was blocked by the user"))
    result = await sender(world).send(TEXT)
    assert isinstance(result, SendRefused)
    assert result.permanent
    (row,) = await world.rows("select reachable from telegram_chats")
    assert row.reachable is False
    after = next_attempt(result, carrier="telegram", attempts=1, ways=("telegram", "africastalking"), in_chat=True)
    assert (after.status, after.carrier, after.wait_seconds) == ("due", "africastalking", 0)
    alone = next_attempt(result, carrier="telegram", attempts=1, ways=("telegram",), in_chat=True)
    assert alone.status == "refused"
