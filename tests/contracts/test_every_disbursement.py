"""Every provider that gives money out, against its operator over real HTTP.

Driven by capabilities (`can_refund`, `can_pay_out`, `has_balance`, `knows_holders`) and the section
`sandbox` of the case file. The operator must obey these orders on disbursements: `float_balance`,
`limit`, `pending_seconds`, `latency_ms`, `request` (`drop_before`, `drop_after`, `error_500` and
`error_500_registered`, `too_many`, `garbage`), `status` (`unknown_word`, `garbage`,
`http_503_seconds`, `rate_limit_per_second`) and `callback`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.values.money import Money
from payments.provider import (
    Accepted,
    Balance,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Purpose,
    Rejected,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
    Wallet,
)
from tests.contracts.provider_cases import REGISTRATIONS, read_file
from tests.contracts.sandbox_rig import Rig, abilities, has_sandbox_case, impatient, rig_for, sandbox_case
from tests.free_port import free_port

CODES = [code for code in sorted(REGISTRATIONS) if has_sandbox_case(code)]
ABILITIES = {code: abilities(code) for code in CODES}
OUTGOING = [
    pytest.param(code, purpose, id=f"{code} {purpose}")
    for code, can in ABILITIES.items()
    for purpose, able in ((Purpose.REFUND, can.can_refund), (Purpose.PAYOUT, can.can_pay_out))
    if able
]
every_disbursement = pytest.mark.parametrize(("code", "purpose"), OUTGOING)
# Refunds of a whole collection only have no reference of their own, and are not called back.
WHOLE = {code for code in CODES if sandbox_case(code).get("disbursement", {}).get("whole")}
every_own_disbursement = pytest.mark.parametrize(
    ("code", "purpose"), [given for given in OUTGOING if given.values[0] not in WHOLE]
)
every_refund_in_parts = pytest.mark.parametrize(
    "code", [code for code, can in ABILITIES.items() if can.can_refund and code not in WHOLE]
)
MANY = 20


@pytest.fixture
async def rig(code: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_for(code, tmp_path) as opened:
        yield opened


async def asked(rig: Rig, purpose: Purpose, amount: Money | None = None, **given: Any) -> Any:
    """A disbursement that may be asked for: a refund's collection was paid."""
    collected = await rig.collected() if purpose is Purpose.REFUND else None
    return rig.disbursement(purpose, collected, amount, **given)


async def assert_paid_once(rig: Rig, wanted: Any) -> None:
    report = await rig.final(wanted)
    assert isinstance(report, Succeeded), report
    assert report.received == wanted.amount
    lines = await rig.lines(out=True)
    assert len(lines) == 1
    assert names(rig, wanted) & set(lines[0].values())


def names(rig: Rig, wanted: Any) -> set[str]:
    """What the operator's statement may call it."""
    if rig.code not in WHOLE:
        return {str(wanted.reference)}
    return {wanted.collection.order_code}


