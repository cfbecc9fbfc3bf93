"""The one table of MTN's reason codes: whole, and the page that shows it is the table."""

from pathlib import Path

from payments.provider import PayerReason
from payments.providers.mtn_momo.reasons import REASONS, UNKNOWN_REASON, Verdict
from sandbox.operators.mtn_momo.numbers import ACCOUNT_HOLDER_ANSWERS, FAILING_NUMBERS, FAILING_PAYEES, FAILING_REFUNDS

PAGE = Path(__file__).parents[4] / "docs" / "providers" / "mtn_momo.md"


def shown(verdict: Verdict) -> str:
    end = "open" if not verdict.final else verdict.reason.value
    return f"{end}, alarm" if verdict.alarm else end


def test_every_code_that_the_operator_can_say_is_in_the_table() -> None:
    codes = {*FAILING_NUMBERS.values(), *FAILING_PAYEES.values(), *FAILING_REFUNDS.values()}
    codes |= {code for _, code in ACCOUNT_HOLDER_ANSWERS.values() if code}
    assert codes <= set(REASONS)


def test_our_own_troubles_are_an_alarm() -> None:
    for code in ("NOT_ENOUGH_FUNDS", "PAYER_LIMIT_REACHED", "SENDER_ACCOUNT_NOT_ACTIVE"):
        assert REASONS[code].paying.alarm, code
        assert not REASONS[code].collecting.alarm, code
    assert REASONS["NOT_ENOUGH_FUNDS"].paying.reason is PayerReason.NO_FUNDS
    assert UNKNOWN_REASON.collecting.final
    assert UNKNOWN_REASON.paying.alarm


def test_what_is_not_final_is_so_in_both_directions() -> None:
    assert all(reason.collecting.final == reason.paying.final for reason in REASONS.values())
    assert not any(reason.logical for reason in REASONS.values() if not reason.collecting.final)


def test_the_page_shows_the_table() -> None:
    rows = [
        f"| `{code}` | {reason.meaning} | {shown(reason.collecting)} | {shown(reason.paying)} |"
        for code, reason in REASONS.items()
    ]
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert table == rows
