"""What every imitated USSD aggregator does: which codes are its own, and what it refuses to show."""

from collections.abc import Sequence
from urllib.parse import quote

from sandbox.phones.gsm import outside, septets
from sandbox.phones.surroundings import Surroundings

OPERATOR_ERROR = "Service momentanement indisponible. Veuillez reessayer plus tard."


def is_service_code(code: str) -> bool:
    """Whether a dialled string is for a service: `*789#`, but not `**21*…#` or `*#06#`."""
    return code.startswith("*") and not code.startswith(("**", "*#"))


def registered_part(code: str, registered: Sequence[str]) -> str:
    """The service code at the front of a dialled string: the longest that is registered, else its first segment."""
    for own in sorted(registered, key=len, reverse=True):
        if code == own or code.startswith(f"{own[:-1]}*"):
            return own
    return f"*{code.strip('*#').split('*')[0]}#"


def screen_fault(screen: str, septets_max: int) -> tuple[str, str] | None:
    """What is wrong with a screen, as kind and detail; None when it can be shown."""
    length = septets(screen)
    if length is None:
        return "alphabet", f"{outside(screen)!r} in {screen!r}"
    if length > septets_max:
        return "too_long", f"{length} septets, {septets_max} allowed: {screen!r}"
    if not screen.strip():
        return "empty", "The screen is empty"
    return None


def with_key(around: Surroundings, path: str) -> str:
    """The gateway's address for a path, with the word it shares with us, if there is one."""
    secret = around.credentials.get("shared_secret")
    key = f"?key={quote(secret, safe='')}" if secret else ""
    return f"{around.gateway}{path}{key}"
