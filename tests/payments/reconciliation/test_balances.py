"""An operator's balances against the book."""

from payments.ledger.differences import DifferenceKind
from payments.provider import Wallet
from payments.reconciliation.rules import Repair
from tests.payments.reconciliation.reconciling import AWA, Reconciling
from tests.payments.reconciliation.reconciling import service as service


async def test_balances(service: Reconciling) -> None:
    await service.counted()
    service.provider.held = {Wallet.COLLECTION: 500, Wallet.DISBURSEMENT: 10_000}
    collects, pays = await service.reconciler.check_balances()
    assert (collects.gap_minor, pays.gap_minor) == (0, 10_000)
    (found,) = await service.differences.differences()
    assert (found.kind, found.wallet) == (DifferenceKind.BALANCE, Wallet.DISBURSEMENT)
    service.provider.held[Wallet.DISBURSEMENT] = 9_000
    await service.reconciler.check_balances()
    (found,) = await service.differences.differences()
    assert found.amount_minor == 9_000
    await service.repaired(found.id, Repair.FROM_BANK, person=AWA, reason="what we put in")
    assert [c.gap_minor for c in await service.reconciler.check_balances()] == [0, 0]
    assert (await service.account("operator_float"), await service.account("bank")) == (9_000, -9_000)
    service.provider.held[Wallet.COLLECTION] = 400
    assert (await service.reconciler.check_balances())[0].gap_minor == -85  # 3 % may be fees of no statement yet
    service.provider.held[Wallet.COLLECTION] = 500
    await service.reconciler.check_balances()
    assert await service.kinds() == []
    assert await service.rig.one("select count(*) from balance_checks") == 10
    assert await service.rig.broken() == {}


async def test_an_operator_that_says_nothing_is_no_difference(service: Reconciling) -> None:
    service.provider.held = {Wallet.COLLECTION: None, Wallet.DISBURSEMENT: None}
    assert [c.gap_minor for c in await service.reconciler.check_balances()] == [None, None]
    assert await service.kinds() == []


async def test_once_a_day(service: Reconciling) -> None:
    await service.reconciler.daily()
    await service.reconciler.daily()
    assert await service.rig.one("select count(*) from balance_checks") == 2
