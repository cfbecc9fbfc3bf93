"""Count what is confirmed: batches of one contest at a time, then show the new totals."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog

from payments.settlement.port import Settlement

BATCH: Final = 1_000
_log = structlog.get_logger(__name__)

Show = Callable[[Mapping[UUID, Sequence[tuple[str, int]]]], Awaitable[None]]


async def settle_payments(*, settlement: Settlement, show: Show) -> int:
    """Settle one batch and give back what cannot count; how many payments were decided.

    `show` is told after the commit and may fail: whoever reads totals from PostgreSQL sees them.
    """
    batch = await settlement.settle_batch(BATCH)
    given_back = await settlement.give_back_batch(BATCH)
    if batch is None:
        return given_back
    _log.info("settled", contest=str(batch.contest_id), counted=len(batch.counted), other=batch.other)
    if batch.counted:
        await show({batch.contest_id: batch.counted})
    return len(batch.counted) + batch.other + given_back
