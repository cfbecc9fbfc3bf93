"""Every provider can find out whether its operator is there, and moves no money by it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from payments.provider import OutProber, Prober
from tests.contracts.provider_cases import REGISTRATIONS, build, operator, read_file, token_turn
from tests.contracts.sandbox_rig import Rig, impatient, rig_for

CODES = sorted(REGISTRATIONS)
every_provider = pytest.mark.parametrize("code", CODES)


@pytest.fixture
async def rig(code: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_for(code, tmp_path) as opened:
        yield opened


def prober(rig: Rig) -> Prober:
    assert isinstance(rig.provider, Prober)
    return rig.provider


@every_provider
async def test_an_operator_on_a_good_day_is_alive_and_nothing_is_asked_of_anybody(rig: Rig) -> None:
    for _ in range(3):
        assert await prober(rig).alive() is True
    assert await rig.lines(out=False) == await rig.lines(out=True) == []
    assert rig.country.received == []


@every_provider
async def test_an_operator_that_is_down_is_not_and_comes_back(rig: Rig) -> None:
    await rig.warm()
    await rig.order(status={"http_503_seconds": 60})
    assert await prober(rig).alive() is False
    await rig.order(status={"http_503_seconds": 0})
    assert await prober(rig).alive() is True


@every_provider
async def test_an_operator_that_is_slow_is_not(rig: Rig) -> None:
    await rig.warm()
    await rig.order(latency_ms=1500)
    with impatient(0.3):
        assert await prober(rig).alive() is False


@every_provider
async def test_no_listener_is_no_life(code: str) -> None:
    # Nothing listens on the port of the discard service.
    provider = build(code, {"base_url": "http://127.0.0.1:9"})
    try:
        assert await cast(Prober, provider).alive() is False
    finally:
        await provider.aclose()


@every_provider
@pytest.mark.parametrize("status", [401, 403])
async def test_an_account_that_is_refused_is_not(code: str, status: int) -> None:
    with operator(*token_turn(read_file(code))) as router:
        router.route().mock(return_value=httpx.Response(status, json={}))
        provider = build(code)
        try:
            assert await cast(Prober, provider).alive() is False
        finally:
            await provider.aclose()


async def test_what_pays_out_is_probed_apart_from_what_collects(tmp_path: Path) -> None:
    async with rig_for("mtn_momo", tmp_path) as rig:
        assert isinstance(rig.provider, OutProber)
        assert await rig.provider.alive_out() is True
        assert await rig.lines(out=False) == await rig.lines(out=True) == []
    with operator(*token_turn(read_file("mtn_momo"))) as router:
        router.route(path__startswith="/disbursement").mock(return_value=httpx.Response(503, json={}))
        router.route().mock(return_value=httpx.Response(404, json={"code": "RESOURCE_NOT_FOUND"}))
        provider = build("mtn_momo")
        assert isinstance(provider, OutProber)
        try:
            assert await cast(Prober, provider).alive() is True
            assert await provider.alive_out() is False
        finally:
            await provider.aclose()
