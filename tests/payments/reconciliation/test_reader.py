"""Statement files as operators and spreadsheets write them, and files that are none."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from openpyxl import Workbook

import payments.providers
from gateway.runtime.discovery import discover
from gateway.values.money import Money
from payments.reconciliation.reader import read_statement
from payments.reconciliation.rules import LineKind
from payments.reconciliation.statement_format import StatementLine, StatementUnreadable
from sandbox.operators.book import STATEMENT_HEADER

FORMATS = {code: found.statement for code, found in discover(payments.providers).items() if found.statement}
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
    ("text", "expected"),
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
def test_what_cannot_be_read_is_refused_whole(text: bytes, expected: str) -> None:
    with pytest.raises(StatementUnreadable) as refused:
        lines("mtn_momo", text)
    assert expected in str(refused.value)


def mtn(*amounts: str, currency: str = "XOF", kind: str = "Debit") -> list[StatementLine]:
    rows = "".join(
        f'{n},SP{n},2026-11-21 08:00:00,Successful,{kind},,,"{amount}",0,{currency}\n'
        for n, amount in enumerate(amounts)
    )
    return lines("mtn_momo", f"{MTN_HEAD}\n{rows}")


@pytest.mark.parametrize(
    ("amounts", "read"),
    [
        (("25.500",), [25_500]),
        (("1.000", "25.000", "25.500"), [1_000, 25_000, 25_500]),
        (("1.000", "1.234.000"), [1_000, 1_234_000]),
        (("1.000", "2.000,00"), [1_000, 2_000]),
        (("500", "25.000", "7.250"), [500, 25_000, 7_250]),
        (("500.00", "1,000.00"), [500, 1_000]),
        (("500", "1,000"), [500, 1_000]),
        (("0.000", "500.0"), [500]),
    ],
)
def test_marks_between_thousands_are_read_by_what_the_file_shows(amounts: tuple[str, ...], read: list[int]) -> None:
    assert [line.amount.amount_minor for line in mtn(*amounts)] == read


@pytest.mark.parametrize(
    "amounts",
    [
        ("1.000",),
        ("25.000", "500"),
        ("1.000", "500.00"),  # a point before a fraction elsewhere
        ("1.000", "25.500", "500.00"),  # and between thousands, too
        ("1,000", "25.500", "1.000"),  # nor do both marks stand between thousands
    ],
)
def test_an_amount_that_may_be_two_is_refused(amounts: tuple[str, ...]) -> None:
    with pytest.raises(StatementUnreadable, match="thousands or a fraction"):
        mtn(*amounts)


def test_a_comma_before_three_digits_where_a_comma_is_the_mark_of_a_fraction() -> None:
    text = ORANGE.replace("1 500,00", "1,000")
    with pytest.raises(StatementUnreadable, match="thousands or a fraction"):
        lines("orange_money", text)
    paid, out = lines("orange_money", text.replace("2 000;\n3", "12,500;\n3"))
    assert (paid.amount, out.amount) == (Money(1000, "XOF"), Money(12_500, "XOF"))


def test_cents_have_two_digits() -> None:
    assert mtn("1.00", "12.5", currency="EUR")[0].amount == Money(100, "EUR")
    with pytest.raises(StatementUnreadable, match="thousands or a fraction"):
        mtn("1.000", currency="EUR")


def test_signs_are_kept() -> None:
    """Money of a collection that left is no collection; a payout that came back is no payout."""
    (left,) = mtn("-1000")
    assert (left.kind, left.amount) == (LineKind.REFUND, Money(1000, "XOF"))
    assert [line.kind for line in mtn("-2000", "2000", kind="Transfer")] == [LineKind.PAYOUT, LineKind.OTHER]
    assert [line.kind for line in mtn("2000", "3000", kind="Transfer")] == [LineKind.PAYOUT] * 2
    credit = ORANGE.replace(";;1 500,00", ";;-1 500,00").replace(";2 000;\n3", ";;2 000\n3")
    assert [line.kind for line in lines("orange_money", credit)] == [LineKind.REFUND, LineKind.OTHER]
    debit = ORANGE.replace(";2 000;\n3", ";-2 000;\n3")
    assert [line.kind for line in lines("orange_money", debit)] == [LineKind.COLLECTION, LineKind.PAYOUT]


def test_the_first_faults_are_named_and_the_others_counted() -> None:
    rows = "".join(f"{n},SPA,2026-11-21,Successful,Debit,,,x,,XOF\n" for n in range(8))
    with pytest.raises(StatementUnreadable, match="and 3 more"):
        lines("mtn_momo", f"{MTN_HEAD}\n{rows}")


def test_a_format_has_the_code_of_its_provider() -> None:
    assert {code: form.code for code, form in FORMATS.items()} == {code: code for code in FORMATS}
    assert {"mtn_momo", "orange_money", "orange_money_cm"} <= set(FORMATS)
