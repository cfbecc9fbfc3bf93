"""The country with a bot whose token was issued, and without limits."""

import channels.telegram.aiogram_models  # noqa: F401 - before aiogram

# isort: split
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiogram import Bot

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import TOKEN, bot_of


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    async with Country(tmp_path, {"telegram": {"token": TOKEN, "username": "star_bot"}}) as started:
        await started.order(telegram={"limits": False})
        yield started


@pytest.fixture
async def bot(country: Country) -> AsyncIterator[Bot]:
    async with bot_of(country) as made:
        yield made
