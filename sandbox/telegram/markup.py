"""Keyboards that a bot sends, checked as Telegram checks them.

Source: Bot API, `InlineKeyboardMarkup`, `ReplyKeyboardMarkup`; limits of a keyboard as reported.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.telegram.request import Parameters, bad

Rows = list[list[dict[str, Any]]]

DATA_BYTES_MAX: Final = 64
BUTTONS_MAX: Final = 100
BUTTONS_IN_A_ROW_MAX: Final = 8
_ACTIONS: Final = (
    "callback_data",
    "url",
    "web_app",
    "login_url",
    "copy_text",
    "switch_inline_query",
    "switch_inline_query_current_chat",
)
_SCHEMES: Final = ("http", "https", "tg", "ton")


def read_markup(given: Parameters) -> dict[str, Any] | None:
    """`reply_markup` of a call, None when it has none. Raises Refused."""
    markup = given.structure("reply_markup")
    if markup is None or markup == {}:
        return None
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" in markup:
        rows = [[_inline(button) for button in row] for row in _rows(markup["inline_keyboard"], "inline_keyboard")]
        return {"inline_keyboard": rows} if rows else None
    if "keyboard" in markup:
        rows = [[_key(button) for button in row] for row in _rows(markup["keyboard"], "keyboard")]
        if not rows:
            raise bad("reply keyboard must have at least one button")
        return {**markup, "keyboard": rows}
    if markup.get("remove_keyboard") is True or markup.get("force_reply") is True:
        return markup
    raise bad("can't parse reply keyboard markup JSON object")


def inline_only(markup: dict[str, Any] | None) -> dict[str, Any] | None:
    """What an edit may set. Raises Refused."""
    if markup is not None and "inline_keyboard" not in markup:
        raise bad("inline keyboard expected")
    return markup


def _rows(value: object, name: str) -> list[list[object]]:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise bad(f'field "{name}" of the reply markup must be an Array of Arrays')
    rows = [row for row in value if row]
    if sum(map(len, rows)) > BUTTONS_MAX or any(len(row) > BUTTONS_IN_A_ROW_MAX for row in rows):
        raise bad("REPLY_MARKUP_TOO_LONG")
    return rows


def _inline(button: object) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise bad("can't parse inline keyboard button: object expected")
    text = button.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad("can't parse inline keyboard button: text must be non-empty")
    actions = [name for name in _ACTIONS if button.get(name) is not None]
    if len(actions) != 1:
        raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if actions == ["callback_data"]:
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode("utf-8", "replace")) <= DATA_BYTES_MAX:
            raise bad("BUTTON_DATA_INVALID")
    if actions == ["url"] and not _is_address(button["url"]):
        raise bad(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
    return {"text": text, actions[0]: button[actions[0]]}


def _is_address(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    if parts is None or parts.scheme not in _SCHEMES:
        return False
    # Telegram wants a name with a dot; `localhost` is none.
    return parts.scheme in ("tg", "ton") or "." in (parts.hostname or "")


def _key(button: object) -> dict[str, Any]:
    if isinstance(button, str):
        button = {"text": button}
    if not isinstance(button, dict) or not isinstance(button.get("text"), str) or not button["text"].strip():
        raise bad("can't parse keyboard button: text must be non-empty")
    return button
