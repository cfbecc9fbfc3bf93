"""Telegram's Bot API, simulated, and the people who write to the bot."""

from sandbox.telegram.api import SANDBOX

__all__ = ["SANDBOX"]
