"""Text voters whose dialogue was cut off after they chose a candidate: once, and only while it helps."""

from typing import Final, Protocol

NUDGE_BATCH: Final = 200


class UnfinishedStore(Protocol):
    """Dialogues that ended after a candidate was chosen."""

    async def nudge_batch(self, limit: int) -> int:
        """Decide about those that are old enough (`channels.messages.nudge`), and owe a text to whom it is
        due, in one transaction; how many were decided."""
        ...


async def nudge_voters(*, unfinished: UnfinishedStore) -> int:
    """One batch; how many were decided."""
    return await unfinished.nudge_batch(NUDGE_BATCH)
