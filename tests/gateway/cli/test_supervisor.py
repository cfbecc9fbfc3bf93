"""Children are kept running, and end with everything they started."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.supervisor import Backoff, Child, Program, describe_exit, end_marked
from tests.gateway.cli.processes import gone

FAMILY = """
import pathlib, subprocess, sys, time
other_group = subprocess.Popen(["sleep", "600"], process_group=0)
pathlib.Path(sys.argv[1]).write_text(str(other_group.pid))
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The loop that the launcher has: with children, uvloop now and then never closes."""
    return "asyncio", {"use_uvloop": False}


class Stage:
    """One child under supervision and all that was printed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.printed: list[str] = []
        self.task: asyncio.Task[None] | None = None
        self.child: Child | None = None

    def keep(self, script: str, *arguments: str, **environment: str) -> Child:
        program = Program(
            "dummy", (sys.executable, "-c", script, *arguments), {"PATH": os.environ["PATH"], **environment}
        )
        self.child = Child(program, self.directory / "logs", self.printed.append, lambda: None)
        self.child.backoff = Backoff(first=0.05, longest=0.2)
        self.task = asyncio.create_task(self.child.keep())
        return self.child

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.02)

    def times(self, line: str) -> int:
        return sum(printed == line for printed in self.printed)

    async def close(self) -> None:
        if self.child:
            self.child.kill()
        if self.task:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    yield made
    await made.close()


async def test_a_killed_child_is_restarted_and_its_family_ended(stage: Stage) -> None:
    note = stage.directory / "grandchild"
    child = stage.keep(FAMILY, str(note))
    await stage.until(lambda: stage.times("dummy   | up") == 1)
    first, grandchild = child.pid, int(note.read_text())
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await stage.until(lambda: stage.times("dummy   | up") == 2)
    assert gone(grandchild)
    assert child.pid not in (None, first)
    assert "dummy died (by SIGKILL); starting it again" in stage.printed


async def test_stop_ends_the_family_too(stage: Stage) -> None:
    note = stage.directory / "grandchild"
    child = stage.keep(FAMILY, str(note))
    await stage.until(lambda: "dummy   | up" in stage.printed)
    await child.stop()
    assert stage.task
    await stage.task
    assert child.pid is None
    assert gone(int(note.read_text()))
    assert not any("died" in line for line in stage.printed)


async def test_who_does_not_go_is_ended_by_force(stage: Stage) -> None:
    child = stage.keep(STUBBORN)
    await stage.until(lambda: "dummy   | up" in stage.printed)
    await child.stop(seconds=0.3)
    assert child.pid is None
    assert any("by force" in line for line in stage.printed)


async def test_words_are_shown_and_kept(stage: Stage) -> None:
    child = stage.keep(
        "import sys; print('one'); print('two', file=sys.stderr); sys.stdout.write('three'); sys.exit(3)"
    )
    await stage.until(lambda: child.deaths >= 2)
    assert {"dummy   | one", "dummy   | two", "dummy   | three"} <= set(stage.printed)
    assert any(line.startswith("dummy died (exit status 3)") for line in stage.printed)
    assert (stage.directory / "logs" / "dummy.log").read_text().count("one") >= 2


async def test_a_line_without_end_does_not_fill_the_memory(stage: Stage) -> None:
    stage.keep("import sys, time; sys.stdout.write('x' * 300_000); sys.stdout.flush(); time.sleep(600)")
    await stage.until(lambda: any(len(line) > 60_000 for line in stage.printed))
    assert max(map(len, stage.printed)) < 200_000


async def test_a_log_that_cannot_be_written_is_reported_once(stage: Stage) -> None:
    (stage.directory / "logs").mkdir()
    (stage.directory / "logs" / "dummy.log").mkdir()
    stage.keep("import time\nfor n in range(3): print(n, flush=True); time.sleep(0.05)\ntime.sleep(600)")
    await stage.until(lambda: "dummy   | 2" in stage.printed)
    assert sum("cannot be written" in line for line in stage.printed) == 1


async def test_a_program_that_is_not_there_is_tried_again(stage: Stage) -> None:
    child = stage.keep("")
    child._program = Program("dummy", ("/nowhere/at/all",), {})
    await stage.until(lambda: child.deaths >= 2)
    assert any("could not be started" in line for line in stage.printed)


async def test_what_carries_the_mark_is_found_and_ended(stage: Stage) -> None:
    mark = str(stage.directory)
    child = stage.keep(FAMILY, str(stage.directory / "grandchild"), SPOTLIGHT_TEST_MARK=mark)
    await stage.until(lambda: "dummy   | up" in stage.printed)
    child._stopping = True
    assert await asyncio.to_thread(end_marked, "SPOTLIGHT_TEST_MARK", mark) == 2
    assert await asyncio.to_thread(end_marked, "SPOTLIGHT_TEST_MARK", mark) == 0


def test_backoff_doubles_to_its_longest_and_forgets_after_a_long_life() -> None:
    backoff = Backoff()
    assert [backoff.after(life=0.1) for _ in range(7)] == [0, 1, 2, 4, 8, 15, 15]
    assert backoff.after(life=30) == 0
    assert backoff.after(life=0.1) == 1


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit status 0"), (2, "exit status 2"), (-9, "by SIGKILL"), (-63, "by signal 63")]
)
def test_an_exit_status_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
