"""Every provider takes money from its operator over real HTTP, on good days and bad ones.

Driven by capabilities and the section `sandbox` of the case file. The operator must obey these orders:
`autopay`, `autodecline`, `balances`, `limit`, `expire_after_seconds`, `latency_ms`, `request`
(`drop_before`, `drop_after`, `error_500` and `error_500_registered`, `too_many`, `garbage`), `status`
(`unknown_word`, `garbage`, `http_503_seconds`, `rate_limit_per_second`) and `callback`.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from payments.provider import (
    Accepted,
    Collection,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Recovery,
    Redirect,
    Rejected,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)
from tests.contracts.provider_cases import REGISTRATIONS, read_file
from tests.contracts.sandbox_rig import (
    Rig,
    abilities,
    has_sandbox_case,
    impatient,
    is_push,
    rig_for,
    sandbox_case,
    with_handle,
)

CODES = [code for code in sorted(REGISTRATIONS) if has_sandbox_case(code)]
ABILITIES = {code: abilities(code) for code in CODES}
SITUATIONS = {"declined", "no_funds", "unknown_payer", "limit", "not_answered"}
ORDERED: dict[str, dict[str, Any]] = {
    "declined": {"autodecline": True},
    "no_funds": {"autopay": True},
    "limit": {"autopay": True, "limit": 1},
    "not_answered": {"expire_after_seconds": 0.05},
}
OUTGOING_SITUATIONS = {"no_float", "unknown_payee", "limit"}
every_provider = pytest.mark.parametrize("code", CODES)
every_push = pytest.mark.parametrize("code", [code for code in CODES if is_push(ABILITIES[code])])
every_askable = pytest.mark.parametrize(
    "code", [code for code in CODES if ABILITIES[code].recovery is not Recovery.ABANDON]
)
MANY = 20


@pytest.fixture
async def rig(code: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_for(code, tmp_path) as opened:
        yield opened


def test_every_case_file_says_how_its_operator_is_met() -> None:
    for code in REGISTRATIONS:
        assert has_sandbox_case(code), code
        case = sandbox_case(code)
        assert set(case["outcomes"]) == SITUATIONS, code
        if ABILITIES[code].can_refund or ABILITIES[code].can_pay_out:
            assert set(case["disbursement"]["outcomes"]) == OUTGOING_SITUATIONS, code


async def asked(rig: Rig, **faults: Any) -> tuple[Any, Collection]:
    await rig.order(**faults)
    return await rig.create(rig.new_collection())


async def assert_paid_once(rig: Rig, wanted: Collection) -> None:
    report = await rig.final(wanted)
    assert isinstance(report, Succeeded), report
    assert report.received == wanted.amount
    lines = await rig.lines(out=False)
    assert len(lines) == 1
    assert {str(wanted.reference), wanted.order_code} & set(lines[0].values())


async def assert_reported(rig: Rig, situation: str, wanted: Collection, result: Any) -> Failed | Rejected:
    reported = rig.case["outcomes"][situation]
    end = result if isinstance(result, Rejected) else await rig.final(wanted)
    assert isinstance(end, Rejected | Failed), end
    assert end.reason is PayerReason(reported)
    assert not end.alarm
    assert await rig.lines(out=False) == []
    return end


@every_push
async def test_the_payer_approves_on_the_phone(rig: Rig) -> None:
    result, wanted = await asked(rig)
    assert isinstance(result, Accepted), result
    before = await rig.wallet()
    await rig.country.prompt(rig.case["payer"])
    assert isinstance(await rig.provider.query(wanted), StillOpen)
    await rig.country.phone("prompt", {"pin": "0000"}, rig.case["payer"])
    await assert_paid_once(rig, wanted)
    assert await rig.wallet() == before - int(rig.amount.plain())


@every_provider
async def test_it_is_paid_and_called_back(rig: Rig) -> None:
    result, wanted = await asked(rig, autopay=True)
    assert isinstance(result, Accepted | Redirect), result
    await assert_paid_once(rig, wanted)
    hints = await rig.callbacks(1, wanted.secrets)
    assert [bool(found) for found in hints] == [True]
    assert rig.country.received[0].path == rig.callback_path(wanted)


@pytest.mark.parametrize(
    ("code", "situation"),
    [(code, situation) for code in CODES for situation in ORDERED if sandbox_case(code)["outcomes"][situation]],
)
async def test_not_paid(rig: Rig, situation: str) -> None:
    faults = ORDERED[situation]
    if situation == "no_funds":
        faults = {**faults, "balances": {rig.case["payer"]: 0}}
    result, wanted = await asked(rig, **faults)
    end = await assert_reported(rig, situation, wanted, result)
    if situation == "not_answered":
        assert getattr(end, "expired", True)


@every_push
async def test_a_payer_without_a_wallet(rig: Rig) -> None:
    await rig.order(autopay=True)
    result, wanted = await rig.create(rig.new_collection(payer=rig.case["stranger"]))
    await assert_reported(rig, "unknown_payer", wanted, result)


@every_askable
async def test_cut_before_it_was_taken_in(rig: Rig) -> None:
    await rig.warm()
    result, wanted = await asked(rig, request={"drop_before": True}, autopay=True)
    assert isinstance(result, Unknown), result
    await rig.order(autopay=True)
    assert isinstance(await rig.provider.query(wanted), NotFound)
    result, wanted = await rig.create(wanted)
    assert isinstance(result, Accepted | Redirect), result
    await assert_paid_once(rig, wanted)


@every_askable
async def test_cut_after_the_money_moved(rig: Rig) -> None:
    result, wanted = await asked(rig, request={"drop_after": True}, autopay=True)
    assert isinstance(result, Unknown), result
    await rig.order(autopay=True)
    await assert_paid_once(rig, wanted)
    if rig.can.recovery is Recovery.SEARCH:
        # Asked again it would make a second one: that is why it is searched for first.
        return
    again, wanted = await rig.create(wanted)
    assert isinstance(again, Accepted | Redirect), again
    assert getattr(again, "already_there", True)
    await assert_paid_once(rig, wanted)


@every_provider
@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "garbage"])
async def test_a_lost_answer_is_not_known(rig: Rig, fault: str) -> None:
    await rig.warm()
    result, _ = await asked(rig, request={fault: True})
    assert isinstance(result, Unknown), result


@every_provider
async def test_an_answer_that_takes_too_long(rig: Rig) -> None:
    await rig.warm()
    prepared = await rig.prepared(rig.new_collection())
    await rig.order(latency_ms=1500, autopay=True)
    with impatient(0.5):
        result = await rig.provider.create(prepared)
        report = await rig.provider.query(with_handle(prepared))
    assert isinstance(result, Unknown), result
    assert isinstance(report, Unavailable), report
    if rig.can.recovery is not Recovery.ABANDON:
        await assert_paid_once(rig, prepared)


@every_provider
@pytest.mark.parametrize("registered", [False, True])
async def test_the_operator_breaks(rig: Rig, registered: bool) -> None:
    broken = {"error_500": "INTERNAL_PROCESSING_ERROR", "error_500_registered": registered}
    result, wanted = await asked(rig, request=broken, autopay=True)
    assert isinstance(result, Unknown), result
    await rig.order(autopay=True)
    if rig.can.recovery is Recovery.ABANDON:
        return
    if not registered:
        assert isinstance(await rig.provider.query(wanted), NotFound)
        _, wanted = await rig.create(wanted)
    await assert_paid_once(rig, wanted)


@every_provider
async def test_too_many_at_the_request(rig: Rig) -> None:
    result, wanted = await asked(rig, request={"too_many": True}, autopay=True)
    assert isinstance(result, NotSent), result
    assert not result.alarm
    await rig.order(autopay=True)
    _, wanted = await rig.create(wanted)
    await assert_paid_once(rig, wanted)


@every_provider
async def test_questions_that_are_not_answered(rig: Rig) -> None:
    _, wanted = await asked(rig, autopay=True)
    await rig.final(wanted)
    await rig.order(status={"garbage": True})
    assert isinstance(await rig.provider.query(wanted), Unavailable)
    await rig.order(status={"unknown_word": True})
    assert isinstance(await rig.provider.query(wanted), StillOpen)
    await rig.order(status={"http_503_seconds": 60})
    down = await rig.provider.query(wanted)
    assert isinstance(down, Unavailable)
    assert not down.throttled
    await rig.order(status={"http_503_seconds": 0, "rate_limit_per_second": 1})
    reports = await asyncio.gather(*(rig.provider.query(wanted) for _ in range(4)))
    throttled = [report for report in reports if isinstance(report, Unavailable)]
    assert throttled
    assert all(report.throttled for report in throttled)
    await rig.order()
    await assert_paid_once(rig, wanted)


@every_provider
@pytest.mark.parametrize("mode", ["none", "twice", "put"])
async def test_callbacks_lost_and_doubled(rig: Rig, mode: str) -> None:
    _, wanted = await asked(rig, autopay=True, callback={"mode": mode})
    await assert_paid_once(rig, wanted)
    hints = await rig.callbacks({"none": 0, "twice": 2, "put": 1}[mode], wanted.secrets)
    assert len(set(hints)) == (0 if mode == "none" else 1)


@every_provider
async def test_a_callback_that_is_late(rig: Rig) -> None:
    _, wanted = await asked(rig, autopay=True, callback={"delay_ms": 500})
    await assert_paid_once(rig, wanted)
    assert rig.country.received == []
    assert len(await rig.callbacks(1, wanted.secrets)) == 1


@every_push
async def test_a_callback_before_the_answer(rig: Rig) -> None:
    result, wanted = await asked(rig, autopay=True, callback={"mode": "before_answer"})
    assert isinstance(result, Accepted), result
    assert len(rig.country.received) == 1
    await assert_paid_once(rig, wanted)


@every_provider
async def test_a_forged_callback_proves_nothing(rig: Rig) -> None:
    _, wanted = await asked(rig, callback={"mode": "forged"})
    for hints in await rig.callbacks(1, wanted.secrets):
        assert all(hint.proof is None for hint in hints)
    assert isinstance(await rig.provider.query(wanted), StillOpen)
    assert await rig.lines(out=False) == []


@every_provider
async def test_twenty_at_once_with_callbacks_out_of_order(rig: Rig) -> None:
    await rig.order(autopay=True, callback={"reorder": True})
    taken = await asyncio.gather(*(rig.create(rig.new_collection()) for _ in range(MANY)))
    assert all(isinstance(result, Accepted | Redirect) for result, _ in taken), taken
    reports = await asyncio.gather(*(rig.final(one) for _, one in taken))
    assert all(isinstance(report, Succeeded) and report.received == rig.amount for report in reports), reports
    assert len(await rig.lines(out=False)) == MANY
    assert len(await rig.callbacks(MANY)) == MANY
    assert len({(request.path, request.body) for request in rig.country.received}) == MANY


@every_provider
async def test_nothing_secret_is_shown(rig: Rig) -> None:
    with capture_logs() as lines:
        result, wanted = await asked(rig, autopay=True)
        report = await rig.final(wanted)
    shown = repr([lines, result, report, wanted, rig.provider, vars(rig.provider)])
    payer = rig.case["payer"] or "no payer lacks a phone"
    for hidden in (*read_file(rig.code)["hidden"], *wanted.secrets.values(), payer.removeprefix("+"), payer[4:]):
        assert hidden not in shown, hidden
