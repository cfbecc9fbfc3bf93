"""Settings become accounts at operators, SMS carriers and USSD aggregators."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

import channels.sms.carriers
import channels.ussd.aggregators
import payments.providers
from admin.videos.cloudinary import CODE as CLOUDINARY
from admin.videos.cloudinary import Cloudinary, CloudinarySettings
from channels.messages.carrier import MessageSender
from channels.messages.rules import Routes, read_routes
from channels.sms.carrier import SmsCarrier
from gateway.orders.routing import ACCOUNT_MARK, Rail, Rails, provider_of
from gateway.orders.wallet import PaymentMethod
from gateway.runtime.deployment import Environment, placement_fault
from gateway.runtime.discovery import discover
from gateway.runtime.settings import Settings, SettingsError, adapter_settings, environment
from gateway.values.money import CURRENCY_OF
from gateway.values.network import LOOPBACK, Network, read_networks
from payments.collection.provisional_rules import Policy
from payments.provider import PaymentProvider
from payments.reconciliation.reader import read_statement
from payments.reconciliation.statement_format import ReadStatement, Statement, StatementFormat
from payments.registration import Registration

M = TypeVar("M", bound=BaseModel)
ACCOUNTS: Final = "SPOTLIGHT_ACCOUNTS"


def _networks(value: object) -> object:
    return read_networks(value) if isinstance(value, str) else value


class AccountSettings(BaseModel):
    """Settings of an account beside those of its provider.

    `countries`: where it takes money, ISO codes with commas; empty: wherever its provider can. `methods`:
    likewise. `priority`: lower is asked first. `prompts_per_second`: how many payers it may be asked to
    ask; 0: as many as there are. `count_on_callback_backlog`: seconds of due questions beyond which its
    authenticated callbacks count provisionally; None: never. `callback_sources`: networks that those come
    from, with commas.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    countries: str = ""
    methods: str = ""
    priority: int = 100
    prompts_per_second: int = Field(0, ge=0)
    count_on_callback_backlog: int | None = Field(None, ge=1, le=86_400)
    callback_sources: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One account at one operator. `collects`: by country what is paid there."""

    key: str
    provider: PaymentProvider
    settings: AccountSettings
    collects: Mapping[str, tuple[PaymentMethod, ...]]


def build_carriers(env: Environment) -> dict[str, SmsCarrier]:
    """Every carrier with settings in the environment, by code. SettingsError for wrong ones."""
    found = discover(channels.sms.carriers)
    return {
        code: registration.build(_read_carrier(code, given, registration, env))
        for code, registration in found.items()
        if (given := adapter_settings(code, found))
    }


def build_accounts(env: Environment) -> dict[str, Account]:
    """Every account at an operator, by key: one of each provider that is set up, and those that
    `SPOTLIGHT_ACCOUNTS` names. SettingsError."""
    found = discover(payments.providers)
    return {key: _account(key, given, found[provider_of(key)], env) for key, given in _given(found)}


def adapter_faults(env: Environment) -> list[str]:
    """What keeps accounts and carriers from being used in this environment, without building any."""
    accounts, carriers = discover(payments.providers), discover(channels.sms.carriers)
    faults = []
    try:
        given_accounts = list(_given(accounts))
    except SettingsError as error:
        return [str(error)]
    for read in (
        partial(read_cloudinary, env),
        *(partial(_read_account, key, given, accounts[provider_of(key)], env) for key, given in given_accounts),
        *(
            partial(_read_carrier, code, given, registration, env)
            for code, registration in carriers.items()
            if (given := adapter_settings(code, carriers))
        ),
    ):
        try:
            read()
        except SettingsError as error:
            faults.extend(str(error).splitlines())
    return faults


def build_cloudinary(env: Environment, public_url: str) -> Cloudinary | None:
    """The account at Cloudinary; None without settings in the environment. SettingsError for wrong ones."""
    settings = read_cloudinary(env)
    return None if settings is None else Cloudinary(settings, public_url)


def read_cloudinary(env: Environment) -> CloudinarySettings | None:
    """Its settings; None without any in the environment. SettingsError for wrong ones."""
    given = adapter_settings(CLOUDINARY)
    if not given:
        return None
    settings = read_given(CLOUDINARY, given, CloudinarySettings)
    for name in ("base_url", "delivery_base_url"):
        if fault := placement_fault(env, getattr(settings, name), in_test=False, own_network=False):
            raise SettingsError(f"{CLOUDINARY.upper()}_{name.upper()}: {fault}")
    return settings


def _read_carrier(code: str, given: Mapping[str, str], registration: Any, env: Environment) -> Any:  # noqa: ANN401 - each carrier has its own settings
    settings = read_given(code, given, registration.settings)
    in_test, own = registration.in_test(settings), registration.own_server
    if fault := placement_fault(env, settings.base_url, in_test=in_test, own_network=own):
        raise SettingsError(f"{code.upper()}_BASE_URL: {fault}")
    return settings


def _read_account(key: str, given: Mapping[str, str], registration: Any, env: Environment) -> Any:  # noqa: ANN401 - each provider has its own settings
    where = _prefix(key)
    rest = {name: value for name, value in given.items() if name not in AccountSettings.model_fields}
    settings = read_given(where, rest, registration.settings)
    if fault := placement_fault(env, settings.base_url, in_test=registration.in_test(settings), own_network=False):
        raise SettingsError(f"{where.upper()}_*: {fault}")
    return settings


def counted_on(settings: Settings) -> dict[str, Policy]:
    """Accounts whose authenticated callbacks count provisionally. SettingsError, a line for each fault: one is
    counted on only with the networks that its callbacks come from, none of which may be our own side."""
    found = {
        key: read_given(_prefix(key), given, AccountSettings) for key, given in _given(discover(payments.providers))
    }
    faults = [
        fault for key, one in found.items() if one.count_on_callback_backlog for fault in _faults(key, one, settings)
    ]
    if faults:
        raise SettingsError("\n".join(faults))
    return {
        key: Policy(one.count_on_callback_backlog, one.callback_sources)
        for key, one in found.items()
        if one.count_on_callback_backlog
    }


def _faults(key: str, account: AccountSettings, settings: Settings) -> Iterator[str]:
    name = f"{_prefix(key).upper()}_CALLBACK_SOURCES"
    if not account.callback_sources:
        yield f"{name}: counting on callbacks needs the networks that {key} calls from; ask the operator for them"
    ours = (*settings.proxies, *(LOOPBACK if settings.env is Environment.PRODUCTION else ()))
    for network in account.callback_sources:
        if any(network.version == own.version and network.overlaps(own) for own in ours):
            yield f"{name}: {network} is our own side; anybody's call comes from there when a proxy is set up wrongly"


def _prefix(key: str) -> str:
    return key.replace(ACCOUNT_MARK, "_")


def _given(found: Mapping[str, object]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every account that is set up, with its settings."""
    further = _further(found)
    names = [*found, *map(_prefix, further)]
    for key in (*found, *further):
        code = provider_of(key)
        given = adapter_settings(code, names)
        own = adapter_settings(_prefix(key), names) if key != code else {}
        if not given and not own:
            continue
        if key != code:
            # Settings of the first account alone do not hold for another one.
            given = {name: value for name, value in given.items() if name not in AccountSettings.model_fields}
        yield key, {**given, **own}


