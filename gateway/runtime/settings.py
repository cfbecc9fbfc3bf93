"""The only reader of the environment. Wrong values stop the start with one sentence each."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

import channels.sms.carriers
import channels.ussd.aggregators
import payments.providers
from admin.mail.server import MailServer, read_server
from gateway.orders.fraud import FRAUD_OFF, FraudLimits
from gateway.orders.prompting import DEMO_LIMITS, NO_LIMITS, PromptLimits
from gateway.runtime.deployment import (
    SECRET_KEY_LENGTH_MIN,
    SHARED_SECRET_LENGTH_MIN,
    Environment,
    address_fault,
    is_of_the_demo,
    is_private,
    is_simulated,
    secret_fault,
)
from gateway.runtime.discovery import codes
from gateway.storage.vault import read_keys
from gateway.values.network import Network, read_networks
from leaderboard.witness.rules import WitnessAddress, read_witnesses

if TYPE_CHECKING:
    from gateway.storage.purging import Kept

NO_PROXIES: Final = "none"


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
    pictures: Literal["folder", "s3", "cloudinary"] = Field("folder", alias="SPOTLIGHT_PICTURES")
    exports: Literal["folder", "s3"] = Field("folder", alias="SPOTLIGHT_EXPORTS")
    secret_key: SecretStr = Field(alias="SPOTLIGHT_SECRET_KEY")
    vault_keys: SecretStr = Field(SecretStr(""), alias="SPOTLIGHT_VAULT_KEYS")
    log_key: SecretStr = Field(SecretStr(""), alias="SPOTLIGHT_LOG_KEY")
    witness_list: str = Field("", alias="SPOTLIGHT_WITNESSES")
    public_url: str = Field("", alias="SPOTLIGHT_PUBLIC_URL")
    env: Environment = Field(Environment.PRODUCTION, alias="SPOTLIGHT_ENV")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="SPOTLIGHT_LOG_LEVEL")
    rate_limits: bool = Field(True, alias="SPOTLIGHT_RATE_LIMITS")
    wide_limits: bool = Field(True, alias="SPOTLIGHT_DEMO_LIMITS")
    shared_networks: str = Field("", alias="SPOTLIGHT_SHARED_NETWORKS")
    fraud_rules: bool = Field(True, alias="SPOTLIGHT_FRAUD_RULES")
    unpaid_orders: Annotated[int, Field(ge=1, le=10_000)] = Field(50, alias="SPOTLIGHT_UNPAID_ORDERS")
    unpaid_orders_shared: Annotated[int, Field(ge=1, le=10_000)] = Field(1_000, alias="SPOTLIGHT_UNPAID_ORDERS_SHARED")
    streams_per_address: Annotated[int, Field(ge=1)] = Field(20, alias="SPOTLIGHT_STREAMS_PER_ADDRESS")
    trusted_proxies: str = Field("", alias="SPOTLIGHT_TRUSTED_PROXIES")
    metrics_token: SecretStr = Field(SecretStr(""), alias="SPOTLIGHT_METRICS_TOKEN")
    queue: str = Field("spotlight", alias="SPOTLIGHT_QUEUE")
    smtp_url: SecretStr = Field(SecretStr(""), alias="SPOTLIGHT_SMTP_URL")
    mail_from: str = Field("", alias="SPOTLIGHT_MAIL_FROM")
    sms_carriers: str = Field("", alias="SPOTLIGHT_SMS_CARRIERS")
    local_webhooks: bool = Field(False, alias="SPOTLIGHT_LOCAL_WEBHOOKS")
    prompt_delay_seconds: Annotated[int, Field(ge=0, le=60)] = Field(4, alias="SPOTLIGHT_PROMPT_DELAY_SECONDS")
    beneficiary_delay_hours: Annotated[int, Field(ge=0, le=720)] = Field(24, alias="SPOTLIGHT_BENEFICIARY_DELAY_HOURS")

    keep_callbacks_days: Annotated[int, Field(ge=35)] = Field(90, alias="SPOTLIGHT_KEEP_CALLBACKS_DAYS")
    keep_texts_days: Annotated[int, Field(ge=7)] = Field(90, alias="SPOTLIGHT_KEEP_TEXTS_DAYS")
    keep_updates_days: Annotated[int, Field(ge=2)] = Field(14, alias="SPOTLIGHT_KEEP_UPDATES_DAYS")
    keep_sessions_days: Annotated[int, Field(ge=7)] = Field(30, alias="SPOTLIGHT_KEEP_SESSIONS_DAYS")

    @property
    def proxies(self) -> list[Network]:
        """Networks whose `X-Forwarded-For` is trusted. Raises ValueError for what is none, and for half the world."""
        return [] if self.trusted_proxies == NO_PROXIES else list(read_networks(self.trusted_proxies))

    @property
    def kept(self) -> "Kept":
        """For how long what is purged is kept."""
        from gateway.storage.purging import Kept  # here, because SQLAlchemy is most of what commands would import

        return Kept(self.keep_callbacks_days, self.keep_texts_days, self.keep_updates_days, self.keep_sessions_days)

    @property
    def demo_limits(self) -> bool:
        """Whether limits are those of the simulated country, where all voters share one machine."""
        return self.wide_limits and self.env is Environment.DEMO

    @property
    def crowds(self) -> tuple[Network, ...]:
        """Networks whose addresses stand for many subscribers each. Raises ValueError."""
        return read_networks(self.shared_networks)

    @property
    def prompt_limits(self) -> PromptLimits:
        """How often numbers may be asked for money. Raises ValueError."""
        if not self.rate_limits:
            return NO_LIMITS
        if self.demo_limits:
            return replace(DEMO_LIMITS, shared_networks=(*DEMO_LIMITS.shared_networks, *self.crowds))
        return PromptLimits(
            of_address=self.unpaid_orders, of_shared=self.unpaid_orders_shared, shared_networks=self.crowds
        )

    @property
    def fraud(self) -> FraudLimits:
        """The limits of fraud rules in contests that have none of their own."""
        return FraudLimits() if self.rate_limits and self.fraud_rules else FRAUD_OFF

    @property
    def keys(self) -> dict[int, str]:
        """Keys for sealing, by id; the first seals. Raises ValueError."""
        keys = read_keys(self.vault_keys.get_secret_value())
        weak = [number for number, key in keys.items() if key and secret_fault(key, SECRET_KEY_LENGTH_MIN)]
        if weak:
            raise ValueError("\n".join(f"key {number}: use 32 random characters or more" for number in weak))
        return keys

    @property
    def log_keys(self) -> tuple[str, ...]:
        """Secrets that the public logs are signed with, the newest first. The demo has its secret key for it; elsewhere
        there may be none. Raises ValueError."""
        if not self.log_key and self.env is Environment.DEMO:
            return (self.secret_key.get_secret_value(),)
        keys = tuple(part.strip() for part in self.log_key.get_secret_value().split(",") if part.strip())
        if len({*keys}) < len(keys):
            raise ValueError("a key is there twice")
        if any(secret_fault(key, SECRET_KEY_LENGTH_MIN) for key in keys):
            raise ValueError("use 32 random characters or more for each key")
        return keys

    @property
    def witnesses(self) -> tuple[WitnessAddress, ...]:
        """Who is asked to cosign the checkpoints of the public logs. Raises ValueError."""
        return read_witnesses(self.witness_list)

    @property
    def mail_server(self) -> MailServer | None:
        """Where mails are handed over, if there is one. Raises ValueError."""
        url = self.smtp_url.get_secret_value()
        near = is_simulated(url) or is_private(url)
        return read_server(url, self.mail_from, plain=near) if url else None

    @property
    def migration_url(self) -> str:
        """Address for migrations: the owner's if there is one."""
        return self.owner_database_url or self.database_url

    @property
    def base_url(self) -> str:
        """The address that voters and operators call, without a trailing slash."""
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


