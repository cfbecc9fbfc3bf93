"""Overlays as a process shows them, over a voting service in memory."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from gateway.contests.rounds import Round
from leaderboard.overlay import live
from leaderboard.overlay.live import OnAir
from leaderboard.overlay.rules import Overlay, View
from tests.demo import demo_contest
from tests.rigs.voting_service import NOON, FakeVotingService


class Kept:
    """A state in memory, in place of a row."""

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self.reads = 0

    async def read(self, _: UUID, __: object) -> Overlay:
        self.reads += 1
        return self.overlay


def opened(service: FakeVotingService, overlay: Overlay) -> tuple[OnAir, Kept]:
    kept = Kept(overlay)
    return OnAir(cast(Any, kept), service, b"secret"), kept


async def votes(on_air: OnAir, service: FakeVotingService) -> list[int]:
    picture = await on_air.picture(service.shown[0], lambda key, **_: key)
    return [row["votes"] for row in picture["rows"]]


async def test_an_earlier_round_is_shown_whatever_is_frozen_or_late() -> None:
    rounds = (
        Round(1, "Half", NOON - timedelta(days=2), NOON - timedelta(days=1)),
        Round(2, "Final", NOON - timedelta(hours=1), NOON + timedelta(hours=1)),
    )
    service = FakeVotingService(replace(demo_contest(), rounds=rounds, _by_code={}))
    on_air, kept = opened(service, Overlay(View.BOARD, places=2))
    for chosen, about in ((0, "Final"), (1, "Half"), (2, "Final")):
        on_air, kept = opened(service, replace(kept.overlay, round=chosen))
        assert (await on_air.picture(service.shown[0], lambda key, **_: key))["about"] == about


async def test_figures_are_remembered_while_no_overlay_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TICK_SECONDS", 0.0)
    service = FakeVotingService(scores=1)
    on_air, _ = opened(service, Overlay(View.BOARD, places=1, delay_seconds=10))
    assert await votes(on_air, service) == [12]
    loop = asyncio.create_task(on_air.run())
    for scores in (2, 3):
        service.pass_time(10)
        service.version += 1
        service.scores = {code: count + 12 for code, count in service.scores.items()}
        for _ in range(5):
            await asyncio.sleep(0)
        assert await votes(on_air, service) == [12 * (scores - 1)]
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop


async def test_however_many_watch_a_state_is_read_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    service = FakeVotingService(scores=1)
    on_air, kept = opened(service, Overlay(View.BOARD, places=1))
    for _ in range(50):
        await votes(on_air, service)
    assert kept.reads == 1
    monkeypatch.setattr(live, "STATE_SECONDS", -1.0)
    kept.overlay = Overlay(View.BOARD, places=3)
    assert await votes(on_air, service) == [12, 11, 10]
