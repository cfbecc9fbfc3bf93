"""Faults and limits of the simulated Telegram."""

import time

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)

from sandbox.phones.faults import TelegramFaults
from sandbox.telegram.bot import Limits
from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, act, chat, started


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (400, TelegramBadRequest),
        (401, TelegramUnauthorizedError),
        (403, TelegramForbiddenError),
        (409, TelegramConflictError),
        (429, TelegramRetryAfter),
        (500, TelegramServerError),
        (502, ClientDecodeError),
    ],
)
async def test_ordered_errors(country: Country, bot: Bot, error: int, raised: type[Exception]) -> None:
    await act(country, "send", text="/start")
    await country.order(telegram={"error": error, "error_times": 1, "retry_after": 7})
    assert (await bot.get_me()).is_bot
    with pytest.raises(raised) as caught:
        await bot.send_message(AWA, "x")
    if isinstance(caught.value, TelegramRetryAfter):
        assert caught.value.retry_after == 7
    assert len(await chat(country)) == 1
    await bot.send_message(AWA, "x")
    assert len(await chat(country)) == 2


async def test_an_ordered_error_for_one_method(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    await country.order(telegram={"error": 500, "methods": ["editMessageText"]})
    await bot.send_message(AWA, "x")
    for _ in range(2):
        with pytest.raises(TelegramServerError):
            await bot.edit_message_text("y", chat_id=AWA, message_id=sent.message_id)


async def test_a_time_out_after_having_sent(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    await country.order(telegram={"slow_after_send_ms": 5000})
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(AWA, "Reçu", request_timeout=0.1)  # type: ignore[arg-type]  # whole seconds only by its hint
    assert [m["text"] for m in await chat(country)] == ["/start", "Reçu"]


async def test_an_answer_without_required_fields_after_having_sent(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    await country.order(telegram={"bare_results": True})
    with pytest.raises(ClientDecodeError):
        await bot.send_message(AWA, "Reçu")
    assert [m["text"] for m in await chat(country)] == ["/start", "Reçu"]


async def test_slow_before_the_work(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    await country.order(telegram={"slow_ms": 60})
    before = time.monotonic()
    await bot.send_message(AWA, "x")
    assert time.monotonic() - before >= 0.06


async def test_too_many_messages_to_one_chat(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    await act(country, "send", text="/start", person=56)
    await country.order(telegram={"limits": True, "chat_per_second": 0.2, "chat_burst": 3})
    for number in range(3):
        await bot.send_message(AWA, str(number))
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(AWA, "3")
    assert caught.value.retry_after == 5
    await bot.send_message(56, "x")
    assert len(await chat(country)) == 4


def test_limits_count_seconds_and_close_for_as_long_as_they_say() -> None:
    faults, limits = TelegramFaults(chat_per_second=1, chat_burst=2, all_per_second=3), Limits()
    assert [limits.take(1, 0.0, faults) for _ in range(3)] == [0, 0, 1]
    assert limits.take(1, 0.5, faults) == 1
    assert limits.take(1, 1.0, faults) == 0
    assert [limits.take(chat, 1.0, faults) for chat in (2, 3, 4)] == [0, 0, 1]
    assert limits.take(5, 1.9, faults) == 1
    assert limits.take(5, 2.0, faults) == 0
