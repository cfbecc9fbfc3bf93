"""What the container builds: the daily reconciliation beside the sweeper, and acts about money."""

import asyncio
from typing import Any

import pytest

from gateway.runtime.accounts import statement_reader
from gateway.runtime.process import DailyReconciliation, WorkerContainer
from gateway.runtime.settings import Settings
from gateway.storage.work import Work
from payments.reconciliation.balances import Balances
from payments.reconciliation.statement_format import StatementUnreadable
from payments.requests import Act
from tests.gateway.cli.test_contest import MTN
from tests.payments.reconciliation.test_reconcile import statement


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in MTN.items():
        monkeypatch.setenv(name, value)


async def test_it_runs_once_beside_others_and_ends(settings: Settings) -> None:
    async with WorkerContainer(settings) as container:
        daily = DailyReconciliation(settings, container.engine)
        await daily.start()
        first = daily._task
        await daily.start()
        assert daily._task is first is not None
        # The operator cannot be reached: nothing is kept, and the next round tries again.
        await asyncio.wait_for(first, 30)
        assert not await Balances(container.engine).checked_lately(24)
        await daily.start()
        await daily.aclose()
        assert daily._task is not None
        assert daily._task.done()


async def test_a_worker_does_acts_about_payouts(settings: Settings) -> None:
    async with WorkerContainer(settings) as container:
        assert await container.drains.drain_logged(Work.PAYOUTS) == 0
        acts = {Act.PAYOUT, Act.BENEFICIARY, Act.RECONCILE, Act.UNDO_IMPORT}
        assert acts <= set(container.acts._executors)
        assert acts <= set(container.acts.requests._previews)


def test_an_account_reads_by_its_operator_and_one_without_words_as_the_simulated_ones() -> None:
    read = statement_reader()
    row: dict[str, Any] = {"our_reference": "x"}
    for account in ("mtn_momo@cm", "pawapay"):
        (line,) = read(account, "a.csv", statement(dict(row))).lines
        assert line.our_reference == "x"
    with pytest.raises(StatementUnreadable):
        read("pawapay", "a.csv", b"Id,Amount,Date\n")
