"""Passwords that a command draws."""

import secrets
from typing import Final

# Letters and digits that do not look alike; four times five of them are 99 bits.
_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"
_GROUPS, _GROUP_LENGTH = 4, 5


def drawn_password() -> str:
    """A random password: `k7f2m-…`."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
