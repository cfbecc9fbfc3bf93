"""The latest ranking of every contest, in memory."""

from gateway.contests.directory import ContestDirectory
from leaderboard.ranking import Ranking, ranking_of
from leaderboard.scores import ContestScores, Scores


class Rankings:
    """Rankings of the contests in `directory`, as `take` or `refresh` brought them last."""

    def __init__(self, directory: ContestDirectory) -> None:
        self.directory = directory
        self._latest: dict[str, Ranking] = {}

    def ranking(self, slug: str) -> Ranking:
        """The ranking as last published; before the first publication, no candidate has a vote. KeyError."""
        existing = self._latest.get(slug)
        if existing is not None:
            return existing
        contest = self.directory.by_slug(slug)
        if contest is None:
            raise KeyError(slug)
        return ranking_of(contest, 0, {})

    def take(self, scores: ContestScores) -> Ranking | None:
        """Keep newer totals; None when they change nothing."""
        contest = self.directory.by_slug(scores.slug)
        if contest is None:
            return None
        existing = self._latest.get(scores.slug)
        if existing is not None and scores.version < existing.version:
            return None
        found = ranking_of(contest, scores.version, scores.votes)
        if found == existing:
            return None
        self._latest[scores.slug] = found
        return found

    async def refresh(self, store: Scores) -> None:
        """Bring every ranking up to date, in a process that listens to no feed."""
        for scores in await store.scores():
            self.take(scores)
