"""Every setting in force, with secrets masked, and the names that each adapter reads."""

import os
import re
from inspect import cleandoc
from textwrap import wrap
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

import channels.sms.carriers
import channels.ussd.aggregators
import payments.providers
from gateway.cli.running import NothingRuns, apply_running_environment
from gateway.runtime.accounts import adapter_faults
from gateway.runtime.discovery import codes, discover
from gateway.runtime.settings import Settings, SettingsError, environment, load_settings

_PACKAGES: Final = (channels.ussd.aggregators, channels.sms.carriers, payments.providers)
# What is set for companies that are no provider, aggregator or carrier.
_OTHERS: Final = frozenset({"CLOUDINARY_", "EXPORTS_S3_", "S3_", "TELEGRAM_"})
_SECRET: Final = re.compile("KEY|SECRET|PASSWORD|TOKEN|PIN|CIPHER")


class Row(NamedTuple):
    """One setting as it is listed."""

    name: str
    value: str
    source: str


def listed() -> list[Row]:
    """Our own settings first, then those of the adapters; masked."""
    own_environment = set(os.environ)
    try:
        directory = apply_running_environment(required=False)
    except NothingRuns:
        # The faults say it; listing what there is still helps.
        directory = None
    given = environment()
    defaults = {
        str(field.alias): "" if field.is_required() else str(field.default) for field in Settings.model_fields.values()
    }
    others = sorted(name for name in given if name.startswith(("SPOTLIGHT_", *prefixes())) and name not in defaults)
    rows = []
    for name in (*defaults, *others):
        if name in own_environment:
            source = "environment"
        elif name in os.environ:
            source = f"running in {directory}"
        elif name in given:
            source = ".env"
        else:
            source = "default" if defaults[name] else "not set"
        rows.append(Row(name, masked(name, given.get(name, defaults.get(name, ""))), source))
    return rows


def prefixes() -> frozenset[str]:
    """How the names of every company's settings begin."""
    return _OTHERS | {f"{code.upper()}_" for package in _PACKAGES for code in codes(package)}


class _SharedSecret(BaseModel):
    """The secret that it sends as `?key=`. Production serves an aggregator only with one."""

    shared_secret: SecretStr | None = None


def example() -> str:
    """The names that each aggregator, carrier and operator reads, as lines for `.env`."""
    models = {
        code: getattr(registration, "settings", _SharedSecret)
        for package in _PACKAGES
        for code, registration in discover(package).items()
    }
    return "\n\n".join(_section(code, models[code]) for code in sorted(models))


def _section(code: str, model: type[BaseModel]) -> str:
    about = wrap(f"{code}: {cleandoc(model.__doc__ or '')}", 118, initial_indent="# ", subsequent_indent="# ")
    names = [f"#{code.upper()}_{name.upper()}={_usual(field)}" for name, field in model.model_fields.items()]
    return "\n".join((*about, *names))


def _usual(field: FieldInfo) -> str:
    """An example, else the default; empty for what each installation has its own."""
    value = field.examples[0] if field.examples else field.default
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | int) else ""


def faults() -> list[str]:
    """A sentence for each value that cannot be used."""
    try:
        apply_running_environment()
        settings = load_settings()
    except (NothingRuns, SettingsError) as error:
        return str(error).splitlines()
    return adapter_faults(settings.env)


def masked(name: str, value: str) -> str:
    """A value as it may be shown: neither keys nor the password in an address."""
    if not value:
        return ""
    if name.endswith("_URL"):
        parts = urlsplit(value)
        if parts.password is not None:
            bare = parts.netloc.rpartition("@")[2]
            return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:****@{bare}"))
        return value
    return "****" if _SECRET.search(name) else value
