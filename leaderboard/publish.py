"""Show what was counted: totals from PostgreSQL into the feed that every gateway reads."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from leaderboard.scores import ScoreFeed, ScoreStore


async def publish_scores(
    counted: Mapping[UUID, Sequence[tuple[str, int]]], *, scores: ScoreStore, feed: ScoreFeed
) -> None:
    """Publish the totals of these contests; `counted`: candidate code and votes just counted."""
    for found in await scores.scores(list(counted)):
        await feed.publish(found, counted[found.contest_id])


async def heal_scores(*, scores: ScoreStore, feed: ScoreFeed) -> int:
    """Refill what the feed lacks or has older than PostgreSQL; how many contests were behind."""
    behind = 0
    for found in await scores.scores():
        held = await feed.version(found.contest_id)
        if held is None or held < found.version:
            await feed.publish(found, ())
            behind += 1
    return behind
