"""What a browser calls itself, in a few words for its owner."""

from collections.abc import Mapping
from typing import Final

# The first one that is named: each of them also names those after it.
_BROWSERS: Final[Mapping[str, str]] = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "OPX/": "Opera Mini",
    "Opera Mini": "Opera Mini",
    "SamsungBrowser": "Samsung Internet",
    "UCBrowser": "UC Browser",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
_SYSTEMS: Final[Mapping[str, str]] = {
    "KAIOS": "KaiOS",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS": "Mac",
    "Linux": "Linux",
}


def browser_of(agent: str) -> str:
    """Browser and system by a `User-Agent`, like `Chrome, Android`; empty where neither is known."""
    named = (next((name for sign, name in known.items() if sign in agent), "") for known in (_BROWSERS, _SYSTEMS))
    return ", ".join(filter(None, named))