def _faults(settings: Settings) -> Iterator[str]:
    if fault := secret_fault(settings.secret_key.get_secret_value(), SECRET_KEY_LENGTH_MIN):
        yield f"SPOTLIGHT_SECRET_KEY: {fault}"
    urls = {"DATABASE_URL": settings.database_url, "SPOTLIGHT_OWNER_DATABASE_URL": settings.migration_url}
    for name, url in urls.items():
        if not url.startswith(("postgresql://", "postgres://")):
            yield f"{name}: must begin with postgresql://"
    if not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        yield "REDIS_URL: must begin with redis://, rediss:// or unix://"
    for name, read in (
        ("SPOTLIGHT_TRUSTED_PROXIES", "proxies"),
        ("SPOTLIGHT_SHARED_NETWORKS", "crowds"),
        ("SPOTLIGHT_VAULT_KEYS", "keys"),
        ("SPOTLIGHT_LOG_KEY", "log_keys"),
        ("SPOTLIGHT_WITNESSES", "witnesses"),
        ("SPOTLIGHT_SMTP_URL", "mail_server"),
    ):
        try:
            getattr(settings, read)
        except ValueError as error:
            yield from (f"{name}: {line}" for line in str(error).splitlines())
    if settings.public_url and urlsplit(settings.public_url).scheme not in ("http", "https"):
        yield "SPOTLIGHT_PUBLIC_URL: must begin with https:// (http:// only in the demo)"
    if settings.env is Environment.PRODUCTION:
        yield from _production_faults(settings)


