"""What the container builds: the daily reconciliation beside the sweeper, and acts about money."""

import asyncio
from functools import partial
from typing import Any

import pytest

from gateway.runtime.accounts import statement_reader
from gateway.runtime.container import Container, open_command
from gateway.runtime.deployment import Environment
from gateway.runtime.process import DailyReconciliation, GatewayContainer, ProcessContainer, WorkerContainer
from gateway.runtime.settings import Settings, SettingsError
from gateway.storage.doorbell import Work
from payments.reconciliation.balances import Balances
from payments.reconciliation.statement_format import StatementUnreadable
from payments.requests import Act
from tests.gateway.cli.test_contest import MTN
from tests.payments.reconciliation.reconciling import statement


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


async def test_a_worker_of_production_wants_a_key_of_its_own_for_the_logs(settings: Settings) -> None:
    production = settings.model_copy(update={"env": Environment.PRODUCTION})
    with pytest.raises(SettingsError, match="SPOTLIGHT_LOG_KEY"):
        WorkerContainer(production)


async def test_a_command_builds_only_what_it_uses(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTN_MOMO_BASE_URL", "https://a.real.operator")  # in a demo: reading the book does not mind
    async with open_command(settings) as container:
        assert await container.book.balances(None, at=None, contest=None) == []
        assert await container.acts.run_approved() == 0
        assert {"engine", "vault", "book", "acts"} <= set(vars(container))
        assert not {"accounts", "providers", "reconciler", "sign_in"} & set(vars(container))
        with pytest.raises(SettingsError, match="MTN_MOMO"):
            _ = container.reconciler


@pytest.mark.parametrize("role", [GatewayContainer, WorkerContainer])
@pytest.mark.parametrize(
    ("name", "value"),
    [("MTN_MOMO_BASE_URL", "https://a.real.operator"), ("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", "60")],
)
async def test_a_wrong_setting_stops_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, role: type[ProcessContainer], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="MTN_MOMO"):
        role(settings)


async def test_the_back_office_shares_all_but_the_connections_to_the_database(settings: Settings) -> None:
    async with GatewayContainer(settings) as container:
        office = container.back_office
        assert office.engine is not container.engine
        assert (office.accounts, office.doorbell, office.vault) == (
            container.accounts,
            container.doorbell,
            container.vault,
        )


async def test_what_was_made_last_is_closed_first(settings: Settings) -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        closed.append(name)

    async with Container(settings, name="test") as container:
        for name in ("engine", "provider", "collector"):
            container.close_later(partial(close, name))
    assert closed == ["collector", "provider", "engine"]


def test_an_account_reads_by_its_operator_and_one_without_words_as_the_simulated_ones() -> None:
    read = statement_reader()
    row: dict[str, Any] = {"our_reference": "x"}
    for account in ("mtn_momo@cm", "pawapay"):
        (line,) = read(account, "a.csv", statement(dict(row))).lines
        assert line.our_reference == "x"
    with pytest.raises(StatementUnreadable):
        read("pawapay", "a.csv", b"Id,Amount,Date\n")
