"""The environment of a demo: its own engines, and every operator in the simulated country."""

import asyncio
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli.passwords import drawn_password
from gateway.runtime.settings import Settings, environment


@dataclass(frozen=True)
class Place:
    """Where a demo listens and where it keeps its data. `mail_port`: of the simulated country's mail server;
    `witness_port`: of the witness of its public logs."""

    host: str
    port: int
    sandbox_port: int
    data_dir: Path
    mail_port: int
    witness_port: int

    @property
    def gateway_url(self) -> str:
        """Where this machine reaches the gateway, without a trailing slash."""
        return f"http://{reachable_host(self.host)}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """Where this machine reaches the simulated country, without a trailing slash."""
        return f"http://{reachable_host(self.host)}:{self.sandbox_port}"

    @property
    def witness_url(self) -> str:
        """Where this machine reaches the witness, without a trailing slash."""
        return f"http://{reachable_host(self.host)}:{self.witness_port}"


def reachable_host(host: str) -> str:
    """The host to call for a server that listens on `host`, as it stands in a URL."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1"
    return f"[{host}]" if address.version == 6 else host


def demo_environment(
    place: Place, servers: Mapping[str, str], secret_key: str, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a demo's programs. Names that are not about this very place yield to `inherited`. `servers`:
    the names that say where PostgreSQL and Redis are.

    Each simulated company gives its own settings; the wheel leaves them out.
    """
    from sandbox.app import demo_environment as companies

    place_values = {
        **servers,
        "SPOTLIGHT_SECRET_KEY": secret_key,
        "HOST": place.host,
        "PORT": str(place.port),
        "SPOTLIGHT_SANDBOX_PORT": str(place.sandbox_port),
        "SPOTLIGHT_SANDBOX_MAIL_PORT": str(place.mail_port),
        "SPOTLIGHT_WITNESS_PORT": str(place.witness_port),
        "SPOTLIGHT_DATA_DIR": str(place.data_dir),
        "SPOTLIGHT_GATEWAY_URL": place.gateway_url,
    }
    defaults = {
        "SPOTLIGHT_ENV": "demo",
        "SPOTLIGHT_PUBLIC_URL": place.gateway_url,
        "SPOTLIGHT_SMTP_URL": f"smtp://{reachable_host(place.host)}:{place.mail_port}",
        "SPOTLIGHT_MAIL_FROM": "Spotlight <no-reply@demo.local>",
        "SPOTLIGHT_LOCAL_WEBHOOKS": "true",
        # Simulated voters name the addresses that they come from, as a proxy on this machine would.
        "SPOTLIGHT_TRUSTED_PROXIES": "127.0.0.1/32",
        **companies(place.sandbox_url, place.gateway_url),
    }
    return place_values | {name: inherited.get(name) or value for name, value in defaults.items()}


# Signs in to the back office of the demo; there is no default password.
ADMIN_EMAIL: Final = "admin@demo.local"
_ADMIN_NAME: Final = "Démo"
PASSWORD: Final = "SPOTLIGHT_DEMO_ADMIN_PASSWORD"  # noqa: S105 - the setting's name
# How `spotlight up` hands a password that it drew to `spotlight demo`, so that no log file has it.
DRAWN: Final = "SPOTLIGHT_DEMO_ADMIN_DRAWN"
MADE: Final = "made the demo's administrator"


def ensure_demo_admin(settings: Settings) -> Iterable[str]:
    """Make the administrator of a demo unless it is there; what to print."""
    from gateway.runtime import operations

    if settings.env != "demo":
        return
    handed = os.environ.get(DRAWN)
    first = handed or drawn_password()
    given = environment().get(PASSWORD) or None
    if asyncio.run(operations.ensure_staff(settings, ADMIN_EMAIL, _ADMIN_NAME, password=given, first=first)):
        yield f"{MADE} {ADMIN_EMAIL}"
        if not handed:
            yield f"password, shown only now: {first}"
