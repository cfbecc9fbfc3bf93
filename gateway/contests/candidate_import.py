"""A file of candidates becomes entries of a plan: what each line says, and every fault with its line and column.

The first line names the columns, in French or English, in any order. Only `name` is needed. A line with the name of an
existing candidate, or with their code and name, is about them: what its cells leave empty stays as it is. Every other
line is a new candidate, with the code that it names or the next free one. One whose name looks like another's is
submitted, and a person decides.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Final

from gateway.contests.candidate_rules import (
    CATEGORIES_MAX,
    LENGTH_MAX,
    Column,
    FieldFault,
    field_fault,
    move_fault,
    tidy,
)
from gateway.contests.changes import Entry
from gateway.contests.codes import CodesUsedUp, FormFault, form_fault, free_codes
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.values.names import outline, same_name
from gateway.values.tables import Cell, Row, TableUnreadable, is_xlsx, rows_of

CSV_BYTES_MAX: Final = 2 << 20
XLSX_BYTES_MAX: Final = 10 << 20
ROWS_MAX: Final = 5_000
_NAMES: Final[Mapping[Column, str]] = {
    Column.CODE: "code codes number no n num numero candidatecode codecandidat codeducandidat numerodecode dossard",
    Column.NAME: "name nom names noms candidate candidat candidatename fullname nomcomplet nomducandidat"
    " nometprenom nometprenoms nomprenom nomprenoms prenometnom prenomsetnom artiste artist",
    Column.CATEGORY: "category categorie categories group groupe ville town city discipline",
    Column.TEXT: "text texte presentation description bio biography biographie about apropos",
    Column.PHOTO: "photo photourl picture image imageurl lienphoto urlphoto photoaddress adressedelaphoto",
    Column.STATUS: "status statut state etat",
}
_COLUMN_OF: Final = {word: column for column, words in _NAMES.items() for word in words.split()}
_STATUSES: Final = {
    CandidateStatus.SUBMITTED: "submitted waiting pending soumis soumise enattente propose proposee",
    CandidateStatus.APPROVED: "approved accepted yes approuve approuvee accepte acceptee valide validee oui",
    CandidateStatus.REJECTED: "rejected refused no rejete rejetee refuse refusee non",
    CandidateStatus.WITHDRAWN: "withdrawn retire retiree",
    CandidateStatus.EVICTED: "evicted eliminated elimine eliminee evince evincee",
}
_STATUS_OF: Final = {word: status for status, words in _STATUSES.items() for word in words.split()}


class RowFault(StrEnum):
    """Why a line, or a whole file, is not taken; beside the faults of fields, codes and tables. Each has a phrase."""

    NO_NAME_COLUMN = "no_name_column"
    COLUMN_TWICE = "column_twice"
    NO_ROWS = "no_rows"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_CELLS = "too_many_cells"
    CODE_TWICE = "code_twice"
    CODE_TAKEN = "code_taken"
    CODES_USED_UP = "codes_used_up"
    NAME_TWICE = "name_twice"
    NAME_HELD = "name_held"
    UNKNOWN_STATUS = "unknown_status"
    TOO_MANY_CATEGORIES = "too_many_categories"


CODE_FAULTS: Final[Mapping[FormFault, str]] = {fault: f"code_{fault.name.lower()}" for fault in FormFault}
"""Names of the phrases of faults of a code's form."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`line`: where it stands in the file, from 1. `column`: as the file names it. `kind`: name of its phrase, which
    takes `about`."""

    line: int
    column: str
    kind: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A sound line. `alike`: whose name looks like this one, so that the candidate is only submitted."""

    line: int
    entry: Entry
    new: bool
    alike: str = ""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file as read. `rows`: how many lines of candidates it has; `ignored`: columns that we do not know."""

    rows: int
    lines: Sequence[Line]
    faults: Sequence[Fault]
    ignored: Sequence[str]

    @property
    def entries(self) -> list[Entry]:
        """What the sound lines ask for."""
        return [line.entry for line in self.lines]


Table = Sequence[tuple[int, Row]] | TableUnreadable
"""The numbered rows of a file, or why it has none."""


def unpack(data: bytes, encoding: str | None = None) -> Table:
    """The rows of a CSV or XLSX file, as many as one may have and one more. `encoding`: of text that is not UTF-8, as
    its sender declared it. It may take seconds."""
    size_max = XLSX_BYTES_MAX if is_xlsx(data) else CSV_BYTES_MAX
    try:
        return list(islice(rows_of(data, size_max=size_max, encoding=encoding), ROWS_MAX + 2))
    except TableUnreadable as error:
        return error


def read_table(rows: Table, contest: Contest) -> ReadFile:
    """The candidates in a file, for this contest. A file that cannot be read has one fault."""
    if isinstance(rows, TableUnreadable):
        return _whole(f"table_{rows.fault.value}")
    if not rows:
        return _whole(RowFault.NO_ROWS)
    (number, head), body = rows[0], rows[1:]
    columns: dict[Column, int] = {}
    ignored: list[str] = []
    faults: list[Fault] = []
    for place, cell in enumerate(head):
        written = _text(cell)
        column = _COLUMN_OF.get(_bare(written))
        if column is None:
            ignored += [written] if written else []
        elif column in columns:
            faults.append(Fault(number, written, RowFault.COLUMN_TWICE, column.value))
        else:
            columns[column] = place
    if Column.NAME not in columns:
        faults.append(Fault(number, Column.NAME.value, RowFault.NO_NAME_COLUMN))
    if not faults and not body:
        faults.append(Fault(number, Column.NAME.value, RowFault.NO_ROWS))
    if len(body) > ROWS_MAX:
        faults.append(Fault(body[-1][0], Column.NAME.value, RowFault.TOO_MANY_ROWS, str(ROWS_MAX)))
    if faults:
        return ReadFile(len(body), [], faults, ignored)
    return read_rows(columns, head, body, contest, ignored)


def read_rows(
    columns: Mapping[Column, int],
    head: Row,
    body: Sequence[tuple[int, Row]],
    contest: Contest,
    ignored: Sequence[str] = (),
) -> ReadFile:
    """Numbered rows, whose columns are known. `head`: what the columns are called."""
    reader = _Reader(contest, columns, head)
    reader.read(body)
    return ReadFile(len(body), reader.lines, sorted(reader.faults, key=lambda fault: fault.line), ignored)


def read_form(typed: Mapping[Column, str], contest: Contest) -> ReadFile:
    """A new candidate as typed into a form: one line, by the rules of a file. Who is there already is a fault."""
    head = tuple(column.value for column in typed)
    row = tuple(typed.values())
    found = read_rows({column: place for place, column in enumerate(typed)}, head, [(1, row)], contest)
    for line in found.lines:
        if not line.new:
            about = f"{line.entry.code} {line.entry.name}"
            return ReadFile(1, [], [Fault(1, Column.NAME.value, RowFault.NAME_HELD, about)], ())
    return found


def _whole(kind: str) -> ReadFile:
    return ReadFile(0, [], [Fault(1, Column.NAME.value, kind)], [])


def _bare(text: str) -> str:
    """Letters and figures only, without case and accents; `n°` is `no`."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("°", "o"))
    return "".join(sign for sign in plain if sign.isalnum())


