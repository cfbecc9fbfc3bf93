"""What changes when a document is applied to a contest, and what must not change.

A candidate's code is permanent: it is neither changed nor given to another candidate, also after that candidate was
withdrawn. Who proposed themselves get theirs once they are approved; until then they have a number. No candidate is
deleted: one that the document does not name stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from gateway.contests.codes import CodesUsedUp, form_fault, next_code, usual_width
from gateway.contests.contest import Candidate, CandidateStatus, Contest, ContestState, is_code
from gateway.values.money import Money

# What money was already taken for.
_FIXED: Final = {"organiser_id": "organiser", "country": "country", "currency": "currency"}
_NOT_COMPARED: Final = frozenset(
    {
        "id",
        "version",
        "brand",
        "candidates",
        "_by_code",
        "rules_version",
        "organiser_id",
        "country",
        "slug",
        "suspended",
        "reopens_at",
        "blackout",
    }
)


class ChangeRefused(Exception):
    """The document asks for changes that are not allowed; a sentence a line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate as the document has it. `id`: of an existing candidate, needed to correct a
    name. `code` None: the next free one. `category`, `text`, `reason` None: as they are."""

    name: str
    status: CandidateStatus
    id: UUID | None = None
    code: str | None = None
    photo_url: str | None = None
    category: str | None = None
    text: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changes. `before` None: it is new."""

    what: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Move:
    """A candidate comes to another state or name. `before` None: the candidate is new. `reason`: as the document has
    it. `former_name`: of one who comes to another name."""

    candidate: Candidate
    before: CandidateStatus | None
    reason: str
    former_name: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`contest`: as it will be. `added` and `changed`: candidates to write. `moves`: those of them that come to another
    state or name. `untouched`: codes that the document does not name. `new`: there is no such contest yet."""

    contest: Contest
    changes: tuple[Change, ...]
    added: tuple[Candidate, ...]
    changed: tuple[Candidate, ...]
    untouched: tuple[str, ...]
    new: bool
    moves: tuple[Move, ...] = ()


def plan(held: Contest | None, wanted: Contest, entries: Sequence[Entry]) -> Plan:
    """The way from a contest as it is (None: not yet) to a document. `wanted`: without candidates; its id
    counts only where there is none yet. Raises ChangeRefused and changes nothing."""
    named = dict.fromkeys(entry.category for entry in entries if entry.category)
    wanted = replace(wanted, categories=tuple(dict.fromkeys([*wanted.categories, *named])), _by_code={})
    base = wanted if held is None else replace(wanted, id=held.id, version=held.version, state=held.state, _by_code={})
    ranking = () if held is None else held.candidates
    faults = [] if held is None else [*_moved(held, base)]
    resolved = _Resolver(base, ranking)
    for entry in entries:
        resolved.take(entry)
    resolved.give_codes()
    faults += resolved.faults
    if base.check_digits:
        lacking = [c.code for c in ranking if c.has_code and form_fault(c.code, check_digits=True)]
        if lacking and held is not None and not held.check_digits:
            faults.append(f"check digits cannot begin now: {', '.join(lacking[:3])} was given without one")
    if faults:
        raise ChangeRefused("\n".join(faults))
    people = tuple(sorted(resolved.people.values(), key=lambda c: c.code))
    changes = (*_of_contest(held, base), *resolved.changes)
    version = base.version + 1 if changes else base.version
    result = replace(base, candidates=people, version=version, _by_code={})
    untouched = tuple(code for code in resolved.people if code not in resolved.named)
    moves = tuple(resolved.moves)
    return Plan(result, changes, tuple(resolved.added), tuple(resolved.changed), untouched, held is None, moves)


def _moved(held: Contest, wanted: Contest) -> Iterator[str]:
    # Nothing was sold for a draft yet.
    fixed = {"organiser_id": "organiser"} if held.state is ContestState.DRAFT else _FIXED
    for name, word in fixed.items():
        if getattr(held, name) != getattr(wanted, name):
            yield f"the {word} of a contest cannot change: make a new contest"


def _of_contest(held: Contest | None, wanted: Contest) -> Iterator[Change]:
    if held is None:
        yield Change("contest", None, wanted.name)
        return
    for field in fields(Contest):
        before, after = getattr(held, field.name), getattr(wanted, field.name)
        if field.name not in _NOT_COMPARED and before != after:
            yield Change(field.name, _shown(before), _shown(after))


def _shown(value: object) -> str:
    if isinstance(value, Money):
        return value.spoken()
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}"
    if isinstance(value, Mapping):
        value = tuple(f"{key}: {text}" for key, text in value.items())
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    return str("" if value is None else value) or "none"


class _Resolver:
    """Finds the candidate that each entry means."""

    def __init__(self, contest: Contest, ranking: Sequence[Candidate]) -> None:
        self._contest = contest
        self._by_id = {c.id: c for c in ranking}
        self.people = {c.code: c for c in ranking}
        self.named: set[str] = set()
        self.faults: list[str] = []
        self.changes: list[Change] = []
        self.added: list[Candidate] = []
        self.changed: list[Candidate] = []
        self.moves: list[Move] = []

    def take(self, entry: Entry) -> None:
        """Check one entry; a fault is noted."""
        held = self._meant(entry)
        if isinstance(held, str):
            self.faults.append(held)
            return
        code = held.code if held is not None else entry.code or self._next()
        if code is None:
            return
        if code in self.named:
            self.faults.append(f"code {code} is in the document twice")
            return
        self.named.add(code)
        if held is None:
            self._add(code, entry)
        else:
            self._change(held, entry)

    def give_codes(self) -> None:
        """Give a code to those whose nomination is approved; the last step, when every code that is named is known."""
        for place, person in enumerate(self.changed):
            if person.eligible and not person.has_code and (code := self._next()) is not None:
                self.changed[place] = self.people[code] = replace(person, code=code)
                del self.people[person.code]
                self.changes.append(Change(f"candidate {person.code} code", "none", code))

    def _meant(self, entry: Entry) -> Candidate | str | None:
        """The existing candidate, or a fault, or None for a new one."""
        if entry.id is not None:
            found = self._by_id.get(entry.id)
            if found is None:
                return f"no candidate of this contest has the id {entry.id}: leave the id out for a new one"
            if entry.code not in (None, found.code):
                return f"the code of {found.name} is {found.code} for ever, not {entry.code}"
            return found
        if entry.code is None:
            # Without a code and without an id only the name shows that the document was applied before.
            same = [c for c in self._by_id.values() if c.name == entry.name]
            return same[0] if len(same) == 1 else None
        holder = self.people.get(entry.code)
        if holder is None or holder.id not in self._by_id or holder.name == entry.name:
            return holder
        return (
            f"code {entry.code} is {holder.name}'s and never {entry.name}'s;"
            f" to correct the name, keep the id from `spotlight contest export`"
        )

    def _next(self) -> str | None:
        used, check_digits = self.people.keys(), self._contest.check_digits
        try:
            return next_code(used, usual_width(used, check_digits=check_digits), check_digits=check_digits)
        except CodesUsedUp as error:
            self.faults.append(str(error))
            return None

    def _add(self, code: str, entry: Entry) -> None:
        nominated = not is_code(code) and entry.status is CandidateStatus.SUBMITTED
        fault = None if nominated else form_fault(code, check_digits=self._contest.check_digits)
        if fault is not None:
            self.faults.append(f"code {code} ({entry.name}) {fault.value}")
            return
        # An id made of the code: a code belongs to one person for ever.
        made = Candidate(uuid5(self._contest.id, code), code, entry.name)
        person = _as_in(made, entry)
        self.people[code] = person
        self.added.append(person)
        self._move(None, person, person.reason)
        self.changes.append(Change(f"candidate {code}", None, f"{entry.name} ({entry.status.value})"))

    def _change(self, held: Candidate, entry: Entry) -> None:
        wanted = _as_in(held, entry)
        for name in ("name", "status", "photo_url", "category", "text", "reason"):
            before, after = getattr(held, name), getattr(wanted, name)
            if before != after:
                self.changes.append(
                    Change(f"candidate {held.code} {name}", str(before or "none"), str(after or "none"))
                )
        if wanted.name != held.name and held.public:
            self.moves.append(Move(wanted, wanted.status, "", held.name))
        if wanted.status is not held.status:
            self._move(held.status, wanted, entry.reason or "")
        if wanted != held:
            self.people[held.code] = wanted
            self.changed.append(wanted)

    def _move(self, before: CandidateStatus | None, wanted: Candidate, reason: str) -> None:
        if wanted.status is CandidateStatus.EVICTED and not reason:
            self.faults.append(f"candidate {wanted.code} is evicted without a reason")
        self.moves.append(Move(wanted, before, reason))


def _as_in(held: Candidate, entry: Entry) -> Candidate:
    kept = {name: getattr(entry, name) for name in ("category", "text", "reason") if getattr(entry, name) is not None}
    since = held.evicted_at if entry.status is CandidateStatus.EVICTED else None
    return replace(held, name=entry.name, status=entry.status, photo_url=entry.photo_url, evicted_at=since, **kept)
