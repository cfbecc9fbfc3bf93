"""The page on which people try a chat by hand."""

import re

import pytest
from aiogram import Bot
from aiogram.types import KeyboardButton, ReplyKeyboardMarkup
from playwright.async_api import Browser, expect

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, act, at_an_address, buttons, polled

WIDTH = 360


async def test_the_page_and_its_files(country: Country) -> None:
    for path in ("/telegram", "/telegram/", "/handset/telegram.js", "/handset/telegram.css"):
        async with country.client.get(path) as response:
            assert response.status == 200, path


@pytest.mark.browser
async def test_a_chat_by_hand_on_a_small_phone(country: Country, bot: Bot, browser: Browser) -> None:
    await act(country, "send", text="/start")
    page = await browser.new_page(viewport={"width": WIDTH, "height": 640})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(str(country.client._base_url).rstrip("/") + f"/telegram/?user={AWA}")
    await expect(page.locator("#chat li.person")).to_have_text(re.compile("/start"))

    keyboard = buttons(("5 voix", "q:07:5"), ("10 voix", "q:07:10"))
    await bot.send_photo(AWA, at_an_address(country))
    sent = await bot.send_message(AWA, "Votez <b>Awa</b> <i>&lt;07&gt;</i>", reply_markup=keyboard)
    message = page.locator("#chat li.bot").last
    await expect(message.locator("b")).to_have_text("Awa")
    await expect(message.locator("i")).to_have_text("<07>")
    await polled(bot)
    await message.get_by_role("button", name="5 voix").click()
    await hear(bot, "q:07:5")
    await expect(page.locator("#toast")).to_have_text("Merci")
    await bot.edit_message_text("Payé", chat_id=AWA, message_id=sent.message_id)
    await expect(message).to_contain_text("edited")
    await expect(message.get_by_role("button")).to_have_count(0)

    key = KeyboardButton(text="Mon numéro", request_contact=True)
    await bot.send_message(AWA, "Numéro ?", reply_markup=ReplyKeyboardMarkup(keyboard=[[key]], one_time_keyboard=True))
    await page.get_by_role("button", name="Mon numéro").click()
    await expect(page.locator("#chat li.person").last).to_contain_text("2250501020304")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.get_by_label("Message", exact=True).fill("VOTE 07")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#chat li.person").last).to_contain_text("VOTE 07")
    assert await page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    assert faults == []
    await page.close()


async def hear(bot: Bot, data: str) -> None:
    """The tap arrived; a word comes back."""
    (update,) = await bot.get_updates(timeout=3)
    assert update.callback_query is not None
    assert update.callback_query.data == data
    await update.callback_query.answer("Merci")
