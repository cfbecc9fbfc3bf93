"""The only reader of the environment. Wrong values stop the start with one sentence each."""

import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

import channels.sms.carriers
import channels.ussd.aggregators

_SECRET_LENGTH_MIN = 32


class SettingsError(Exception):
    """The environment cannot be used; the text says what to change, a line for each fault."""


class Settings(BaseSettings):
    """Everything that may be set. Names are those of the environment."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str = Field(alias="DATABASE_URL")
    owner_database_url: str = Field("", alias="SPOTLIGHT_OWNER_DATABASE_URL")
    redis_url: str = Field(alias="REDIS_URL")
    host: str = Field("127.0.0.1", alias="HOST")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(8080, alias="PORT")
    sandbox_port: Annotated[int, Field(ge=1, le=65_535)] = Field(8081, alias="SPOTLIGHT_SANDBOX_PORT")
    data_dir: Path = Field(Path(".spotlight"), alias="SPOTLIGHT_DATA_DIR")
    secret_key: SecretStr = Field(alias="SPOTLIGHT_SECRET_KEY")
    public_url: str = Field("", alias="SPOTLIGHT_PUBLIC_URL")
    env: Literal["demo", "production"] = Field("production", alias="SPOTLIGHT_ENV")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="SPOTLIGHT_LOG_LEVEL")
    rate_limits: bool = Field(True, alias="SPOTLIGHT_RATE_LIMITS")
    trusted_proxies: str = Field("", alias="SPOTLIGHT_TRUSTED_PROXIES")
    queue: str = Field("spotlight", alias="SPOTLIGHT_QUEUE")
    sms_carriers: str = Field("", alias="SPOTLIGHT_SMS_CARRIERS")
    prompt_delay_seconds: Annotated[int, Field(ge=0, le=60)] = Field(4, alias="SPOTLIGHT_PROMPT_DELAY_SECONDS")
    beneficiary_delay_hours: Annotated[int, Field(ge=0, le=720)] = Field(24, alias="SPOTLIGHT_BENEFICIARY_DELAY_HOURS")

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """Networks whose `X-Forwarded-For` is believed."""
        return [ip_network(word.strip()) for word in self.trusted_proxies.split(",") if word.strip()]

    @property
    def migration_url(self) -> str:
        """Address for migrations: the owner's, or the only one there is."""
        return self.owner_database_url or self.database_url

    @property
    def base_url(self) -> str:
        """What voters and operators are told to call, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises SettingsError."""
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc'])}: {_sentence(e['msg'])}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    faults = [*_faults(settings)]
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def _sentence(message: str) -> str:
    return "is not set" if message == "Field required" else message


def _faults(settings: Settings) -> list[str]:
    faults = []
    if len(settings.secret_key.get_secret_value()) < _SECRET_LENGTH_MIN:
        faults.append(f"SPOTLIGHT_SECRET_KEY: use at least {_SECRET_LENGTH_MIN} random characters")
    for name, url in (
        ("DATABASE_URL", settings.database_url),
        ("SPOTLIGHT_OWNER_DATABASE_URL", settings.migration_url),
    ):
        if not url.startswith(("postgresql://", "postgres://")):
            faults.append(f"{name}: must begin with postgresql://")
    if not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        faults.append("REDIS_URL: must begin with redis://, rediss:// or unix://")
    try:
        _ = settings.proxies
    except ValueError as error:
        faults.append(f"SPOTLIGHT_TRUSTED_PROXIES: {error}")
    if settings.public_url and urlsplit(settings.public_url).scheme not in ("http", "https"):
        faults.append("SPOTLIGHT_PUBLIC_URL: must begin with https:// (http:// only in the demo)")
    if settings.env == "production":
        faults.extend(_production_faults(settings))
    return faults


def _production_faults(settings: Settings) -> list[str]:
    faults = []
    if not settings.public_url.startswith("https://"):
        faults.append("SPOTLIGHT_PUBLIC_URL: production needs the https:// address that operators call back")
    faults.extend(
        f"{name}: production does not start with a simulated operator; set the real address"
        for name, value in environment().items()
        if name.endswith("_BASE_URL") and is_simulated(value)
    )
    faults.extend(
        f"{code.upper()}_SHARED_SECRET: production needs the word that {code} sends as ?key="
        for code in _callers()
        if (given := adapter_settings(code)) and "shared_secret" not in given
    )
    telegram = adapter_settings("telegram")
    if telegram.get("token") and telegram.get("mode") != "polling" and not telegram.get("webhook_secret"):
        faults.append("TELEGRAM_WEBHOOK_SECRET: production needs the word that Telegram sends with each update")
    return faults


def _callers() -> list[str]:
    """Codes of the aggregators and carriers there are: nothing but a word tells their requests from anybody's."""
    packages = (channels.sms.carriers, channels.ussd.aggregators)
    return sorted({module.name for package in packages for module in iter_modules(package.__path__)})


def is_simulated(url: str) -> bool:
    """Whether an operator's address is that of a simulated country."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "sandbox")


def environment() -> Mapping[str, str]:
    """The environment over `.env`, for adapters that read their own names by prefix."""
    return {**_dotenv(), **os.environ}


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def adapter_settings(code: str, others: Iterable[str] = ()) -> dict[str, str]:
    """What the environment says to one adapter: `MTN_MOMO_BASE_URL` becomes `base_url`. `others`: further
    codes, whose names are theirs where they begin with this one's, as `ORANGE_MONEY_CM_*`."""
    prefix = f"{code.upper()}_"
    apart = tuple(f"{other.upper()}_" for other in others if other.upper().startswith(prefix))
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in environment().items()
        if name.startswith(prefix) and value and not name.startswith(apart)
    }
