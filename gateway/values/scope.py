"""To whose data a person or a statement is limited."""

from uuid import UUID

Scope = UUID | None
"""The organiser to whom a person is limited; None: all organisers."""


class OneContest(UUID):
    """The organiser of a person who reads one of its contests. It is a UUID, so that statements that know organisers
    alone still show nothing of another one; row-level security then leaves the contest's rows."""

    __slots__ = ("contest",)
    contest: UUID

    def __init__(self, organiser: UUID, contest: UUID) -> None:
        super().__init__(int=organiser.int)
        object.__setattr__(self, "contest", contest)


def sees(scope: Scope, *, organiser: UUID | None, contest: UUID | None) -> bool:
    """Whether a contest of an organiser, or what is an organiser's or the platform's as a whole, is within a scope."""
    return scope in (None, organiser) and not (isinstance(scope, OneContest) and scope.contest != contest)
