"""A statement file of an operator becomes lines, by the words of its format."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from typing import Final

from gateway.values.money import CURRENCY_OF, EXPONENTS, Money
from gateway.values.msisdn import Msisdn, read_msisdn
from gateway.values.tables import Cell, Row, TableUnreadable, rows_of
from payments.reconciliation.amounts import AmountUnreadable, Habits
from payments.reconciliation.rules import OUTGOING, LineKind
from payments.reconciliation.statement_format import (
    SIMULATED,
    SIMULATED_KINDS,
    SIMULATED_PAID,
    Field,
    Statement,
    StatementFormat,
    StatementLine,
    StatementUnreadable,
)

LINES_MAX: Final = 500_000
SIZE_MAX: Final = 50_000_000
_FAULTS_SHOWN: Final = 5
_HEAD_WITHIN: Final = 60
_NUMBERS: Final = frozenset({Field.NUMBER, Field.PAYER, Field.PAYEE})
# Francs of Central Africa are spent an hour east of those of Abidjan; where a statement names no zone,
# it means the wall clock of its country.
_UTC_OFFSET: Final = {"XAF": timedelta(hours=1)}
_REGION: Final = {currency: country for country, currency in CURRENCY_OF.items()}


class _Fault(Exception):
    """A line that cannot be read; the text gives the reason."""


def read_statement(words: StatementFormat, name: str, data: bytes) -> Statement:
    """All lines of money that moved. Raises StatementUnreadable, which names the first faults."""
    habits = Habits(words.decimal)
    statement, faults = _read(words, name, data, habits)
    other = habits.contradicted()
    if other is not None:
        statement, faults = _read(words, name, data, other)
    if faults:
        more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
        raise StatementUnreadable("\n".join([*faults[:_FAULTS_SHOWN], *more]))
    return statement


def _read(words: StatementFormat, name: str, data: bytes, habits: Habits) -> tuple[Statement, list[str]]:
    """The lines, read by these habits, and what cannot be read."""
    lines: list[StatementLine] = []
    faults: list[str] = []
    seen: Counter[str] = Counter()
    head: Mapping[Field, int] | None = None
    skipped = 0
    for number, row in _rows(name, data):
        if head is None:
            head = _head(words, row)
            if head is None and number > _HEAD_WITHIN:
                break
            continue
        if len(lines) >= LINES_MAX:
            raise StatementUnreadable(f"{name}: more than {LINES_MAX} lines; export a shorter time")
        try:
            cells = {key: row[n] if n < len(row) else None for key, n in head.items()}
            line = _line(words, habits, number, cells, seen)
        except (_Fault, AmountUnreadable) as fault:
            faults.append(f"{name}, line {number}: {fault}")
            continue
        if line is None:
            skipped += 1
        else:
            lines.append(line)
    if head is None:
        wanted = ", ".join(sorted({names[0] for names in words.columns.values()}))
        raise StatementUnreadable(f"{name}: no line names the columns of {words.code} ({wanted})")
    return Statement(lines, skipped), faults


def _rows(name: str, data: bytes) -> Iterator[tuple[int, Row]]:
    try:
        # What is not UTF-8 is what spreadsheets on French Windows write.
        yield from rows_of(data, size_max=SIZE_MAX)
    except TableUnreadable as error:
        raise StatementUnreadable(f"{name}: {error}") from error


def _head(words: StatementFormat, row: Row) -> Mapping[Field, int] | None:
    """Where each field stands, if this row is the head: it names an amount, and a reference or a date."""
    named = {_bare(str(cell)): n for n, cell in reversed(list(enumerate(row))) if cell not in (None, "")}
    found: dict[Field, int] = {}
    for key in Field:
        names = (*words.columns.get(key, ()), *((SIMULATED[key],) if key in SIMULATED else ()))
        for name in names:
            if _bare(name) in named:
                found[key] = named[_bare(name)]
                break
    money = Field.AMOUNT in found or Field.CREDIT in found or Field.DEBIT in found
    telling = {Field.OUR_REFERENCE, Field.EXTERNAL_ID, Field.PROVIDER_REFERENCE} & found.keys()
    return found if money and telling and (Field.DATE in found or Field.STATUS in found) else None


def _bare(text: str) -> str:
    """Letters and digits only, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("°", "o"))
    return "".join(c for c in plain if c.isalnum())


