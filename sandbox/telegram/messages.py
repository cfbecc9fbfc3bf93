"""Methods of the Bot API that write to a chat.

Source: Bot API, "Available methods" and "Updating messages"; refusals in the words of Telegram's
own server.
"""

import time
from typing import Final

from sandbox.telegram.bot import Bot
from sandbox.telegram.chats import Chat, Message
from sandbox.telegram.markup import inline_only, read_markup
from sandbox.telegram.photos import BYTES_MAX, Picture, picture_of
from sandbox.telegram.request import Parameters, bad
from sandbox.telegram.text import BadMarkup, Marked, read_html, trimmed, units

TEXT_UNITS_MAX: Final = 4096
CAPTION_UNITS_MAX: Final = 1024
ANSWER_UNITS_MAX: Final = 200
NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
TOO_OLD: Final = "query is too old and response timeout expired or query ID is invalid"


def _marked(text: str, mode: str, entities: object) -> Marked:
    """A text with its marks. Raises Refused."""
    if mode.lower() not in ("", "none", "html"):
        raise bad("unsupported parse_mode")
    if mode.lower() != "html":
        given = entities if isinstance(entities, list) else []
        if not all(
            isinstance(e, dict) and type(e.get("offset")) is int and type(e.get("length")) is int for e in given
        ):
            raise bad("can't parse MessageEntity: Field must be of type Number")
        return trimmed(Marked(text, tuple(given)))
    try:
        return trimmed(read_html(text))
    except BadMarkup as fault:
        raise bad(f"can't parse entities: {fault}") from None


def _text(given: Parameters) -> Marked:
    """The text of a message. Raises Refused."""
    marked = _marked(given.text("text"), given.text("parse_mode"), given.structure("entities"))
    if not marked.text:
        raise bad("message text is empty")
    if units(marked.text) > TEXT_UNITS_MAX:
        raise bad("message is too long")
    return marked


def _caption(given: Parameters) -> Marked:
    """The text below a photo. Raises Refused."""
    marked = _marked(given.text("caption"), given.text("parse_mode"), given.structure("caption_entities"))
    if units(marked.text) > CAPTION_UNITS_MAX:
        raise bad("message caption is too long")
    return marked


async def _picture(bot: Bot, given: Parameters) -> Picture:
    """The photo behind an address or a `file_id`. Raises Refused."""
    reference = given.text("photo")
    if reference.startswith(("http://", "https://")):
        return bot.album.take(await bot.fetch(reference, BYTES_MAX), bot.id)
    if not reference or reference.startswith("attach://"):
        raise bad("there is no photo in the request")
    return picture_of(reference, bot.id)


def _check_reply(chat: Chat, given: Parameters) -> None:
    reply = given.structure("reply_parameters")
    if isinstance(reply, dict) and not reply.get("allow_sending_without_reply"):
        answered = reply.get("message_id")
        if not isinstance(answered, int) or answered not in chat.messages:
            raise bad("message to be replied not found")


async def send_message(bot: Bot, given: Parameters) -> dict[str, object]:
    """`sendMessage`."""
    chat = bot.chat(given)
    content, markup = _text(given), read_markup(given)
    _check_reply(chat, given)
    return chat.message(chat.put(bot.user(), content, markup=markup))


async def send_photo(bot: Bot, given: Parameters) -> dict[str, object]:
    """`sendPhoto`."""
    chat = bot.chat(given)
    content, markup = _caption(given), read_markup(given)
    _check_reply(chat, given)
    picture = await _picture(bot, given)
    return chat.message(chat.put(bot.user(), content, markup=markup, picture=picture))


def _edited(chat: Chat, given: Parameters) -> Message:
    """The message that is to be changed. Raises Refused."""
    if "message_id" not in given:
        raise bad("message identifier is not specified")
    message = chat.messages.get(given.integer("message_id"))
    if message is None:
        raise bad("message to edit not found")
    if not message.may_be_edited:
        raise bad("message can't be edited")
    return message


async def edit_text(bot: Bot, given: Parameters) -> dict[str, object]:
    """`editMessageText`; without `reply_markup` the buttons go."""
    chat = bot.chat(given)
    content, markup, message = _text(given), inline_only(read_markup(given)), _edited(chat, given)
    if message.picture is not None:
        raise bad("there is no text in the message to edit")
    if not chat.edit(message, content, markup):
        raise bad(NOT_MODIFIED)
    return chat.message(message)


async def answer_query(bot: Bot, given: Parameters) -> bool:
    """`answerCallbackQuery`."""
    identifier, text = given.text("callback_query_id"), given.text("text")
    query = bot.queries.get(identifier)
    if query is None or time.monotonic() - query.at > bot.faults().query_seconds:
        raise bad(TOO_OLD)
    if units(text) > ANSWER_UNITS_MAX:
        raise bad("MESSAGE_TOO_LONG")
    query.chat.answer(identifier, text, alert=given.flag("show_alert"))
    return True