def _text(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


class _Refused(Exception):
    def __init__(self, column: Column, kind: str, about: str = "") -> None:
        super().__init__(kind)
        self.column, self.kind, self.about = column, kind, about


class _Reader:
    """Reads lines one after the other, and knows the values of those before."""

    def __init__(self, contest: Contest, columns: Mapping[Column, int], head: Row) -> None:
        self._contest = contest
        self._columns = columns
        self._head = {column: _text(head[place]) for column, place in columns.items()}
        self._width = len(head)
        self._held = {same_name(person.name): person for person in contest.candidates}
        self._outlines = {
            outline(person.name): person
            for person in contest.candidates
            if person.status is not CandidateStatus.REJECTED
        }
        self._categories = set(contest.categories)
        self._codes_in: dict[str, int] = {}
        self._codes_named: set[str] = set()
        self._names_in: dict[str, int] = {}
        self._outlines_in: dict[str, tuple[str, int]] = {}
        self.lines: list[Line] = []
        self.faults: list[Fault] = []

    def read(self, rows: Sequence[tuple[int, Row]]) -> None:
        """Every line; new ones without a code get theirs last, when all codes that are named are known."""
        if (place := self._columns.get(Column.CODE)) is not None:
            self._codes_named = {_code(row[place]) for _, row in rows if place < len(row)}
        for number, row in rows:
            try:
                self.lines.append(self._line(number, row))
            except _Refused as refused:
                column = self._head.get(refused.column, refused.column.value)
                self.faults.append(Fault(number, column, refused.kind, refused.about))
        self._give_codes()

    def _give_codes(self) -> None:
        waiting = [place for place, line in enumerate(self.lines) if line.new and line.entry.code is None]
        used = {person.code for person in self._contest.candidates} | {
            code for code in self._codes_named if form_fault(code, check_digits=self._contest.check_digits) is None
        }
        try:
            codes = free_codes(used, len(waiting), check_digits=self._contest.check_digits)
        except CodesUsedUp:
            first = self.lines[waiting[0]].line
            self.faults.append(Fault(first, Column.CODE.value, RowFault.CODES_USED_UP))
            return
        for place, code in zip(waiting, codes, strict=True):
            line = self.lines[place]
            self.lines[place] = replace(line, entry=replace(line.entry, code=code))

    def _line(self, number: int, row: Row) -> Line:
        if any(_text(cell) for cell in row[self._width :]):
            raise _Refused(Column.NAME, RowFault.TOO_MANY_CELLS, str(self._width))
        cells = {
            column: "" if place >= len(row) else _code(row[place]) if column is Column.CODE else _text(row[place])
            for column, place in self._columns.items()
        }
        given = {column: tidy(column, text) for column, text in cells.items()}
        for column in (Column.NAME, Column.CATEGORY, Column.TEXT, Column.PHOTO):
            if (fault := field_fault(column, given.get(column, ""))) is not None:
                about = str(LENGTH_MAX[column]) if fault is FieldFault.TOO_LONG else ""
                raise _Refused(column, fault.value, about)
        name, status = given[Column.NAME], self._status(given.get(Column.STATUS, ""))
        self._check_category(given.get(Column.CATEGORY, ""))
        held = self._meant(given.get(Column.CODE, ""), name)
        if status is not None:
            was, shown = (held.status, held.public) if held else (CandidateStatus.SUBMITTED, False)
            if (stays := move_fault(was, status, "", has_votes=shown)) is not None:
                raise _Refused(Column.STATUS, f"move_{stays.value}")
        self._note(number, given.get(Column.CODE, "") if held is None else held.code, name)
        more = {
            key: given.get(column) or None
            for key, column in (("photo_url", Column.PHOTO), ("category", Column.CATEGORY), ("text", Column.TEXT))
        }
        if held is not None:
            photo = more.pop("photo_url") or held.photo_url
            entry = Entry(name, status or held.status, held.id, held.code, photo, more["category"], more["text"])
            return Line(number, entry, new=False)
        alike = self._looks_like(number, name)
        wanted = status or CandidateStatus.APPROVED
        if alike and wanted is CandidateStatus.APPROVED:
            wanted = CandidateStatus.SUBMITTED
        code = given.get(Column.CODE) or None
        entry = Entry(name, wanted, None, code, more["photo_url"], more["category"], more["text"])
        return Line(number, entry, True, alike)

    def _status(self, typed: str) -> CandidateStatus | None:
        if not typed:
            return None
        found = _STATUS_OF.get(_bare(typed))
        if found is None:
            raise _Refused(Column.STATUS, RowFault.UNKNOWN_STATUS, _visible(typed))
        return found

    def _check_category(self, category: str) -> None:
        if category and category not in self._categories:
            if len(self._categories) >= CATEGORIES_MAX:
                raise _Refused(Column.CATEGORY, RowFault.TOO_MANY_CATEGORIES, str(CATEGORIES_MAX))
            self._categories.add(category)

    def _meant(self, code: str, name: str) -> Candidate | None:
        """The existing candidate; None for a new one."""
        namesake = self._held.get(same_name(name))
        if not code:
            return namesake
        holder = self._contest.candidate(code)
        if holder is None and (fault := form_fault(code, check_digits=self._contest.check_digits)) is not None:
            raise _Refused(Column.CODE, CODE_FAULTS[fault], _visible(code))
        if holder is not None and same_name(holder.name) != same_name(name):
            raise _Refused(Column.CODE, RowFault.CODE_TAKEN, f"{code} {holder.name}")
        if holder is None and namesake is not None:
            raise _Refused(Column.NAME, RowFault.NAME_HELD, namesake.called)
        return holder

    def _note(self, number: int, code: str, name: str) -> None:
        """Keep the values of this line, unless an earlier one has them."""
        if code and code in self._codes_in:
            raise _Refused(Column.CODE, RowFault.CODE_TWICE, str(self._codes_in[code]))
        if (earlier := self._names_in.get(same_name(name))) is not None:
            raise _Refused(Column.NAME, RowFault.NAME_TWICE, str(earlier))
        if code:
            self._codes_in[code] = number
        self._names_in[same_name(name)] = number

    def _looks_like(self, number: int, name: str) -> str:
        seen = outline(name)
        person, earlier = self._outlines.get(seen), self._outlines_in.setdefault(seen, (name, number))
        if person is not None:
            return person.called
        return "" if earlier[1] == number else earlier[0]


def _code(cell: Cell) -> str:
    """A code; spreadsheets keep 07 as the number 7."""
    text = _text(cell)
    return text.zfill(2) if isinstance(cell, int | float) and not isinstance(cell, bool) else text


def _visible(text: str) -> str:
    """What was typed, for a sentence about it."""
    return "".join(sign for sign in text if sign.isprintable())[:40]