def part_of(amount: Money, parts: int) -> Money:
    return Money(amount.amount_minor // parts, amount.currency)


@every_disbursement
async def test_the_money_arrives(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    has_phone = sandbox_case(rig.code)["disbursement"]["phone"]
    before = await rig.wallet() if has_phone else 0
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, Accepted), result
    assert not result.already_there
    await assert_paid_once(rig, wanted)
    if has_phone:
        whole = int(float(wanted.amount.plain()))
        assert await rig.wallet() == before + whole
        _, inbox = await rig.country.json("GET", f"/phones/{rig.case['payer']}/inbox")
        assert f"You have received {whole} {wanted.amount.currency}" in inbox[-1]["text"]
    if rig.code in WHOLE:
        return
    hints = await rig.callbacks(1)
    assert len(hints) == 1
    assert all(hint.claimed for hint in hints[0])
    assert rig.country.received[0].path == rig.callback_path(wanted)


@every_disbursement
async def test_it_is_open_until_the_money_has_moved(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(pending_seconds=30)
    _, wanted = await rig.disburse(wanted)
    assert isinstance(await rig.disburser.query_disbursement(wanted), StillOpen)
    assert await rig.lines(out=True) == []


@every_disbursement
async def test_asked_again_it_is_paid_once(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    results = [result for result, _ in await asyncio.gather(rig.disburse(wanted), rig.disburse(wanted))]
    again, wanted = await rig.disburse(wanted)
    assert all(isinstance(result, Accepted) for result in (*results, again)), (results, again)
    await assert_paid_once(rig, wanted)
    late, _ = await rig.disburse(wanted)
    assert isinstance(late, Accepted), late
    assert len(await rig.lines(out=True)) == 1


@every_disbursement
async def test_a_reference_that_never_went_is_not_found(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    assert isinstance(await rig.disburser.query_disbursement(wanted), NotFound)


@every_disbursement
async def test_without_a_connection_nothing_is_sent(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.warm()
    closed = f"http://127.0.0.1:{free_port()}"
    cut_off = replace(wanted, base_url=closed)
    if cut_off.collection is not None:
        cut_off = replace(cut_off, collection=replace(cut_off.collection, base_url=closed))
    assert isinstance(await rig.disburser.disburse(cut_off), NotSent)
    assert isinstance(await rig.disburser.query_disbursement(cut_off), Unavailable)


@every_disbursement
async def test_cut_before_it_was_taken_in(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(request={"drop_before": True})
    await rig.warm()
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, Unknown), result
    await rig.order()
    assert isinstance(await rig.disburser.query_disbursement(wanted), NotFound)
    _, wanted = await rig.disburse(wanted)
    await assert_paid_once(rig, wanted)


@every_disbursement
async def test_cut_after_it_was_taken_in(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(request={"drop_after": True})
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, Unknown), result
    await rig.order()
    await assert_paid_once(rig, wanted)
    again, wanted = await rig.disburse(wanted)
    assert isinstance(again, Accepted), again
    await assert_paid_once(rig, wanted)


@every_disbursement
async def test_an_answer_that_takes_too_long(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.warm()
    await rig.order(latency_ms=1500)
    with impatient(0.5):
        result, wanted = await rig.disburse(wanted)
        report = await rig.disburser.query_disbursement(wanted)
    assert isinstance(result, Unknown), result
    assert isinstance(report, Unavailable), report
    await rig.order()
    await assert_paid_once(rig, wanted)


@every_disbursement
@pytest.mark.parametrize("registered", [False, True])
async def test_the_operator_breaks(rig: Rig, purpose: Purpose, registered: bool) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(request={"error_500": "INTERNAL_PROCESSING_ERROR", "error_500_registered": registered})
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, Unknown), result
    await rig.order()
    if not registered:
        assert isinstance(await rig.disburser.query_disbursement(wanted), NotFound)
        _, wanted = await rig.disburse(wanted)
    await assert_paid_once(rig, wanted)


@every_disbursement
async def test_too_many_at_the_request(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(request={"too_many": True})
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, NotSent), result
    assert (result.alarm, result.throttled) == (False, True)
    await rig.order()
    _, wanted = await rig.disburse(wanted)
    await assert_paid_once(rig, wanted)


@every_disbursement
async def test_bytes_that_mean_nothing(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(request={"garbage": True}, status={"garbage": True})
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, Unknown), result
    assert isinstance(await rig.disburser.query_disbursement(wanted), Unavailable)
    await rig.order()
    await assert_paid_once(rig, wanted)


@every_disbursement
async def test_questions_that_are_not_answered(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    _, wanted = await rig.disburse(wanted)
    await rig.final(wanted)
    await rig.order(status={"unknown_word": True})
    assert isinstance(await rig.disburser.query_disbursement(wanted), StillOpen)
    await rig.order(status={"http_503_seconds": 60})
    down = await rig.disburser.query_disbursement(wanted)
    assert isinstance(down, Unavailable)
    assert not down.throttled
    await rig.order(status={"http_503_seconds": 0, "rate_limit_per_second": 1})
    reports = await asyncio.gather(*(rig.disburser.query_disbursement(wanted) for _ in range(4)))
    throttled = [report for report in reports if isinstance(report, Unavailable)]
    assert throttled
    assert all(report.throttled for report in throttled)
    await rig.order()
    await assert_paid_once(rig, wanted)


def reported_by(situation: str, *purposes: Purpose) -> list[Any]:
    """Who tells this reason, for each purpose that it concerns."""
    return [
        pytest.param(*given.values, PayerReason(why), id=str(given.id))
        for given in OUTGOING
        if given.values[1] in purposes
        and (why := sandbox_case(str(given.values[0]))["disbursement"]["outcomes"][situation])
    ]


async def _refused(rig: Rig, wanted: Any) -> Rejected | Failed:
    result, wanted = await rig.disburse(wanted)
    end = result if isinstance(result, Rejected) else await rig.final(wanted)
    assert isinstance(end, Rejected | Failed), end
    assert await rig.lines(out=True) == []
    return end


@pytest.mark.parametrize(("code", "purpose", "why"), reported_by("no_float", *Purpose))
async def test_our_own_wallet_is_empty(rig: Rig, purpose: Purpose, why: PayerReason) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(float_balance=rig.amount.amount_minor // 2)
    end = await _refused(rig, wanted)
    assert end.reason is why
    assert end.alarm


@pytest.mark.parametrize(("code", "purpose", "why"), reported_by("unknown_payee", Purpose.PAYOUT))
async def test_a_payee_without_a_wallet(rig: Rig, purpose: Purpose, why: PayerReason) -> None:
    end = await _refused(rig, rig.disbursement(purpose, None, payee=rig.case["stranger"]))
    assert end.reason is why
    assert not end.alarm


@pytest.mark.parametrize(("code", "purpose", "why"), reported_by("limit", *Purpose))
async def test_more_than_may_be_paid(rig: Rig, purpose: Purpose, why: PayerReason) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(limit=1)
    assert (await _refused(rig, wanted)).reason is why


@every_refund_in_parts
async def test_a_part_is_given_back_and_never_more_than_was_paid(rig: Rig) -> None:
    collected = await rig.collected()
    part = part_of(rig.amount, 4)
    _, first = await rig.disburse(rig.disbursement(Purpose.REFUND, collected, part))
    report = await rig.final(first)
    assert isinstance(report, Succeeded), report
    assert report.received == part
    result, second = await rig.disburse(rig.disbursement(Purpose.REFUND, collected))
    end = result if isinstance(result, Rejected) else await rig.final(second)
    assert isinstance(end, Rejected | Failed), end
    assert len(await rig.lines(out=True)) == 1


@every_own_disbursement
@pytest.mark.parametrize("mode", ["none", "twice", "put"])
async def test_callbacks_lost_and_doubled(rig: Rig, purpose: Purpose, mode: str) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(callback={"mode": mode})
    _, wanted = await rig.disburse(wanted)
    await assert_paid_once(rig, wanted)
    hints = await rig.callbacks({"none": 0, "twice": 2, "put": 1}[mode])
    assert len(set(hints)) == (0 if mode == "none" else 1)


@every_own_disbursement
async def test_a_callback_that_is_late(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(callback={"delay_ms": 500})
    _, wanted = await rig.disburse(wanted)
    await assert_paid_once(rig, wanted)
    assert rig.country.received == []
    assert len(await rig.callbacks(1)) == 1


@every_own_disbursement
async def test_a_callback_before_the_answer(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(callback={"mode": "before_answer"})
    result, wanted = await rig.disburse(wanted)
    assert isinstance(result, Accepted), result
    assert len(rig.country.received) == 1
    await assert_paid_once(rig, wanted)


@every_own_disbursement
async def test_a_forged_callback_moves_nothing(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    await rig.order(callback={"mode": "forged"}, pending_seconds=30)
    _, wanted = await rig.disburse(wanted)
    for hints in await rig.callbacks(1):
        assert all(hint.proof is None for hint in hints)
    assert isinstance(await rig.disburser.query_disbursement(wanted), StillOpen)


@every_own_disbursement
async def test_twenty_at_once_with_callbacks_out_of_order(rig: Rig, purpose: Purpose) -> None:
    collected = await rig.collected() if purpose is Purpose.REFUND else None
    part = part_of(rig.amount, MANY)
    await rig.order(callback={"reorder": True})
    wanted = [rig.disbursement(purpose, collected, part) for _ in range(MANY)]
    taken = await asyncio.gather(*(rig.disburse(one) for one in wanted))
    assert all(isinstance(result, Accepted) for result, _ in taken), taken
    reports = await asyncio.gather(*(rig.final(one) for _, one in taken))
    assert all(isinstance(report, Succeeded) and report.received == part for report in reports), reports
    assert len(await rig.lines(out=True)) == MANY
    assert len(await rig.callbacks(MANY)) == MANY
    assert len({(request.path, request.body) for request in rig.country.received}) == MANY


@every_disbursement
async def test_nothing_secret_is_shown(rig: Rig, purpose: Purpose) -> None:
    wanted = await asked(rig, purpose)
    with capture_logs() as lines:
        result, wanted = await rig.disburse(wanted)
        report = await rig.final(wanted)
    shown = repr([lines, result, report, wanted, rig.provider, vars(rig.provider)])
    payee = rig.case["payer"] or "no payer lacks a phone"
    for hidden in (*read_file(rig.code)["hidden"], payee.removeprefix("+"), payee[4:]):
        assert hidden not in shown, hidden


@pytest.mark.parametrize("code", [code for code, can in ABILITIES.items() if can.has_balance])
async def test_balances(rig: Rig, code: str) -> None:
    currency, country = rig.amount.currency, rig.case["country"]
    empty = await rig.teller.balance(Wallet.COLLECTION, currency, country)
    assert isinstance(empty, Balance), empty
    await rig.collected()
    full = await rig.teller.balance(Wallet.COLLECTION, currency, country)
    assert isinstance(full, Balance)
    assert full.available == empty.available + rig.amount
    if rig.can.pays_from_float:
        before = await rig.teller.balance(Wallet.DISBURSEMENT, currency, country)
        assert isinstance(before, Balance)
        purpose = Purpose.PAYOUT if rig.can.can_pay_out else Purpose.REFUND
        _, wanted = await rig.disburse(await asked(rig, purpose))
        await rig.final(wanted)
        after = await rig.teller.balance(Wallet.DISBURSEMENT, currency, country)
        assert isinstance(after, Balance)
        assert after.available + rig.amount == before.available
    await rig.warm()
    await rig.order(latency_ms=1500)
    with impatient(0.3):
        assert isinstance(await rig.teller.balance(Wallet.COLLECTION, currency, country), Unavailable)


@pytest.mark.parametrize("code", [code for code, can in ABILITIES.items() if can.knows_holders])
async def test_who_has_a_wallet(rig: Rig, code: str) -> None:
    assert await rig.checker.holder_active(rig.case["payer"]) is True
    assert await rig.checker.holder_active(rig.case["stranger"]) is False
    await rig.order(latency_ms=1500)
    with impatient(0.3):
        assert await rig.checker.holder_active(rig.case["payer"]) is None
