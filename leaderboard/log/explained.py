"""Whether acts of staff explain how rules became others than those that were published."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from leaderboard.log.public_rules import FORMULA

Acts = Collection[tuple[str, str | None, str]]
"""What the audit log says of changes, in their order: what changed, before, after."""

_FIELDS: Final = ("name", "category", "status")
# What is no rule of `gateway.contests.rules`; the price is one, with its currency.
_OTHERWISE: Final = frozenset({"format", "candidates"})
# What a document says of a rule that the contest does not have.
_LEFT_OUT: Final = {"formula": FORMULA}
_OF_CONTEST: Final = ("name", "country")


def unexplained(
    published: Mapping[str, Any], now: Mapping[str, Any], rules: Mapping[str, Any], acts: Acts
) -> list[str]:
    """A sentence for each difference that no act explains. `rules`: the newest version that an act wrote."""
    latest = {what: after for what, _, after in acts}
    faults = []
    for name in sorted({*published, *now} - _OTHERWISE):
        before, after = published.get(name), now.get(name)
        if before == after:
            continue
        written = latest.get(name) if name in _OF_CONTEST else rules.get(name, _LEFT_OUT.get(name))
        if written != after:
            faults.append(f"{name} is {after!r}, was published as {before!r}, and no act changed it")
    before_all, after_all = _people(published), _people(now)
    given = {after for what, _, after in acts if what.endswith(" code")}
    for code in sorted({*before_all, *after_all}):
        before, after = before_all.get(code), after_all.get(code)
        if before is None or after is None:
            if not ({f"candidate {code}", f"candidate {code} status"} & latest.keys() or code in given):
                faults.append(f"candidate {code} {'appeared' if before is None else 'is gone'}, and no act says so")
            continue
        faults += [
            f"candidate {code} has the {field} {after[field]!r}, was published with {before[field]!r}, and no act "
            "changed it"
            for field in _FIELDS
            if before[field] != after[field] and latest.get(f"candidate {code} {field}") != (after[field] or "none")
        ]
    return faults


def renamed_without_act(older: Mapping[str, Any], newer: Mapping[str, Any], acts: Acts) -> list[str]:
    """A sentence for each candidate whose name is another one in the newer of two documents, by no act."""
    before, after = _people(older), _people(newer)
    known = {(what, new) for what, _, new in acts}
    return [
        f"candidate {code} was {before[code]['name']!r} and became {one['name']!r}, and no act changed it"
        for code, one in sorted(after.items())
        if code in before
        and before[code]["name"] != one["name"]
        and (f"candidate {code} name", one["name"]) not in known
    ]


def _people(document: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    return {one["code"]: one for one in document["candidates"]}
