"""From a draft to the archive: what each step does in each phase."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.contests.changes import ChangeRefused
from gateway.contests.contest import Contest, ContestState, Phase
from gateway.contests.steps import Step, stepped
from tests.demo import demo_contest

BEFORE, DURING, AFTER = (datetime(year, 6, 1, tzinfo=UTC) for year in (2025, 2026, 2029))
MOMENTS = {Phase.COMING: BEFORE, Phase.OPEN: DURING, Phase.CLOSED: AFTER, Phase.DRAFT: DURING, Phase.ARCHIVED: AFTER}


def in_phase(phase: Phase) -> Contest:
    """A contest that is in this phase at its moment."""
    states = {Phase.DRAFT: ContestState.DRAFT, Phase.ARCHIVED: ContestState.ARCHIVED}
    contest = replace(demo_contest(), state=states.get(phase, ContestState.PUBLISHED), _by_code={})
    assert contest.phase_at(MOMENTS[phase]) is phase
    return contest


@pytest.mark.parametrize(
    ("step", "phase", "after"),
    [
        (Step.PUBLISH, Phase.DRAFT, Phase.OPEN),
        (Step.CLOSE, Phase.OPEN, Phase.CLOSED),
        (Step.ARCHIVE, Phase.COMING, Phase.ARCHIVED),
        (Step.ARCHIVE, Phase.CLOSED, Phase.ARCHIVED),
    ],
)
def test_a_step_leads_on(step: Step, phase: Phase, after: Phase) -> None:
    contest, now = in_phase(phase), MOMENTS[phase]
    made = stepped(contest, step, now)
    assert made is not None
    assert made.contest.phase_at(now) is after
    assert made.contest.version == contest.version + 1
    assert made.contest.candidates == contest.candidates
    assert len(made.changes) == 1


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        (Step.PUBLISH, Phase.COMING),
        (Step.PUBLISH, Phase.OPEN),
        (Step.CLOSE, Phase.CLOSED),
        (Step.ARCHIVE, Phase.ARCHIVED),
    ],
)
def test_a_step_that_was_taken_changes_nothing(step: Step, phase: Phase) -> None:
    assert stepped(in_phase(phase), step, MOMENTS[phase]) is None


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        (Step.PUBLISH, Phase.CLOSED),
        (Step.PUBLISH, Phase.ARCHIVED),
        (Step.CLOSE, Phase.DRAFT),
        (Step.CLOSE, Phase.ARCHIVED),
        (Step.ARCHIVE, Phase.DRAFT),
        (Step.CLOSE, Phase.COMING),
        (Step.ARCHIVE, Phase.OPEN),
    ],
)
def test_no_step_leads_anywhere_else(step: Step, phase: Phase) -> None:
    with pytest.raises(ChangeRefused):
        stepped(in_phase(phase), step, MOMENTS[phase])
