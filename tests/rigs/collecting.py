"""A provider whose calls take as long as a test likes, and what tests of collecting look at."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from payments.collection.claims import read_secrets
from payments.collection.collect import Collector
from payments.collection.verify import Verifier
from payments.provider import Collection, CreateResult
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import ScriptedProvider

MTN = "mtn_momo"


@dataclass
class GatedProvider(ScriptedProvider):
    """Answers a creation once its gate is open, and knows how many are in progress."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    in_progress: int = 0
    most: int = 0
    begun: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.gate.set()

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        self.in_progress += 1
        self.most = max(self.most, self.in_progress)
        self.begun.put_nowait(collection.reference)
        await self.gate.wait()
        self.in_progress -= 1
        return await super().create(collection, otp)


async def ordered(rig: Rig, many: int, start: int = 0) -> None:
    for number in range(start, start + many):
        await rig.placed(number=f"+22505{number:08d}")


async def drained(collector: Collector | Verifier) -> int:
    total = 0
    while done := await collector.step():
        total += done
    return total


async def states(rig: Rig) -> dict[tuple[str, str], int]:
    rows = await rig.rows("select provider, status, count(*) as many from payments group by 1, 2")
    return {(row.provider, row.status): row.many for row in rows}


async def kept(rig: Rig) -> Mapping[str, str]:
    (row,) = await rig.rows("select reference, secrets_cipher from payments")
    return read_secrets(rig.vault, row.reference, row.secrets_cipher)
