"""Phone numbers: E.164 inside, masked wherever a person or a log may see them."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

_INPUT_LENGTH_MAX = 32
_MOBILE_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


class NumberFault(StrEnum):
    """Why a text is not a number that we may charge."""

    UNREADABLE = "unreadable"
    INVALID = "invalid"
    FOREIGN = "foreign"
    NOT_MOBILE = "not_mobile"


@dataclass(frozen=True, slots=True)
class Msisdn:
    """One mobile number. `country` is its ISO 3166 alpha-2 region."""

    e164: str
    country: str

    @property
    def digits(self) -> str:
        """International form without `+`, as most operators want it."""
        return self.e164[1:]

    def masked(self) -> str:
        """`+225 05 •• •• 03 04`: enough for its owner to recognise, too little to dial."""
        return mask(self.e164)

    def masked_gsm(self) -> str:
        """The same for a screen or a text in the GSM alphabet, in national form: `05..0304`."""
        code = phonenumbers.country_code_for_region(self.country)
        national = self.digits[len(str(code)) :]
        return f"{national[:2]}..{national[-4:]}"


def mask(e164: str) -> str:
    """Mask any E.164 text; of a text too short to be one, nothing is left."""
    if len(e164) < 10:
        return "••••"
    national = e164[4:]
    pairs = [national[i : i + 2] for i in range(0, len(national), 2)]
    shown = [pairs[0], *("••" for _ in pairs[1:-2]), *pairs[-2:]]
    return f"{e164[:4]} {' '.join(shown)}"


@lru_cache(maxsize=65_536)
def read_msisdn(text: str, region: str, *, vouched: bool = False) -> Msisdn | NumberFault:
    """Read a number as typed by a voter or sent by an aggregator.

    `region` is the contest's country; a number of another country is FOREIGN. `vouched` is for
    the number that dials us: its network vouches for it, so a prefix that the numbering tables
    do not know yet is accepted as long as country and length are right.
    """
    typed = text.strip().replace("O", "0").replace("o", "0").strip("*#")
    if not typed or len(text) > _INPUT_LENGTH_MAX:
        return NumberFault.UNREADABLE
    for attempt in _readings(typed, region):
        found = _judge(attempt, region, vouched=vouched)
        if isinstance(found, Msisdn):
            return found
    return _judge(typed, region, vouched=vouched)


def _readings(typed: str, region: str) -> list[str]:
    readings = [typed]
    code = str(phonenumbers.country_code_for_region(region))
    digits = "".join(c for c in typed if c.isdigit())
    if not typed.startswith(("+", "00")) and digits.startswith(code):
        # Aggregators send the international form without its `+`.
        readings.insert(0, f"+{digits}")
    return readings


def _judge(text: str, region: str, *, vouched: bool) -> Msisdn | NumberFault:
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return NumberFault.UNREADABLE
    if number.extension:
        return NumberFault.UNREADABLE
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if number.country_code != phonenumbers.country_code_for_region(region):
        return NumberFault.FOREIGN if phonenumbers.is_possible_number(number) else NumberFault.INVALID
    if vouched and phonenumbers.is_possible_number(number):
        return Msisdn(e164, region)
    if not phonenumbers.is_valid_number_for_region(number, region):
        return NumberFault.INVALID
    if phonenumbers.number_type(number) not in _MOBILE_TYPES:
        return NumberFault.NOT_MOBILE
    return Msisdn(e164, region)
