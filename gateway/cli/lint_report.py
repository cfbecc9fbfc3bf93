"""A lint report and a plan of changes, for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterator
from typing import Final

from channels.lint import LanguageSeen, Level, Report
from channels.ussd.menu.session import SEPTETS_MAX
from gateway.contests.changes import Plan

WIDTH: Final = 79
_INDENT: Final = " " * 4


def lines(report: Report) -> Iterator[str]:
    """The whole report: names, screens, texts, and last the findings, which are then still in view."""
    yield f"== {report.contest} =="
    yield from _names(report)
    for language in report.languages:
        yield from _screens(language)
        yield from _texts(language)
    yield from _headed(f"{report.contest}: findings")
    for finding in report.findings:
        yield from _wrapped(f"{finding.level.value:<8} {finding.about}: {finding.text}", " " * 9)
    counts = {level: sum(finding.level is level for finding in report.findings) for level in Level}
    yield f"{counts[Level.ERROR]} errors, {counts[Level.WARNING]} warnings"


def _names(report: Report) -> Iterator[str]:
    yield from _headed("names on a phone, where they differ")
    same = 0
    for name in report.names:
        stand_ins = ", ".join(f"{c} becomes {stand or 'nothing'}" for c, stand in name.replaced.items())
        cut = [name.shown] if name.shown == name.listed else [name.shown, f"in a list: {name.listed}"]
        if not stand_ins and name.name == name.listed:
            same += 1
            continue
        facts = "; ".join([*cut, *([stand_ins] if stand_ins else [])])
        yield from _wrapped(f"{name.code or 'contest':<7} {name.name}: {facts}", " " * 8)
    yield f"{same} names stay as they are"


def _screens(seen: LanguageSeen) -> Iterator[str]:
    yield from _headed(f"{seen.language}: {len(seen.screens)} screens, septets of {SEPTETS_MAX}")
    for screen in seen.screens:
        yield from _quoted(f"{screen.septets:>3}/{SEPTETS_MAX}  {screen.path}", screen.text)


def _texts(seen: LanguageSeen) -> Iterator[str]:
    yield from _headed(f"{seen.language}: {len(seen.texts)} texts at their longest")
    for text in seen.texts:
        cost = "" if text.cost is None else f", {text.cost.spoken()}"
        yield from _quoted(f"{text.parts} {'part' if text.parts == 1 else 'parts'}{cost}  {text.kind}", text.text)


def _headed(title: str) -> tuple[str, str]:
    return "", f"-- {title} --"


def _quoted(title: str, text: str) -> Iterator[str]:
    yield ""
    yield title
    for line in text.split("\n"):
        yield from _wrapped(_INDENT + line, _INDENT)


def _wrapped(text: str, hanging: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=hanging, break_on_hyphens=False) or [""]


def plan_lines(plan: Plan, *, dry_run: bool) -> Iterator[str]:
    """What a document changes, or would change."""
    slug, version = plan.contest.slug, plan.contest.version
    for change in plan.changes:
        yield f"{slug}: {change.what}: {change.after if change.before is None else f'{change.before} → {change.after}'}"
    if plan.untouched:
        yield f"{slug}: not in the document, stays: {', '.join(sorted(plan.untouched))}"
    if not plan.changes:
        yield f"{slug}: nothing changes"
    elif dry_run:
        yield f"{slug}: would be version {version}; nothing was changed"
    else:
        yield f"{slug}: version {version}"
        yield f"look at it: spotlight contest lint {slug}"
