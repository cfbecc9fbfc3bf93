"""The methods of the Bot API that are served, by name, and those that are not about one chat.

Source: Bot API, "Getting updates" and "Available methods".
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.telegram import messages
from sandbox.telegram.bot import Bot
from sandbox.telegram.request import Parameters, bad
from sandbox.telegram.text import units
from sandbox.telegram.updates import AT_ONCE_MAX, Hook

COMMANDS_MAX: Final = 100
COMMAND_ABOUT_MAX: Final = 256
CONNECTIONS_MAX: Final = 100
WAIT_SECONDS_MAX: Final = 50
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{0,256}", re.ASCII)
_COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)

Method = Callable[[Bot, Parameters], Awaitable[object]]


async def get_me(bot: Bot, _: Parameters) -> dict[str, object]:
    """`getMe`."""
    return {
        **bot.user(),
        "can_join_groups": False,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
    }


async def set_webhook(bot: Bot, given: Parameters) -> bool:
    """`setWebhook`. Plain HTTP and any port are taken, as by a Bot API server of one's own."""
    url, secret = given.text("url").strip(), given.text("secret_token")
    if not url:
        return await delete_webhook(bot, given)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if not _SECRET.fullmatch(secret):
        raise bad("secret token contains unallowed characters")
    connections = given.integer("max_connections", 40)
    bot.updates.allow(given.structure("allowed_updates"))
    bot.updates.set_hook(
        Hook(url, secret, min(max(connections, 1), CONNECTIONS_MAX)), drop_pending=given.flag("drop_pending_updates")
    )
    return True


async def delete_webhook(bot: Bot, given: Parameters) -> bool:
    """`deleteWebhook`."""
    bot.updates.set_hook(None, drop_pending=given.flag("drop_pending_updates"))
    return True


async def show_webhook(bot: Bot, _: Parameters) -> dict[str, object]:
    """`getWebhookInfo`."""
    updates, hook = bot.updates, bot.updates.hook
    shown: dict[str, object] = {
        "url": hook.url if hook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(updates),
    }
    if hook:
        shown["max_connections"] = hook.connections
    if updates.allowed:
        shown["allowed_updates"] = list(updates.allowed)
    if updates.last_error:
        shown["last_error_date"], shown["last_error_message"] = updates.last_error
    return shown


async def get_updates(bot: Bot, given: Parameters) -> list[Mapping[str, object]]:
    """`getUpdates`; waits for up to 50 seconds."""
    limit, seconds = given.integer("limit", AT_ONCE_MAX), given.integer("timeout")
    if bot.updates.hook is None:
        bot.updates.allow(given.structure("allowed_updates"))
    return await bot.updates.ask(
        given.integer("offset"), min(max(limit, 1), AT_ONCE_MAX), min(max(seconds, 0), WAIT_SECONDS_MAX)
    )


async def set_commands(bot: Bot, given: Parameters) -> bool:
    """`setMyCommands`, for each scope and language."""
    commands = given.structure("commands")
    if not isinstance(commands, list) or not all(isinstance(command, dict) for command in commands):
        raise bad("can't parse commands: expected an Array of BotCommand")
    if len(commands) > COMMANDS_MAX:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not _COMMAND.fullmatch(str(command.get("command", "")).removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= units(str(command.get("description", ""))) <= COMMAND_ABOUT_MAX:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    scope: Any = given.structure("scope")
    kind = str(scope.get("type", "default")) if isinstance(scope, dict) else "default"
    bot.profile["commands", kind, given.text("language_code")] = commands
    return True


# Telegram does not look at the case of a method's name.
METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        name.lower(): method
        for name, method in {
            "getMe": get_me,
            "setWebhook": set_webhook,
            "deleteWebhook": delete_webhook,
            "getWebhookInfo": show_webhook,
            "getUpdates": get_updates,
            "setMyCommands": set_commands,
            "sendMessage": messages.send_message,
            "sendPhoto": messages.send_photo,
            "editMessageText": messages.edit_text,
            "answerCallbackQuery": messages.answer_query,
        }.items()
    }
)
# What counts against the limits, and what an ordered error strikes when nothing is named.
WRITING: Final = frozenset(name for name in METHODS if name.startswith(("send", "edit")))
