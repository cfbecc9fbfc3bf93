"""How one statement writes amounts: the mark before a fraction, and whether signs say a direction.

A format gives the usual notation; the file itself may contradict it. What a file shows is collected while it is read
once, and a contradiction makes it be read again.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from gateway.values.money import parse_amount
from gateway.values.tables import Cell
from payments.reconciliation.rules import LineKind

_SPACES: Final = r"\s\u00a0\u202f'"


class AmountUnreadable(Exception):
    """A cell that is no amount, or an ambiguous one; the text gives the reason."""


@dataclass
class Habits:
    """`decimal`: the mark before a fraction. `signed`: kinds of outgoing lines whose sign gives the direction.

    The other fields are what was found in the file: `groups` and `fractions` prove that the mark groups thousands, or
    not; `negative` and `positive` are kinds of outgoing lines by the sign that they had."""

    decimal: str
    signed: frozenset[LineKind] = frozenset()
    groups: bool = False
    fractions: bool = False
    negative: set[LineKind] = field(default_factory=set)
    positive: set[LineKind] = field(default_factory=set)

    def contradicted(self) -> "Habits | None":
        """How the file must be read instead; None where nothing contradicts this reading."""
        wrong_mark = self.groups and not self.fractions
        signed = frozenset(self.negative & self.positive) | self.signed
        if not wrong_mark and signed == self.signed:
            return None
        return Habits(_other(self.decimal) if wrong_mark else self.decimal, signed)

    def minor(self, cell: Cell, currency: str) -> int:
        """An amount in minor units, with its sign. Raises AmountUnreadable."""
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            read = parse_amount(f"{Decimal(str(cell)):f}", currency)
            if read is None:
                raise AmountUnreadable(f"'{cell}' is no amount of {currency}")
            return read.amount_minor
        return self._minor("" if cell is None else str(cell).strip(), currency)

    def _minor(self, text: str, currency: str) -> int:
        mark, other = re.escape(self.decimal), re.escape(_other(self.decimal))
        bare = re.sub(rf"\s*{currency}\s*|\s*FCFA\s*", "", text.upper()).strip()
        if re.fullmatch(rf"[+-]?\d{{1,3}}(({mark}\d{{3}}){{2,}}|{mark}\d{{3}}(?={other}\d))({other}\d+)?", bare):
            self.groups = True
        written = re.fullmatch(rf"[+-]?(\d+|\d{{1,3}}([{_SPACES}{other}]\d{{3}})+)({mark}(\d+))?", bare)
        if written is None:
            raise AmountUnreadable(f"{text!r} is no amount")
        read = parse_amount(re.sub(rf"[{_SPACES}+{other}]", "", bare).replace(self.decimal, "."), currency)
        whole, fraction = written[1], written[4]
        if fraction is not None and len(fraction) == 3 and re.fullmatch(r"[1-9]\d{0,2}", whole):
            # No currency here has thousandths: a thousand, or a fraction with a zero too many.
            self.groups = self.groups or read is None
            raise AmountUnreadable(
                f"{text!r} may mean thousands or a fraction: export amounts without marks between thousands"
            )
        self.fractions = self.fractions or fraction is not None
        if read is None:
            raise AmountUnreadable(f"{text!r} is no amount of {currency}")
        return read.amount_minor

    def directed(self, kind: LineKind, minor: int, *, by_column: bool) -> LineKind:
        """The kind that a line has by its sign. `by_column`: credit and debit stand in columns of their own.

        Money of a collection that left is a refund; money that came in by a line of an outgoing kind is no payment
        out. Where a file never writes a minus for a kind, its amounts of that kind give no direction."""
        if kind in (LineKind.COLLECTION, LineKind.OTHER):
            return LineKind.REFUND if minor < 0 else kind
        if minor < 0:
            self.negative.add(kind)
            return kind
        self.positive.add(kind)
        return LineKind.OTHER if by_column or kind in self.signed else kind


def _other(mark: str) -> str:
    return "," if mark == "." else "."
