"""Money as integer minor units with a currency, never as a float."""

from dataclasses import dataclass
from typing import Final

# ISO 4217 exponents. XOF and XAF have no minor unit: amount 100 is 100 francs.
EXPONENTS: Final = {"XOF": 0, "XAF": 0, "GNF": 0, "EUR": 2, "USD": 2, "GHS": 2, "OUV": 0}

# The currency in which wallets of a country hold money, by ISO 3166 code.
CURRENCY_OF: Final = {"CI": "XOF", "CM": "XAF"}

# What a voter reads after an amount. Plain letters, so that it fits a GSM-7 screen.
SHORT_UNITS: Final = {"XOF": "FCFA", "XAF": "FCFA", "EUR": "EUR", "USD": "USD", "GHS": "GHS", "GNF": "GNF"}


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in minor units of one currency; adding across currencies raises ValueError."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def times(self, count: int) -> "Money":
        """The price of `count` units."""
        return Money(self.amount_minor * count, self.currency)

    def plain(self) -> str:
        """Decimal text as operators want it on the wire: `500`, `5.00`; no separators."""
        exponent = EXPONENTS[self.currency]
        if exponent == 0:
            return str(self.amount_minor)
        sign = "-" if self.amount_minor < 0 else ""
        whole, part = divmod(abs(self.amount_minor), 10**exponent)
        return f"{sign}{whole}.{part:0{exponent}d}"

    def spoken(self) -> str:
        """Short text for a voter, thousands set apart by a plain space: `1 500 FCFA`."""
        exponent = EXPONENTS[self.currency]
        whole, _, part = self.plain().partition(".")
        grouped = f"{int(whole):,}".replace(",", " ")
        number = f"{grouped}.{part}" if exponent else grouped
        return f"{number} {SHORT_UNITS.get(self.currency, self.currency)}"


def parse_amount(text: str, currency: str) -> Money | None:
    """Read an operator's decimal text (`"500"`, `"500.0"`, `"5.00"`); None when it is not one.

    A fraction finer than the currency's minor unit is not an amount of that currency: None.
    """
    digits = text.strip()
    negative = digits.startswith("-")
    whole, _, part = digits.lstrip("-").partition(".")
    if currency not in EXPONENTS or not whole.isascii() or not whole.isdigit() or len(whole) > 15:
        return None
    if part and not (part.isascii() and part.isdigit()):
        return None
    exponent = EXPONENTS[currency]
    if part[exponent:].strip("0"):
        return None
    amount = int(whole) * 10**exponent + int((part + "0" * exponent)[:exponent] or 0)
    return Money(-amount if negative else amount, currency)
