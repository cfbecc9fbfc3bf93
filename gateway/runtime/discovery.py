"""Finds adapters: each module or folder of a package announces itself by one value, `REGISTRATION`.

The module's name and the registration's code must be the same word, which is also the URL segment,
the environment prefix and the name of the case file.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, Final

ATTRIBUTE: Final = "REGISTRATION"


class DiscoveryError(Exception):
    """A module announces nothing, or announces itself under another name."""


def discover(package: ModuleType) -> dict[str, Any]:
    """Code → registration of every module in the package, in order of their codes.

    Raises DiscoveryError. Importing a module runs it, so adapters must do nothing at import.
    """
    found: dict[str, Any] = {}
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        name = f"{package.__name__}.{module.name}"
        registration = getattr(importlib.import_module(name), ATTRIBUTE, None)
        if registration is None:
            raise DiscoveryError(f"{name} has no {ATTRIBUTE}")
        if registration.code != module.name:
            raise DiscoveryError(f"{name} calls itself {registration.code!r}")
        found[module.name] = registration
    return found
