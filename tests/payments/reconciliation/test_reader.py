"""Statement files as operators and spreadsheets write them, and files that are none."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from openpyxl import Workbook

import payments.reconciliation.formats
from gateway.discovery import discover
from gateway.domain.money import Money
from gateway.domain.reconciliation import LineKind
from gateway.ports.reconciliation import StatementLine, StatementUnreadable
from payments.reconciliation.reader import read_statement
from payments.sandbox.book import STATEMENT_HEADER

FORMATS = discover(payments.reconciliation.formats, "STATEMENT")
SANDBOX_HEAD = ",".join(STATEMENT_HEADER)
MTN_HEAD = "Id,External Transaction Id,Date,Status,Type,From,To,Amount,Fee,Currency"
OURS = "5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10"


def lines(code: str, text: str | bytes) -> list[StatementLine]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_statement(FORMATS[code], "statement.csv", data).lines)


def test_the_simulated_operators() -> None:
    (line,) = lines(
        "mtn_momo",
        f"{SANDBOX_HEAD}\n4711,{OURS},SPABCDEFGHJKMN,2250501020304,500,XOF,SUCCESSFUL,2026-11-21T08:00:00.250Z,"
        "collection,5\n",
    )
    assert line == StatementLine(
        number=2,
        key="collection:4711",
        kind=LineKind.COLLECTION,
        amount=Money(500, "XOF"),
        fee_minor=5,
        our_reference=OURS,
        external_id="SPABCDEFGHJKMN",
        provider_reference="4711",
        payer="+2250501020304",
        at=datetime(2026, 11, 21, 8, 0, 0, 250_000, tzinfo=UTC),
        raw=line.raw,
    )
    assert line.raw["number"] == "+225 05 •• •• 03 04"
    assert "0501020304" not in str(line.raw)


def test_mtn_writes_both_sides_and_failures() -> None:
    statement = read_statement(
        FORMATS["mtn_momo"],
        "mtn.csv",
        (
            f"Account;Spotlight\n\n{MTN_HEAD}\n"
            "1,SPA,21/11/2026 08:00:00,Successful,Debit,FRI:2250501020304/MSISDN,FRI:spotlight,500,5,XOF\n"
            "2,SPB,21/11/2026 08:01:00,Failed,Debit,FRI:2250501020304/MSISDN,FRI:spotlight,500,0,XOF\n"
            "3,SPC,21/11/2026 09:00:00,Successful,Transfer,FRI:spotlight,FRI:2250701020304/MSISDN,-2000,,XOF\n"
        ).encode(),
    )
    paid, out = statement.lines
    assert (paid.kind, paid.payer, paid.fee_minor) == (LineKind.COLLECTION, "+2250501020304", 5)
    assert (out.kind, out.payer, out.amount) == (LineKind.PAYOUT, "+2250701020304", Money(2000, "XOF"))
    assert statement.skipped == 1


ORANGE = (
    "Relevé de vos opérations;;;;;;;;\nDu 20/11/2026 au 21/11/2026;;;;;;;;\n"
    "N°;Date;Heure;Référence;Service;Statut;N° de Compte;Débit;Crédit\n"
    "1;21/11/2026;08:00:05;MP261121.0800.A1;Merchant Payment;Succès;0701020304;;1 500,00\n"
    "2;21/11/2026;08:10:00;CI261121.0810.B2;Cash in;Succès;0701020305;2 000;\n"
    "3;21/11/2026;08:11:00;MP261121.0811.C3;Merchant Payment;Échec;0701020304;;700\n"
    ";;;;;;Total;2 000;1 500\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_orange_below_its_heading_in_any_encoding(encoding: str) -> None:
    paid, out = lines("orange_money", ORANGE.encode(encoding))
    assert (paid.kind, paid.amount, paid.provider_reference) == (
        LineKind.COLLECTION,
        Money(1500, "XOF"),
        "MP261121.0800.A1",
    )
    assert paid.at == datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)
    assert (out.kind, out.amount) == (LineKind.PAYOUT, Money(2000, "XOF"))


def test_the_clock_of_douala() -> None:
    assert lines("orange_money_cm", ORANGE)[0].at == datetime(2026, 11, 21, 7, 0, 5, tzinfo=UTC)


def workbook(rows: list[list[Any]]) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_xlsx_with_real_numbers_and_dates() -> None:
    data = workbook(
        [
            ["Relevé"],
            [],
            ["N°", "Date", "Heure", "Référence", "Service", "Statut", "N° de Compte", "Débit", "Crédit"],
            [1, datetime(2026, 11, 21), "08:00:05", "MP1", "Merchant Payment", "Succès", 701020304.0, None, 1500.0],  # noqa: DTZ001 - as Excel has it
        ]
    )
    (line,) = lines("orange_money", data)
    assert (line.amount, line.at) == (Money(1500, "XOF"), datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC))


def test_a_line_twice_is_two_lines_with_keys_that_stay() -> None:
    row = "1,SPA,2026-11-21 08:00:00,Successful,Debit,,,500,,XOF\n"
    assert [line.key for line in lines("mtn_momo", f"{MTN_HEAD}\n{row}{row}")] == ["collection:1", "collection:1#2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no line names the columns"),
        (b"hello\nworld\n", "no line names the columns"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel"),
        (b"PK\x03\x04broken", "no XLSX"),
        (b"a\x00b\x00", "neither CSV nor XLSX"),
        (f"{MTN_HEAD}\n1,SPA,2026-11-21,Successful,Debit,,,5OO,,XOF\n".encode(), "line 2: '5OO' is no amount"),
        (f"{MTN_HEAD}\n1,SPA,2026-11-21,Successful,Debit,,,500.5,,XOF\n".encode(), "no amount of XOF"),
        (f"{MTN_HEAD}\n1,SPA,2026-11-21,Successful,Debit,,,50 00,,XOF\n".encode(), "no amount"),
        (f"{MTN_HEAD}\n1,SPA,soon,Successful,Debit,,,500,,XOF\n".encode(), "'soon' is no date"),
        (f"{MTN_HEAD}\n1,SPA,2026-11-21,Successful,Debit,,,500,,ABC\n".encode(), "'ABC' is no currency"),
        (f"{MTN_HEAD}\n1,SPA,2026-11-21,Successful,Debit,,,500,,\n".encode(), "names no currency"),
    ],
)
def test_what_cannot_be_read_is_refused_whole(text: bytes, said: str) -> None:
    with pytest.raises(StatementUnreadable) as refused:
        lines("mtn_momo", text)
    assert said in str(refused.value)


def test_the_first_faults_are_named_and_the_others_counted() -> None:
    rows = "".join(f"{n},SPA,2026-11-21,Successful,Debit,,,x,,XOF\n" for n in range(8))
    with pytest.raises(StatementUnreadable, match="and 3 more"):
        lines("mtn_momo", f"{MTN_HEAD}\n{rows}")


def test_every_provider_with_a_format_is_one() -> None:
    import payments.providers

    assert set(FORMATS) <= set(discover(payments.providers))
