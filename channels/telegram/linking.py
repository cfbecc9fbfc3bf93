"""Codes by which a chat is linked to the alerts of an organiser: sent to the bot, as a word or behind a link."""

from hashlib import sha256
from typing import Final

_PAYLOAD: Final = "alerts_"


def link_address(bot: str, code: str) -> str:
    """The link that opens the bot with a code. `bot`: its address; empty while it is not known, and so is the link."""
    return f"{bot}?start={_PAYLOAD}{code}" if bot else ""


def code_behind(payload: str) -> str | None:
    """The code that a link brings; None for a link of another kind."""
    return payload.removeprefix(_PAYLOAD) if payload.startswith(_PAYLOAD) else None


def code_hash(code: str) -> bytes:
    """What is kept of a code, whatever a person typed around its letters."""
    return sha256("".join(letter for letter in code.lower() if letter.isalnum()).encode()).digest()
