"""The demo's administrator: a password that is set, or one that is drawn and told once."""

import asyncio
import os
from collections.abc import Iterable
from typing import Final

from gateway.runtime.settings import Settings, environment

PASSWORD: Final = "SPOTLIGHT_DEMO_ADMIN_PASSWORD"  # noqa: S105 - the setting's name
# How `spotlight up` hands a password that it drew to `spotlight demo`, so that no log file has it.
DRAWN: Final = "SPOTLIGHT_DEMO_ADMIN_DRAWN"
MADE: Final = "made the demo's administrator"


def ensure_demo_admin(settings: Settings) -> Iterable[str]:
    """Make the administrator of a demo unless it is there; what to print."""
    from admin.access.keep_staff import drawn_password
    from gateway.runtime import operations
    from gateway.runtime.demo import ADMIN_EMAIL

    if settings.env != "demo":
        return
    handed = os.environ.get(DRAWN)
    first = handed or drawn_password()
    given = environment().get(PASSWORD) or None
    if asyncio.run(operations.ensure_demo_admin(settings, password=given, first=first)):
        yield f"{MADE} {ADMIN_EMAIL}"
        if not handed:
            yield f"password, shown only now: {first}"
