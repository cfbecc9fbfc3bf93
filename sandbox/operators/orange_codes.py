"""Orange's one-time payment codes: `#144*82#` at the handset, four digits, ten minutes, once.

The code is Orange's, whether its own page or an aggregator hands it in. So there is one issuer in a country, which
all that take codes share.
"""

import re
import secrets
import time
from typing import Final
from weakref import WeakKeyDictionary

from sandbox.phones.handset import Phones, Turn

CODES_DIALLED: Final = "#144*82#"
CODE_SECONDS: Final = 600.0
SUBSCRIBERS: Final = re.compile(r"\+(22507\d{8}|237(69|64[0-2]|65[5-9]|68[6-9])\d{6,7}|2217[178]\d{7})")


class Codes:
    """One-time codes: four digits, one for a number at a time, never 0000."""

    def __init__(self) -> None:
        self._codes: dict[str, tuple[str, float]] = {}

    def make(self, msisdn: str) -> str:
        """A new code; the number's former one stops working."""
        code = f"{secrets.randbelow(9999) + 1:04d}"
        self._codes[msisdn] = (code, time.monotonic() + CODE_SECONDS)
        return code

    def use(self, msisdn: str, code: str) -> bool:
        """Whether the code is right; a right one is used up."""
        known = self._codes.get(msisdn)
        if known is None or time.monotonic() > known[1] or not secrets.compare_digest(known[0].encode(), code.encode()):
            return False
        del self._codes[msisdn]
        return True

    def open_menu(self, msisdn: str) -> Turn:
        """The dialogue behind the dialled code."""

        async def turn(_: str) -> tuple[str, bool]:
            if not SUBSCRIBERS.fullmatch(msisdn):
                return "Service reserve aux clients Orange Money.", False
            code = self.make(msisdn)
            return f"Votre code de paiement temporaire: {code}. Valable 10 minutes, une seule fois.", False

        return turn


_issuers: Final[WeakKeyDictionary[Phones, Codes]] = WeakKeyDictionary()


def codes_of(phones: Phones) -> Codes:
    """The issuer of the country that these phones are in; the first to ask makes it serve the code."""
    issuer = _issuers.get(phones)
    if issuer is None:
        issuer = _issuers[phones] = Codes()
        phones.serve_code(CODES_DIALLED, issuer.open_menu)
    return issuer
