"""Finds adapters: each module or folder of a package announces itself by one value, `REGISTRATION`.

The module's name and the registration's code must be the same word, which is also the URL segment,
the environment prefix and the name of the case file. Modules may also stand outside, in a folder of the package's name
(`payments/providers/`) in any directory of `sys.path`.
"""

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

ATTRIBUTE: Final = "REGISTRATION"


class DiscoveryError(Exception):
    """A module announces nothing, or announces itself under another name."""


def codes(package: ModuleType) -> list[str]:
    """Names of the package's modules, in order; none of them is imported."""
    folders = (Path(place, *package.__name__.split(".")).resolve() for place in sys.path)
    package.__path__ = list(dict.fromkeys((*package.__path__, *(str(one) for one in folders if one.is_dir()))))
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def discover(package: ModuleType) -> dict[str, Any]:
    """Code → registration of every module of the package, in order of their codes.

    Raises DiscoveryError. Importing a module runs it, so adapters must do nothing at import.
    """
    found: dict[str, Any] = {}
    for code in codes(package):
        name = f"{package.__name__}.{code}"
        registration = getattr(importlib.import_module(name), ATTRIBUTE, None)
        if registration is None:
            raise DiscoveryError(f"{name} has no {ATTRIBUTE}")
        if registration.code != code:
            raise DiscoveryError(f"{name} calls itself {registration.code!r}")
        found[code] = registration
    return found
