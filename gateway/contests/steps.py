"""From a draft to the archive: which step a contest may take, and what it changes."""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from gateway.contests.changes import Change, ChangeRefused, Plan
from gateway.contests.contest import Contest, ContestState, Phase


class Step(StrEnum):
    """What an organiser does with a contest as a whole."""

    PUBLISH = "publish"
    CLOSE = "close"  # now, between two rounds too, and not at the hour that was announced
    ARCHIVE = "archive"


_DONE = {Step.PUBLISH: Phase.OPEN, Step.CLOSE: Phase.CLOSED, Step.ARCHIVE: Phase.ARCHIVED}


def stepped(contest: Contest, step: Step, now: datetime) -> Plan | None:
    """What the step changes; None where the contest is there already. Raises ChangeRefused."""
    phase = contest.phase_at(now)
    if phase is _DONE[step] or (step is Step.PUBLISH and phase is Phase.COMING):
        return None
    match step, phase:
        case Step.PUBLISH, Phase.DRAFT:
            return _changed(replace(contest, state=ContestState.PUBLISHED, _by_code={}), "state", phase, "published")
        case Step.CLOSE, Phase.OPEN | Phase.COMING if contest.opens_at < now:
            # Those that would begin later never do.
            begun = (one for one in contest.rounds if one.opens_at < now)
            rounds = tuple(replace(one, closes_at=min(one.closes_at, now)) for one in begun)
            closed = replace(contest, closes_at=now, rounds=rounds, _by_code={})
            return _changed(closed, "closes_at", contest.closes_at.isoformat(), now.isoformat())
        case Step.ARCHIVE, Phase.CLOSED | Phase.COMING if phase is Phase.CLOSED or now <= contest.opens_at:
            # One that has not opened is called off so. Its opening stays: by it numbers behind a shared code are given.
            return _changed(replace(contest, state=ContestState.ARCHIVED, _by_code={}), "state", phase, "archived")
    raise ChangeRefused(_REFUSED[step])


# To publish again what is over would sell votes behind a result that was announced.
_REFUSED = {
    Step.PUBLISH: "only a draft is published; this contest is over",
    Step.CLOSE: "only a contest that has opened and is not over is closed; one that has not opened is archived",
    Step.ARCHIVE: "only a contest that is closed, or has not opened, is archived",
}


def _changed(contest: Contest, what: str, before: str, after: str) -> Plan:
    raised = replace(contest, version=contest.version + 1, _by_code={})
    return Plan(raised, (Change(what, before, after),), (), (), (), new=False)
