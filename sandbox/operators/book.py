"""The operators' own durable record of money requests and wallets.

What is written here is the truth that the gateway's books are compared with, so it survives the
process: SQLite, one transaction for each movement of money.
"""

import csv
import io
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from sandbox.courier import instant

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    operator TEXT NOT NULL,
    kind TEXT NOT NULL,
    our_reference TEXT NOT NULL,
    external_id TEXT NOT NULL,
    msisdn TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    provider_reference TEXT,
    details TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    completed_at REAL,
    fee INTEGER NOT NULL DEFAULT 0,
    UNIQUE (operator, kind, our_reference)
);
CREATE INDEX IF NOT EXISTS entries_by_status ON entries (operator, kind, status);
CREATE TABLE IF NOT EXISTS wallets (
    operator TEXT NOT NULL,
    msisdn TEXT NOT NULL,
    balance INTEGER NOT NULL,
    PRIMARY KEY (operator, msisdn)
) WITHOUT ROWID;
"""
COLLECTION = "collection"
STATEMENT_HEADER = (
    "provider_reference",
    "our_reference",
    "external_id",
    "msisdn",
    "amount",
    "currency",
    "status",
    "completed_at",
    "kind",
    "fee",
)


class Status(StrEnum):
    """Where a money request stands, in words of our own; each operator says it in its words."""

    INITIATED = "INITIATED"
    PENDING = "PENDING"
    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self not in (Status.INITIATED, Status.PENDING)


@dataclass(frozen=True, slots=True)
class Entry:
    """One money request. `kind`: `collection`, or how money goes back out, e.g. `refund`, `transfer`.

    `our_reference`: the merchant's identifier of it. `amount`: text as the merchant sent it, in
    major units. `reason`: the operator's code of a failure. Times are seconds since the epoch.
    `details`: what only the operator's own module understands; a refund's `refund_of` is the
    reference of its collection. `fee`: what the operator kept, in whole units.
    """

    operator: str
    our_reference: str
    external_id: str
    msisdn: str
    amount: str
    currency: str
    expires_at: float
    kind: str = COLLECTION
    status: Status = Status.PENDING
    reason: str | None = None
    provider_reference: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)
    completed_at: float | None = None
    fee: int = 0
    number: int = 0

    @property
    def whole(self) -> int:
        """The amount in whole major units, as the wallets count."""
        return int(Decimal(self.amount))


class AlreadyThere(Exception):
    """The operator knows a request with this reference."""


class Book:
    """The record. Every call is one short transaction of some tens of microseconds, made on the
    caller's thread: it must be the one that opened the book."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def open(self, entry: Entry) -> Entry:
        """Register a request; the result carries its number. Raises AlreadyThere."""
        values = {field.name: getattr(entry, field.name) for field in fields(Entry) if field.name != "number"}
        values["details"] = json.dumps(dict(entry.details))
        names = ", ".join(values)
        try:
            self._db.execute(
                f"INSERT INTO entries ({names}) VALUES ({', '.join(f':{name}' for name in values)})", values
            )
        except sqlite3.IntegrityError:
            raise AlreadyThere(entry.our_reference) from None
        return self._stored(entry)

    def _select(self, where: str, *values: object) -> list[Entry]:
        """Oldest first."""
        return [_entry(row) for row in self._db.execute(f"SELECT * FROM entries WHERE {where} ORDER BY number", values)]

    def find(self, operator: str, our_reference: str, kind: str = COLLECTION) -> Entry | None:
        """Look a request up by the merchant's reference."""
        found = self._select("operator = ? AND kind = ? AND our_reference = ?", operator, kind, our_reference)
        return found[0] if found else None

    def unfinished(self, operator: str, kind: str) -> list[Entry]:
        """Requests that are not final, oldest first."""
        return self._select("operator = ? AND kind = ? AND status IN ('INITIATED', 'PENDING')", operator, kind)

    def entries(self, operator: str, kind: str = COLLECTION) -> list[Entry]:
        """All requests of one kind, oldest first."""
        return self._select("operator = ? AND kind = ?", operator, kind)

    def moved(self, operator: str) -> list[Entry]:
        """Everything that moved money, in or out, in the order in which it was asked for."""
        return self._select("operator = ? AND status = 'SUCCESSFUL'", operator)

    def change(
        self,
        entry: Entry,
        status: Status,
        *,
        reason: str | None = None,
        provider_reference: str | None = None,
        msisdn: str | None = None,
        charge: bool = False,
        credit: bool = False,
        default_balance: int = 0,
        fee: int = 0,
    ) -> Entry:
        """Move a request that is not final to another status; a final one stays as it is.

        `charge`: take the amount out of the wallet of its number in the same transaction; `credit`: put
        it in. Returns the request as it stands afterwards.
        """
        payer = entry.msisdn if msisdn is None else msisdn
        self._db.execute("BEGIN IMMEDIATE")
        try:
            changed = self._db.execute(
                "UPDATE entries SET status = ?, reason = ?, msisdn = ?, fee = ?,"
                " provider_reference = coalesce(?, provider_reference), completed_at = ?"
                " WHERE number = ? AND status IN ('INITIATED', 'PENDING')",
                (
                    status,
                    reason,
                    payer,
                    fee,
                    provider_reference,
                    time.time() if status.is_final else None,
                    entry.number,
                ),
            ).rowcount
            moved = (entry.whole if credit else 0) - (entry.whole if charge else 0)
            if changed and moved:
                self.set_balance(entry.operator, payer, self.balance(entry.operator, payer, default_balance) + moved)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return self._stored(entry)

    def _stored(self, entry: Entry) -> Entry:
        return self.find(entry.operator, entry.our_reference, entry.kind) or entry

    def balance(self, operator: str, msisdn: str, default: int) -> int:
        """What a wallet holds, in whole units of the country's currency."""
        row = self._db.execute(
            "SELECT balance FROM wallets WHERE operator = ? AND msisdn = ?", (operator, msisdn)
        ).fetchone()
        return default if row is None else int(row[0])

    def set_balance(self, operator: str, msisdn: str, balance: int) -> None:
        """Fill or empty a wallet."""
        self._db.execute(
            "INSERT INTO wallets VALUES (?, ?, ?)"
            " ON CONFLICT (operator, msisdn) DO UPDATE SET balance = excluded.balance",
            (operator, msisdn, balance),
        )

    def forget_balances(self) -> None:
        """Every wallet holds the default again."""
        self._db.execute("DELETE FROM wallets")

    def balances(self) -> dict[str, dict[str, int]]:
        """Wallets that were used or set: operator → number → balance."""
        result: dict[str, dict[str, int]] = {}
        for operator, msisdn, balance in self._db.execute("SELECT operator, msisdn, balance FROM wallets"):
            result.setdefault(operator, {})[msisdn] = balance
        return result

    def _total(self, where: str, *values: object) -> int:
        """Amounts without fees, in whole units."""
        (total,) = self._db.execute(
            f"SELECT coalesce(sum(CAST(amount AS INTEGER) - fee), 0) FROM entries WHERE {where}", values
        ).fetchone()
        return int(total)

    def collected_total(self, operator: str, currency: str) -> int:
        """All the money that an operator took for the merchant, fees off, in whole units of one currency."""
        return self._total(
            "operator = ? AND kind = 'collection' AND status = 'SUCCESSFUL' AND currency = ?", operator, currency
        )

    def disbursed_total(self, operator: str, currency: str) -> int:
        """All the money that an operator gave out for the merchant, in whole units of one currency."""
        return self._total(
            "operator = ? AND kind <> 'collection' AND status = 'SUCCESSFUL' AND currency = ?", operator, currency
        )

    def refunded_total(self, operator: str, collection_reference: str, *, but: int = 0) -> int:
        """What was given back of one collection, or is on its way, in whole units; `but`: the number of
        an entry that is left out."""
        return self._total(
            "operator = ? AND kind = 'refund' AND status IN ('INITIATED', 'PENDING', 'SUCCESSFUL')"
            " AND json_extract(details, '$.refund_of') = ? AND number <> ?",
            operator,
            collection_reference,
            but,
        )

    def statement(self, operator: str) -> str:
        """The operator's statement of account as CSV: money that moved, `kind` says which way."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(STATEMENT_HEADER)
        for entry in self.moved(operator):
            writer.writerow(
                (
                    entry.provider_reference or "",
                    entry.our_reference,
                    entry.external_id,
                    entry.msisdn,
                    entry.whole,
                    entry.currency,
                    entry.status,
                    instant(entry.completed_at or 0),
                    entry.kind,
                    entry.fee,
                )
            )
        return out.getvalue()


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(**{**dict(row), "status": Status(row["status"]), "details": json.loads(row["details"])})
