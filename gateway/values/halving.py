"""A batch that fails because of one of its members: find that one, and do the others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def of_a_server(error: Exception) -> bool:
    """Whether an error passes by itself, as far as rules can say: no server is to be reached."""
    return isinstance(error, OSError)


@dataclass
class Halved(Generic[T, R]):
    """What became of a batch. `results`: of the parts that succeeded; `broken`: members that fail alone, with
    their error; `given_up`: so many failed, and none succeeded, that the rest was not tried."""

    results: list[R] = field(default_factory=list)
    broken: list[tuple[T, Exception]] = field(default_factory=list)
    given_up: bool = False


async def in_halves(
    batch: Sequence[T],
    act: Callable[[Sequence[T]], Awaitable[R]],
    passes: Callable[[Exception], bool],
    give_up_after: int | None = None,
) -> Halved[T, R]:
    """Act on a batch; where that fails, on its halves, down to single members. `act` must be safe to repeat.

    `passes`: whether an error passes by itself, such as a server that does not answer: it is raised. `give_up_after`:
    once so many members failed, and none succeeded, the fault is not theirs."""
    found: Halved[T, R] = Halved()
    parts = [batch] if batch else []
    while parts:
        part = parts.pop()
        try:
            found.results.append(await act(part))
        except Exception as error:
            if passes(error):
                raise
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            found.broken.append((part[0], error))
            if len(found.broken) == give_up_after and not found.results:
                found.given_up = True
                return found
    return found