def _further(found: Mapping[str, object]) -> tuple[str, ...]:
    keys = tuple(word.strip() for word in environment().get(ACCOUNTS, "").split(",") if word.strip())
    for key in keys:
        code, mark, name = key.partition(ACCOUNT_MARK)
        if code not in found or not mark or not (name.isascii() and name.isalnum() and name == name.lower()):
            raise SettingsError(f"{ACCOUNTS}: {key!r} is no account; write them as mtn_momo@cm, with commas between")
        if f"{code}_{name}" in found:
            raise SettingsError(f"{ACCOUNTS}: {key!r} has the settings of {code}_{name}; choose another name")
    return keys


def _account(key: str, given: Mapping[str, str], registration: Any, env: Environment) -> Account:  # noqa: ANN401 - of any provider
    where = _prefix(key)
    settings = read_given(where, given, AccountSettings)
    provider = registration.build(_read_account(key, given, registration, env))
    countries = {word.strip().upper() for word in settings.countries.split(",") if word.strip()}
    methods = {word.strip().upper() for word in settings.methods.split(",") if word.strip()}
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
    return Account(key, provider, settings, collects)


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
                    account.settings.priority,
                )
                for method in methods
            ]
    return Rails(tuple(rails))


def discover_aggregators(settings: Settings) -> dict[str, Any]:
    """USSD aggregators: in the demo all, in production those that share a secret with us, as nothing else
    tells their requests from those of others."""
    every = discover(channels.ussd.aggregators)
    if settings.env is Environment.DEMO:
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
    """Which carrier sends a text, and which one when it fails. SettingsError for an unknown one."""
    try:
        return read_routes(settings.sms_carriers, tuple(carriers), chats=chats.code if chats else None)
    except ValueError as error:
        raise SettingsError(f"SPOTLIGHT_SMS_CARRIERS: {error}") from None


def shared_secrets(codes: Mapping[str, object]) -> dict[str, str | None]:
    """The secret that each aggregator or carrier must send as `?key=`, where one is set."""
    return {code: adapter_settings(code).get("shared_secret") for code in codes}


def statement_reader() -> ReadStatement:
    """Reads a statement in the format of its operator; one without a format is read like the simulated ones."""
    registrations: Mapping[str, Registration] = discover(payments.providers)

    def read(account: str, name: str, data: bytes) -> Statement:
        code = provider_of(account)
        registration = registrations.get(code)
        known = registration.statement if registration else None
        return read_statement(known or StatementFormat(code, {}), name, data)

    return read