def _production_faults(settings: Settings) -> Iterator[str]:
    if not settings.public_url.startswith("https://"):
        yield "SPOTLIGHT_PUBLIC_URL: production needs the https:// address that operators call back"
    if settings.local_webhooks:
        yield "SPOTLIGHT_LOCAL_WEBHOOKS: production sends nothing to its own machine; leave it unset"
    if not settings.trusted_proxies:
        yield "SPOTLIGHT_TRUSTED_PROXIES: name the networks of your proxies, or none if voters call this process itself"
    if token := settings.metrics_token.get_secret_value():
        yield from _secret_faults("SPOTLIGHT_METRICS_TOKEN", token, "")
    own = tuple(f"{code.upper()}_" for code in codes(channels.sms.carriers))
    for name, value in environment().items():
        if name.endswith("_BASE_URL") and value:
            if fault := address_fault(value, own_network=name.startswith(own)):
                yield f"{name}: {fault}"
        elif value and is_of_the_demo(value) and name.startswith(_prefixes()):
            yield f"{name}: is the demo's, which everybody can read; set your own"
    yield from _shared_secret_faults()


def _shared_secret_faults() -> Iterator[str]:
    for code in _callers():
        if given := adapter_settings(code):
            yield from _secret_faults(
                f"{code.upper()}_SHARED_SECRET",
                given.get("shared_secret", ""),
                f"production needs the secret that {code} sends as ?key=",
            )
    telegram = adapter_settings("telegram")
    if telegram.get("token") and telegram.get("mode") != "polling":
        yield from _secret_faults(
            "TELEGRAM_WEBHOOK_SECRET",
            telegram.get("webhook_secret", ""),
            "production needs the secret that Telegram sends with each update",
        )


def _secret_faults(name: str, secret: str, needed: str) -> Iterator[str]:
    fault = secret_fault(secret, SHARED_SECRET_LENGTH_MIN) if secret else needed
    if fault:
        yield f"{name}: {fault}"


def _callers() -> list[str]:
    """Codes of the aggregators and carriers there are: only a shared secret tells their requests from others'."""
    return sorted({*codes(channels.sms.carriers), *codes(channels.ussd.aggregators)})


def _prefixes() -> tuple[str, ...]:
    """How the names of adapters' settings begin."""
    return tuple(f"{code.upper()}_" for code in (*codes(payments.providers), *_callers(), "cloudinary", "telegram"))


def environment() -> Mapping[str, str]:
    """The environment over `.env`, for adapters that read their own names by prefix."""
    return {**_dotenv(), **os.environ}


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def adapter_settings(code: str, others: Iterable[str] = ()) -> dict[str, str]:
    """The settings of one adapter in the environment: `MTN_MOMO_BASE_URL` becomes `base_url`. `others`: further
    codes, whose settings are left out though their names begin with this one's, as `ORANGE_MONEY_CM_*`."""
    prefix = f"{code.upper()}_"
    apart = tuple(f"{other.upper()}_" for other in others if other.upper().startswith(prefix))
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in environment().items()
        if name.startswith(prefix) and value and not name.startswith(apart)
    }
