"""Views as Telegram's own keyboards."""

from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
)

from channels.telegram.views import Button, View

Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove


def inline(view: View) -> InlineKeyboardMarkup | None:
    """The buttons below a message; None when it has none."""
    if not view.rows:
        return None
    return InlineKeyboardMarkup(inline_keyboard=[[_button(button) for button in row] for row in view.rows])


def markup(view: View) -> Markup | None:
    """Whatever goes with a new message: its buttons, or the key that shares the number."""
    if view.asks_contact is not None:
        key = KeyboardButton(text=view.asks_contact, request_contact=True)
        return ReplyKeyboardMarkup(keyboard=[[key]], resize_keyboard=True, one_time_keyboard=True)
    if view.frees_keys:
        return ReplyKeyboardRemove()
    return inline(view)


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=button.text, callback_data=button.data, url=button.url)