def _line(
    words: StatementFormat, habits: Habits, number: int, cells: Mapping[Field, Cell], seen: Counter[str]
) -> StatementLine | None:
    """The line; None where no money moved."""
    status = _text(cells.get(Field.STATUS)).casefold()
    if status and words.paid and status not in words.paid | SIMULATED_PAID:
        return None
    references = {
        key: _text(cells.get(key)) or None for key in (Field.OUR_REFERENCE, Field.EXTERNAL_ID, Field.PROVIDER_REFERENCE)
    }
    if not any(references.values()) and cells.get(Field.DATE) in (None, ""):
        return None  # a total, or a remark
    currency = (_text(cells.get(Field.CURRENCY)) or words.currency or "").upper()
    if currency not in EXPONENTS:
        raise _Fault(f"{currency!r} is no currency that we know" if currency else "it names no currency")
    signed, by_column = _signed(habits, cells, currency)
    if signed == 0:
        return None
    kind = habits.directed(_kind(words, cells, signed), signed, by_column=by_column)
    payer = _number(cells, kind, currency)
    raw = {key.value: _text(cell) for key, cell in cells.items() if key not in _NUMBERS and _text(cell)}
    if payer is not None:
        raw["number"] = payer.masked()
    reference = references[Field.PROVIDER_REFERENCE] or references[Field.OUR_REFERENCE]
    key = f"{kind.value}:{reference or _hash(cells)}"
    seen[key] += 1
    if seen[key] > 1:
        # The operator shows it twice: a person decides about it; it is not dropped.
        key = f"{key}#{seen[key]}"
    fee = cells.get(Field.FEE)
    return StatementLine(
        number=number,
        key=key,
        kind=kind,
        amount=Money(abs(signed), currency),
        fee_minor=abs(habits.minor(fee, currency)) if fee not in (None, "") else 0,
        our_reference=references[Field.OUR_REFERENCE],
        external_id=references[Field.EXTERNAL_ID],
        provider_reference=references[Field.PROVIDER_REFERENCE],
        payer=payer.e164 if payer else None,
        at=_instant(words, cells, currency),
        raw=raw,
    )


def _hash(cells: Mapping[Field, Cell]) -> str:
    return sha256("\x1f".join(f"{key}={_text(cell)}" for key, cell in sorted(cells.items())).encode()).hexdigest()[:32]


def _signed(habits: Habits, cells: Mapping[Field, Cell], currency: str) -> tuple[int, bool]:
    """Minor units, negative for money that left; whether credit and debit have columns of their own."""
    if cells.get(Field.AMOUNT) not in (None, ""):
        return habits.minor(cells[Field.AMOUNT], currency), False
    credit, debit = (
        habits.minor(cells[key], currency) if cells.get(key) not in (None, "") else 0
        for key in (Field.CREDIT, Field.DEBIT)
    )
    return credit - abs(debit), True


def _kind(words: StatementFormat, cells: Mapping[Field, Cell], signed: int) -> LineKind:
    word = _text(cells.get(Field.KIND)).casefold()
    if word:
        return {**SIMULATED_KINDS, **words.kinds}.get(word, LineKind.OTHER if signed > 0 else LineKind.TRANSFER)
    return LineKind.COLLECTION if signed > 0 else LineKind.PAYOUT


def _instant(words: StatementFormat, cells: Mapping[Field, Cell], currency: str) -> datetime | None:
    written = cells.get(Field.DATE)
    if written in (None, ""):
        return None
    if isinstance(written, date) and not isinstance(written, datetime):
        written = datetime(written.year, written.month, written.day)  # noqa: DTZ001 - the zone is set below
    time = _text(cells.get(Field.TIME))
    read = (
        written
        if isinstance(written, datetime) and not time
        else _read_instant(words, f"{_date(written)} {time}".strip())
    )
    if read.tzinfo is None:
        read = read.replace(tzinfo=timezone(_UTC_OFFSET.get(currency, timedelta(0))))
    return read.astimezone(UTC)


def _date(written: Cell) -> str:
    return written.date().isoformat() if isinstance(written, datetime) else _text(written)


def _read_instant(words: StatementFormat, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for shape in words.dates:
        try:
            return datetime.strptime(text, shape)  # noqa: DTZ007 - the zone is set by the caller
        except ValueError:
            continue
    raise _Fault(f"{text!r} is no date that we can read")


def _number(cells: Mapping[Field, Cell], kind: LineKind, currency: str) -> Msisdn | None:
    """The number on the other side; MTN writes `FRI:2250501020304/MSISDN`."""
    sides = (Field.NUMBER, Field.PAYEE if kind in OUTGOING else Field.PAYER)
    region = _REGION.get(currency)
    for cell in (cells.get(side) for side in sides):
        digits = re.search(r"\+?\d{8,15}", _text(cell))
        if digits and region:
            read = read_msisdn(digits.group(), region)
            if isinstance(read, Msisdn):
                return read
    return None


def _text(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()
