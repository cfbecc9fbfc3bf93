"""Settings of the bot: `TELEGRAM_TOKEN` turns the channel on."""

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

# As aiogram checks it. This module must not import aiogram, which takes seconds.
_TOKEN: Final = re.compile(r"[0-9]+:\S+", re.ASCII)
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)


class TelegramSettings(BaseModel):
    """`TELEGRAM_*`.

    `token`: from BotFather. `webhook_secret`: what Telegram sends back with each update, 1 to 256 of
    `A-Za-z0-9_-`; production needs it for `mode` webhook. `mode` polling asks Telegram for updates, for
    machines that Telegram cannot call. `username`: the bot's name for links, without `@`; Telegram is asked
    where it is not set.
    """

    model_config = ConfigDict(frozen=True)

    token: SecretStr
    webhook_secret: SecretStr | None = None
    username: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{0,64}$")] = ""
    base_url: Annotated[str, Field(pattern=r"^https?://")] = "https://api.telegram.org"
    mode: Literal["webhook", "polling"] = "webhook"

    @field_validator("token")
    @classmethod
    def _looks_like_one(cls, token: SecretStr) -> SecretStr:
        if _TOKEN.fullmatch(token.get_secret_value()) is None:
            raise ValueError("must be a bot's token, like 123456:ABC-DEF")
        return token

    @field_validator("webhook_secret")
    @classmethod
    def _has_the_form(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and _SECRET.fullmatch(secret.get_secret_value()) is None:
            raise ValueError("must be 1 to 256 of A-Z a-z 0-9 _ -")
        return secret

    @property
    def secret(self) -> str | None:
        """The word that comes back with each update, if one is set."""
        return self.webhook_secret.get_secret_value() if self.webhook_secret else None

    @property
    def bot_id(self) -> int:
        """The number in the token."""
        return int(self.token.get_secret_value().partition(":")[0])
