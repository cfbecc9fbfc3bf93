"""What the environment says becomes adapters: aggregators, carriers, and accounts at operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import channels.ussd.aggregators
import payments.providers
from gateway.discovery import discover
from gateway.domain.money import CURRENCY_OF
from gateway.domain.routing import ACCOUNT_MARK, Rail, Rails, provider_of
from gateway.domain.texting import Routes, read_routes
from gateway.domain.wallet import PaymentMethod
from gateway.ports.message_sender import MessageSender
from gateway.ports.payment_provider import PaymentProvider
from gateway.settings import Settings, SettingsError, adapter_settings, environment

M = TypeVar("M", bound=BaseModel)
ACCOUNTS: Final = "SPOTLIGHT_ACCOUNTS"


class AccountSettings(BaseModel):
    """What is said of an account beside its provider's own settings.

    `countries`: where it takes money, ISO codes with commas; empty: wherever its provider can. `methods`:
    likewise. `priority`: lower is asked first. `prompts_per_second`: how many payers it may be asked to
    ask; 0: as many as there are.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    countries: str = ""
    methods: str = ""
    priority: int = 100
    prompts_per_second: int = Field(0, ge=0)


@dataclass(frozen=True, slots=True)
class Account:
    """One account at one operator. `collects`: by country what is paid there."""

    key: str
    provider: PaymentProvider
    said: AccountSettings
    collects: Mapping[str, tuple[PaymentMethod, ...]]


def build_adapters(package: Any) -> dict[str, Any]:  # noqa: ANN401 - any package with registrations
    """Every adapter of a package that the environment configures, by code.

    One of which nothing is set is left out; one that is set wrongly stops the start (SettingsError).
    """
    found = discover(package)
    built = {}
    for code, registration in found.items():
        given = adapter_settings(code, found)
        if not given:
            continue
        built[code] = registration.build(read_given(code, given, registration.settings))
    return built


def build_accounts() -> dict[str, Account]:
    """Every account at an operator, by key: one of each provider that is set up, and those that
    `SPOTLIGHT_ACCOUNTS` names. SettingsError."""
    found = discover(payments.providers)
    further = _further(found)
    names = [*found, *(key.replace(ACCOUNT_MARK, "_") for key in further)]
    built = {}
    for key in (*found, *further):
        code = provider_of(key)
        given = adapter_settings(code, names)
        own = adapter_settings(key.replace(ACCOUNT_MARK, "_"), names) if key != code else {}
        if not given and not own:
            continue
        if key != code:
            # What is said of the first account alone does not hold for another one.
            given = {name: value for name, value in given.items() if name not in AccountSettings.model_fields}
        built[key] = _account(key, {**given, **own}, found[code])
    return built


def _further(found: Mapping[str, object]) -> tuple[str, ...]:
    keys = tuple(word.strip() for word in environment().get(ACCOUNTS, "").split(",") if word.strip())
    for key in keys:
        code, mark, name = key.partition(ACCOUNT_MARK)
        if code not in found or not mark or not (name.isascii() and name.isalnum() and name == name.lower()):
            raise SettingsError(f"{ACCOUNTS}: {key!r} is no account; write them as mtn_momo@cm, with commas between")
        if f"{code}_{name}" in found:
            raise SettingsError(f"{ACCOUNTS}: {key!r} has the settings of {code}_{name}; choose another name")
    return keys


def _account(key: str, given: Mapping[str, str], registration: Any) -> Account:  # noqa: ANN401 - of any provider
    where = key.replace(ACCOUNT_MARK, "_")
    said = read_given(where, given, AccountSettings)
    rest = {name: value for name, value in given.items() if name not in AccountSettings.model_fields}
    provider = registration.build(read_given(where, rest, registration.settings))
    countries = {word.strip().upper() for word in said.countries.split(",") if word.strip()}
    methods = {word.strip().upper() for word in said.methods.split(",") if word.strip()}
    for name, unknown in (
        ("COUNTRIES", countries - set(registration.collects)),
        ("METHODS", methods - {m.value for found in registration.collects.values() for m in found}),
    ):
        if unknown:
            raise SettingsError(f"{where.upper()}_{name}: {key} takes nothing of {', '.join(sorted(unknown))}")
    collects = {
        country: tuple(m for m in found if not methods or m.value in methods)
        for country, found in registration.collects.items()
        if not countries or country in countries
    }
    return Account(key, provider, said, collects)


def rails_of(accounts: Mapping[str, Account]) -> Rails:
    """Every way in which these accounts take money."""
    rails = []
    for account in accounts.values():
        for country, methods in account.collects.items():
            can = account.provider.capabilities(country)
            if CURRENCY_OF.get(country) not in can.currencies:
                continue
            rails += [
                Rail(
                    account.key,
                    country,
                    method,
                    can.kinds_of.get(method, can.kinds),
                    can.currencies,
                    can.phone_needed,
                    can.minimum_minor,
                    account.said.priority,
                )
                for method in methods
            ]
    return Rails(tuple(rails))


def discover_aggregators(settings: Settings) -> dict[str, Any]:
    """USSD aggregators: pure translators, all of them in the demo. In production those that share a word
    with us: nothing else tells their requests from anybody's."""
    every = {code: registration.aggregator for code, registration in discover(channels.ussd.aggregators).items()}
    if settings.env == "demo":
        return every
    return {code: aggregator for code, aggregator in every.items() if adapter_settings(code).get("shared_secret")}


def read_given(code: str, given: Mapping[str, str], model: type[M]) -> M:
    """The settings of one adapter. SettingsError, a line for each fault."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = [f"{code.upper()}_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(faults)) from None


def text_routes(settings: Settings, carriers: Mapping[str, object], chats: MessageSender | None) -> Routes:
    """Which carrier sends a text, and who stands in for it. SettingsError for one that is not there."""
    try:
        return read_routes(settings.sms_carriers, tuple(carriers), chats=chats.code if chats else None)
    except ValueError as error:
        raise SettingsError(f"SPOTLIGHT_SMS_CARRIERS: {error}") from None


def shared_secrets(codes: Mapping[str, object]) -> dict[str, str | None]:
    """The word that each aggregator or carrier must send as `?key=`, where one is set."""
    return {code: adapter_settings(code).get("shared_secret") for code in codes}
