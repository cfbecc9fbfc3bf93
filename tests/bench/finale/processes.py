"""Processor time that the processes of a product took, by what they are."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import psutil

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
# In `/proc/<pid>/stat` behind the name: time of the process itself, then of its children that ended.
_OWN: Final = slice(11, 13)
_WITH_ENDED_CHILDREN: Final = slice(11, 15)


@dataclass(frozen=True)
class Part:
    """One process of the product, or with what it started: a server's connections, a worker's jobs."""

    pid: int
    with_children: bool = True

    def seconds(self) -> float:
        """Processor time by now."""
        if not self.with_children:
            return _ticks(self.pid, _OWN) / _TICKS_A_SECOND
        pids = [self.pid]
        with contextlib.suppress(psutil.NoSuchProcess):
            pids += [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
        return sum(_ticks(pid, _WITH_ENDED_CHILDREN) for pid in pids) / _TICKS_A_SECOND


def _ticks(pid: int, which: slice) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return sum(map(int, file.read().rpartition(b")")[2].split()[which]))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def spent(parts: Mapping[str, Part]) -> dict[str, float]:
    """Seconds by name."""
    return {name: part.seconds() for name, part in parts.items()}


def since(before: Mapping[str, float], parts: Mapping[str, Part]) -> dict[str, float]:
    """Seconds since `before`, by name."""
    return {name: now - before.get(name, 0.0) for name, now in spent(parts).items()}
