"""What `spotlight contest lint` finds: plain values, in the order in which they are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.values.money import Money


class Level(StrEnum):
    """An error keeps votes from being sold or sells them wrongly; a warning asks for a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `about`: the part of the contest that it is in, one word; `text`: for the command line; `kind`: which
    fault it is, for pages, which say it in their own words with `values`."""

    level: Level
    about: str
    text: str
    kind: str
    values: Mapping[str, object] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ScreenSeen:
    """A screen that a voter can reach. `path`: what to type for it, first the service code."""

    path: str
    text: str
    septets: int


@dataclass(frozen=True, slots=True)
class TextSeen:
    """A text at its longest. `cost`: of all its parts; None where no price was given."""

    kind: str
    text: str
    parts: int
    cost: Money | None


@dataclass(frozen=True, slots=True)
class NameSeen:
    """A name as phones show it. `listed`: in a list; `replaced`: characters that the alphabet lacks."""

    code: str
    name: str
    shown: str
    listed: str
    replaced: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LanguageSeen:
    """All screens and texts in one language."""

    language: str
    screens: tuple[ScreenSeen, ...]
    texts: tuple[TextSeen, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one contest."""

    contest: str
    names: tuple[NameSeen, ...]
    languages: tuple[LanguageSeen, ...]
    findings: tuple[Finding, ...]

    def has(self, level: Level) -> bool:
        """Whether there is a finding of this level."""
        return any(finding.level is level for finding in self.findings)


def error(about: str, text: str, kind: str, **values: object) -> Finding:
    """A finding that must be mended."""
    return Finding(Level.ERROR, about, text, kind, values)


def warning(about: str, text: str, kind: str, **values: object) -> Finding:
    """A finding that should be looked at."""
    return Finding(Level.WARNING, about, text, kind, values)
