"""What a stranger finds with a recount kit: the result where all is well, and the line where it is not."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.contests.contest import Candidate
from gateway.contests.jury import Sheet, SheetStatus, points_of
from gateway.values.money import EXPONENTS
from leaderboard.final import final_rankings
from leaderboard.log import merkle
from leaderboard.log.kit import recount
from leaderboard.log.kit.recount import EN, FR, Fault, Found, Unreadable, main, ranking
from leaderboard.log.leaf import ResultLeaf, RulesLeaf, read_leaf
from leaderboard.log.notes import KeyKind
from leaderboard.log.words import words_of
from leaderboard.ranking import Score, ranking_from
from tests.demo import demo_contest
from tests.fuzzing import fuzzed
from tests.leaderboard.log.kits import (
    CLOCK,
    DAY,
    JURY,
    KEY,
    LOG,
    OPENS,
    PRICE,
    RULES,
    SOLD,
    WITNESS,
    Log,
    checkpoint,
    evicted,
    kit_of,
    sealed,
    signer,
    small,
    write,
)

SMALL = small()
KIT = SMALL.kit((1, 8, 16))
LINES = len(SMALL.leaves)


def found_in(folder: Path, kit: dict[str, bytes], **asked: Any) -> Found:
    return recount.recount(write(folder, kit), **asked)


def faults(found: Found) -> list[tuple[str, int | None, str]]:
    return [(one.file, one.line, one.key) for one in found.report.faults]


def sentences(found: Found) -> str:
    for language, space in ((EN, ","), (FR, " ")):
        text = "\n".join(recount.Shown(language, space).report(found))
    return text


def test_a_kit_that_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = found_in(tmp_path, KIT)
    assert faults(found) == []
    assert [key for key, _ in found.report.remarks] == ["signatures", "opened", "certified"]
    rows = [(row.place, row.code, row.votes, row.money) for row in ranking(found.count, 0, last=True)]
    assert rows == [(1, "12", 18, 2300), (2, "07", 17, 2200), (None, "31", 18, 1800)]
    # 70 % of 18/35 and 30 % of 70/120; a corrected sheet counts in place of the one before.
    scores = [(row.points, row.score) for row in ranking(found.count, 0, last=True)]
    assert scores == [(70, Fraction(107, 200)), (50, Fraction(93, 200)), (80, 0)]
    assert (found.count.orders, found.count.back) == (20, 2)
    assert main([str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"1 +12 +Aïcha Bamba +18 +2,300 XOF +70 +53\.50 %", text)
    assert "Votes decide 70 % and the jury 30 %" in text
    assert "ALL IS WELL" in text
    assert main([str(tmp_path), "--fr"]) == 0
    assert "TOUT EST EN ORDRE" in capsys.readouterr().out


def test_the_standard_library_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without site packages, so also without `cryptography`."""
    program = tmp_path / "recount.py"
    write(tmp_path, {**KIT, "recount.py": Path(recount.__file__).read_bytes()})
    done = subprocess.run([sys.executable, "-I", "-S", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"SIGNATURES WERE NOT CHECKED" in done.stdout
    (tmp_path / "hashes").unlink()
    assert main([str(tmp_path)]) == 2
    assert "hashes" in capsys.readouterr().out
    (tmp_path / "checkpoints.txt").write_text("what\n")
    with pytest.raises(Unreadable):
        recount.recount(tmp_path)


def with_rounds(log: Log) -> None:
    rounds = [
        {"number": n, "opens_at": f"2026-09-2{n}T14:00:00Z", "closes_at": f"2026-09-2{n}T20:00:00Z", "fresh": n == 1}
        for n in (1, 2)
    ]
    log.rules({**RULES, "rounds": rounds})


# What is wrong though it is signed: the log's entries after leaf 0, and what is found, of which line.
WRONG: dict[str, tuple[Callable[[Log], object], Sequence[tuple[int, str]]]] = {
    "price": (lambda log: log.vote("07", 2, amount=PRICE), [(2, "price")]),
    "candidate": (lambda log: log.vote("08"), [(2, "candidate")]),
    "currency": (lambda log: log.vote("07", currency="EUR"), [(2, "currency")]),
    "round": (lambda log: log.vote("07", round=3), [(2, "round")]),
    "early": (lambda log: log.vote("07", time=OPENS - 1), [(2, "early")]),
    "contest": (lambda log: log.vote("07", contest="other"), [(2, "other_contest")]),
    "gap": (lambda log: log.vote("07", seq=2).vote("07", seq=3), [(2, "seq")]),
    "doubled": (lambda log: log.vote("07").vote("07", seq=1), [(3, "seq")]),
    "version": (lambda log: log.vote("07", rules=2), [(2, "names_rules")]),
    "adjusts itself": (lambda log: log.vote("07").take_back(1, adjusts=2), [(3, "adjusts_nothing")]),
    "adjusts what never was": (lambda log: log.vote("07").take_back(1, adjusts=9), [(3, "adjusts_nothing")]),
    "adjusts twice": (lambda log: log.vote("07").take_back(1).take_back(1), [(4, "adjusts_twice")]),
    "adjusts an adjustment": (
        lambda log: log.vote("07").take_back(1).take_back(1, adjusts=2),
        [(4, "adjusts_nothing")],
    ),
    "adjusts a part": (lambda log: log.vote("07", 3).take_back(1, votes=-2), [(3, "adjusts_part")]),
    "adjusts less money": (lambda log: log.vote("07").take_back(1, amount=-1), [(3, "adjusts_part")]),
    "adjusts another's": (lambda log: log.vote("07").take_back(1, candidate="12"), [(3, "adjusts_part")]),
    "price of rules that came later": (
        lambda log: log.vote("07", amount=2 * PRICE).rules({**RULES, "price_minor": 2 * PRICE}),
        [(2, "price")],
    ),
    "sealed twice": (lambda log: log.sealing().vote("07").sealing().vote("07").opening(), [(4, "sealed_again")]),
    "opened twice": (lambda log: log.sealing().vote("07").opening().opening().vote("07"), [(5, "opens_nothing")]),
    "readable inside": (
        lambda log: put_readable(log.sealing().vote("07")).opening(),
        [(4, "readable")],
    ),
    "sealed outside": (lambda log: put_sealed(log, log.vote("07").entries[0].text), [(3, "sealed_outside")]),
    "sealed under another key": (
        lambda log: put_sealed(log.sealing(), b"{}", bytes(32)).opening(),
        [(3, "hides")],
    ),
    "opened by another key": (
        lambda log: log.sealing().vote("07").opening(bytes(32)).vote("07"),
        [(4, "opens_other")],
    ),
    "hides no entry": (lambda log: put_sealed(log.sealing(), log.leaves[0].text).opening(), [(3, "hides")]),
    "hides what is padded too far": (
        lambda log: put_sealed(log.sealing(), log.vote("07").entries[0].text.ljust(513)).opening(),
        [(4, "hides")],
    ),
    "another's, hidden": (lambda log: log.sealing().vote("07", contest="other").opening(), [(3, "other_contest")]),
    "price, hidden": (lambda log: log.sealing().vote("07", 2, amount=PRICE).opening(), [(3, "price")]),
    "gap, hidden": (lambda log: log.vote("07").sealing().vote("07", seq=3).opening(), [(4, "seq")]),
    "points without a jury": (lambda log: log.jury(1, {"07": 1}), [(2, "no_jury")]),
    "points of nobody": (lambda log: judged(log).jury(1, {"08": 1}), [(3, "candidate")]),
    "too many points": (lambda log: judged(log).jury(1, {"07": 101, "31": 1}), [(3, "points")]),
    "points of another round": (lambda log: judged(log).jury(1, {"07": 1}, round=2), [(3, "round")]),
    "points by other rules": (lambda log: judged(log).jury(1, {"07": 1}, rules=1), [(3, "names_rules")]),
    "a sheet is missing": (lambda log: judged(log).jury(1, {"07": 1}).jury(1, {"07": 1}, sheet=3), [(4, "sheet")]),
    "points, hidden": (lambda log: judged(log).sealing().jury(1, {"07": 101}).opening(), [(4, "points")]),
    "points, readable": (lambda log: put_readable_points(judged(log).sealing()).opening(), [(4, "readable")]),
    "a jury comes after votes": (lambda log: judged(log.vote("07")), [(3, "formula")]),
    "result of another number": (lambda log: log.result(number=2), [(2, "result_ranking")]),
    "result with more votes": (lambda log: log.vote("07").result(votes=2), [(3, "result_ranking")]),
    "result with more money": (lambda log: log.vote("07").result(amounts={"XOF": 1}), [(3, "result_ranking")]),
    "result of others": (lambda log: log.vote("07").result(boards=boards("12")), [(3, "result_ranking")]),
    "result of other votes": (lambda log: log.vote("07", 2).result(entries=2), [(3, "result_ranking")]),
    "result after more votes": (lambda log: swap(log.vote("07").result().vote("12")), [(4, "result_ranking")]),
    "result is missing": (lambda log: drop(log.result().result()), [(2, "result")]),
    "another tie-break after votes": (
        lambda log: log.vote("07").rules({**RULES, "tie_break": "shared"}),
        [(3, "formula")],
    ),
    "first, sealed": (lambda log: log.leaves.insert(0, log.sealing().leaves.pop()), [(1, "first")]),
}


def boards(code: str) -> list[dict[str, Any]]:
    """A ranking with this candidate in front."""
    people = {one["code"]: one["name"] for one in RULES["candidates"]}
    ordered = [code, *(other for other in people if other != code)]
    places = [{"rank": n, "code": one, "name": people[one], "votes": 0} for n, one in enumerate(ordered, 1)]
    return [{"places": places}]


def swap(log: Log) -> Log:
    """The last two leaves change places."""
    log.leaves.append(log.leaves.pop(-2))
    return log


def drop(log: Log) -> Log:
    """The first result is not there."""
    del log.leaves[1]
    return log


def judged(log: Log) -> Log:
    return log.rules({**RULES, "formula": JURY})


def put_readable_points(log: Log) -> Log:
    key, log.key = log.key, None
    log.jury(1, {"07": 1}).key = key
    return log


def put_sealed(log: Log, plain: bytes, key: bytes = KEY) -> Log:
    log.leaves.append(read_leaf(sealed(plain, key)))
    return log


def put_readable(log: Log) -> Log:
    key, log.key = log.key, None
    log.vote("07").key = key
    return log


@pytest.mark.parametrize("name", WRONG)
def test_what_is_signed_and_wrong(name: str, tmp_path: Path) -> None:
    make, expected = WRONG[name]
    log = Log.new()
    make(log)
    found = found_in(tmp_path, log.kit())
    assert faults(found) == [("leaves.ndjson", line, key) for line, key in expected]
    assert sentences(found)


def test_sealed_entries_are_counted_once_they_are_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log.new().vote("07", 2).sealing().vote("12", 9).take_back(1)
    found = found_in(tmp_path, log.kit())
    assert (faults(found), found.count.closed, found.count.orders) == ([], 2, 1)
    assert "SEALED: 2 entries, from line 3 of leaves.ndjson" in (
        text := "\n".join(recount.Shown(EN, ",").report(found))
    )
    assert "ALL IS WELL so far" in text
    assert "SCELLÉ : 2 entrées" in sentences(found)
    kept = tmp_path / "kept.txt"
    kept.write_bytes((tmp_path / "checkpoints.txt").read_bytes())
    log.opening().vote("07").sealing(bytes(32)).vote("12")
    found = found_in(tmp_path, log.kit(), kept=kept)
    assert (faults(found), found.count.closed) == ([], 1), "a second hour, under another key"
    assert [(row.code, row.votes) for row in ranking(found.count, 0, last=True)] == [("12", 9), ("07", 1), ("31", 0)]
    # Whoever changes what is sealed is found without the key.
    for line in range(3, 5):
        lines = log.kit()["leaves.ndjson"].splitlines(keepends=True)
        lines[line] = lines[line].replace(b'"nonce":"', b'"nonce":"0')[: len(lines[line])]
        changed = found_in(tmp_path, {**log.kit(), "leaves.ndjson": b"".join(lines)})
        assert ("leaves.ndjson", line + 1, "changed") in faults(changed)


def test_rules_that_are_wrong(tmp_path: Path) -> None:
    log = Log.new()
    log.documents.append(b'{"name":"no rules"}')
    log.leaves.append(log.leaves[0].model_copy(update={"version": 2, "sha256": "0" * 64}))
    log.vote("nobody")  # not looked for in rules that are not known
    kit = log.kit()
    assert faults(found_in(tmp_path, kit)) == [("leaves.ndjson", 2, "rules_hash")]
    (tmp_path / "rules/2.json").unlink()
    write(tmp_path, {"rules/7.json": b"{}"})
    assert faults(recount.recount(tmp_path)) == [
        ("leaves.ndjson", 2, "rules_missing"),
        ("rules/7.json", None, "rules_extra"),
    ]
    odd_ones = [("rounds", [1]), ("candidates", 7), ("opens_at", "soon"), ("late_seconds", "much"), ("formula", "luck")]
    odd_ones += [("formula", {**JURY, "votes_percent": 71})]
    for name, odd in odd_ones:
        unreadable = found_in(tmp_path / name, Log([], []).rules({**RULES, name: odd}).kit())
        assert faults(unreadable) == [("leaves.ndjson", 1, "rules_document")]
        assert sentences(unreadable)
    none = found_in(tmp_path / "none", Log([], []).vote("07", rules=1).kit())
    assert faults(none) == [("leaves.ndjson", 1, "first"), ("leaves.ndjson", 1, "names_rules")]


def test_votes_after_the_closing_are_worth_a_remark(tmp_path: Path) -> None:
    """Paid in time, then held: they count when they are decided."""
    log = Log.new()
    log.vote("07", 4, time=OPENS + 3 * DAY)
    found = found_in(tmp_path, log.kit())
    assert faults(found) == []
    assert ("late", {"count": 1, "votes": 4, "line": 2}) in found.report.remarks


def test_rounds_show_what_they_carry_on(tmp_path: Path) -> None:
    log = Log.new()
    log.vote("07", 50)
    with_rounds(log)
    log.vote("07", 5, round=1)
    log.vote("12", 3, round=1)
    log.rules(evicted_in_round_one := evicted_rules(log), OPENS + 10 * 3_600_000)
    assert evicted_in_round_one["rounds"]
    log.vote("07", 2, round=2)
    found = found_in(tmp_path, log.kit())
    assert faults(found) == []

    def rows(number: int, *, last: bool = False) -> list[tuple[int | None, str, int]]:
        return [(row.place, row.code, row.votes) for row in ranking(found.count, number, last=last)]

    assert rows(0) == [(1, "07", 50), (2, "12", 0), (None, "31", 0)]
    assert rows(1) == [(1, "07", 5), (2, "12", 3), (3, "31", 0)]
    assert rows(2, last=True) == [(1, "07", 7), (2, "12", 3), (None, "31", 0)]


def evicted_rules(log: Log) -> dict[str, Any]:
    return evicted(json.loads(log.documents[-1]), "31")


@given(st.lists(st.tuples(st.sampled_from(["07", "12", "31"]), st.integers(1, 3)), max_size=12), st.booleans())
def test_the_ranking_is_that_of_the_pages(votes: list[tuple[str, int]], earliest: bool) -> None:
    count = recount.Count(Path(), "miss", recount.Report(), {})
    rules = {**RULES, "tie_break": "earliest" if earliest else "shared"}
    count.known.append(recount.Rules.read(json.dumps(rules).encode(), OPENS))
    for seq, (code, some) in enumerate(votes, 1):
        count.sold[0, code] += some
        count.reached[0, code] = seq
    scores = [
        Score(one, one, count.sold[0, one], count.reached.get((0, one), 0) if earliest else 0)
        for one in ("07", "12", "31")
    ]
    pages = [(row.rank, row.code, row.votes) for row in ranking_from("miss", 0, scores).entries]
    assert [(row.place, row.code, row.votes) for row in ranking(count, 0, last=True)] == pages


@given(
    votes=st.lists(st.tuples(st.sampled_from(["07", "12", "31"]), st.integers(1, 3)), max_size=9),
    points=st.lists(
        st.tuples(st.integers(1, 2), st.dictionaries(st.sampled_from(["07", "31"]), st.integers(0, 9), min_size=1))
    ),
    weight=st.integers(1, 99),
    earliest=st.booleans(),
)
def test_a_jury_decides_as_on_the_pages(
    votes: list[tuple[str, int]], points: list[tuple[int, dict[str, int]]], weight: int, earliest: bool
) -> None:
    formula = {"votes_percent": 100 - weight, "jury_percent": weight, "points_max": 100}
    rules = {**RULES, "formula": formula, "tie_break": "earliest" if earliest else "shared"}
    count = recount.Count(Path(), "miss", recount.Report(), {})
    count.known.append(recount.Rules.read(json.dumps(rules).encode(), OPENS))
    for seq, (code, some) in enumerate(votes, 1):
        count.sold[0, code] += some
        count.reached[0, code] = seq
    people = tuple(
        Candidate(uuid4(), one["code"], one["name"], category=one["category"]) for one in RULES["candidates"]
    )
    contest = replace(demo_contest(), candidates=people, jury_percent=weight, categories=("Nord", "Sud"), _by_code={})
    sheets = []
    for number, (juror, given_points) in enumerate(points, 1):
        leaf = {"sheet": number, "round": 0, "juror": juror, "points": given_points}
        count._add_sheet(number, leaf)
        confirmed = SheetStatus.CONFIRMED
        sheets.append(Sheet(uuid4(), 0, "Nord", juror, given_points, confirmed, "awa", contest.opens_at, number=number))
    summed = {code: some for (_, code), some in points_of(sheets).items()}
    sold = {code: some for (_, code), some in count.sold.items()}
    reached = {code: seq for (_, code), seq in count.reached.items()} if earliest else {}
    for shown in final_rankings(contest, sold, reached, summed):
        rows = ranking(count, 0, last=True, category=shown.category)
        assert [(row.place, row.code, row.points, row.score) for row in rows] == [
            (one.rank, one.code, one.points, one.score) for one in shown.places
        ]


NAMES = [one["name"] for one in RULES["candidates"]]
SWAPPED = {
    **RULES,
    "candidates": [
        {**one, "name": name} for one, name in zip(RULES["candidates"], (NAMES[1], NAMES[0], *NAMES[2:]), strict=True)
    ],
}
MOVED = small(sold=[*SOLD[:4], ("07", SOLD[4][1]), *SOLD[5:]])


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(MOVED, id="a vote moved"),
        pytest.param(small(sold=[*SOLD[:4], ("07", 900), *SOLD[4:]]), id="a vote added"),
        pytest.param(small(sold=[*SOLD[:4], *SOLD[5:]]), id="a vote removed"),
        pytest.param(small(sold=[*SOLD[:4], (SOLD[4][0], 900), *SOLD[5:]]), id="more votes"),
        pytest.param(small(SWAPPED), id="two names swapped"),
    ],
)
def test_a_log_that_was_made_again(again: Log, tmp_path: Path) -> None:
    """All of it made of a changed database, and signed: only what others kept shows it."""
    kept = tmp_path / "kept.txt"
    kept.write_text(checkpoint(SMALL.texts[:8]), "utf-8")
    assert faults(found_in(tmp_path, again.kit((1, 8, 16)))) == []
    found = recount.recount(tmp_path, kept=kept)
    assert faults(found) == [("kept.txt", 3, "kept")]
    assert "first 8 lines" in "\n".join(recount.Shown(EN, ",").report(found))


def test_what_somebody_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text(checkpoint(SMALL.texts[:8]), "utf-8")
    assert faults(found_in(tmp_path, KIT, kept=kept)) == []
    again = MOVED.kit((1, 8, 16))
    # Four words on a photo are enough.
    words = Path(recount.__file__).parent.parent / "words.txt"
    for kit, noted, result in ((KIT, 9, 0), (KIT, 99, 1), (again, 9, 1)):
        write(tmp_path, {**kit, "words.txt": words.read_bytes()})
        four = words_of(merkle.root([merkle.leaf_hash(leaf) for leaf in SMALL.texts[:9]]))
        assert main([str(tmp_path), "--words", str(noted), *four]) == result
    with pytest.raises(SystemExit):
        main(["--words", "a", *four])
    # One whose earlier checkpoints were left shows it by itself, and between which lines.
    left = {**again, "checkpoints.txt": KIT["checkpoints.txt"]}
    assert faults(found_in(tmp_path, left)) == [("checkpoints.txt", 10, "root")]
    assert found_in(tmp_path, left).report.faults[0].values == {"first": 2, "last": 8}
    # One that is shorter than it was, one of another contest.
    kept.write_text(checkpoint(SMALL.texts), "utf-8")
    assert faults(found_in(tmp_path / "short", small_of(20), kept=kept)) == [("leaves.ndjson", 20, "short")]
    other = signer("vote.example/c/other/log", KeyKind.NOTE, 1)
    kept.write_text(checkpoint(SMALL.texts[:8], log=other), "utf-8")
    assert ("kept.txt", 1, "origin") in faults(found_in(tmp_path, KIT, kept=kept))


def test_lines_that_no_checkpoint_states(tmp_path: Path) -> None:
    more = {**KIT, "leaves.ndjson": KIT["leaves.ndjson"] + b"more\n"}
    expected = [("leaves.ndjson", LINES + 1, key) for key in ("canonical", "beyond")]
    assert faults(found_in(tmp_path, more)) == expected


def small_of(size: int) -> dict[str, bytes]:
    """Of a log that ends before its result."""
    return kit_of(SMALL.texts[:size], SMALL.documents)


def test_who_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(**other: Any) -> dict[str, bytes]:
        return {**KIT, "checkpoints.txt": checkpoint(SMALL.texts, **other).encode()}

    witnessed = made(cosigners=(CLOCK, WITNESS))
    found = found_in(tmp_path, witnessed, witnesses=[WITNESS.key.text])
    assert faults(found) == []
    [values] = [values for key, values in found.report.remarks if key == "witnessed"]
    assert (values["name"], values["count"], values["all"], values["size"]) == (WITNESS.name, 1, 1, LINES)
    found = found_in(tmp_path, witnessed)
    assert ("strangers", {"names": WITNESS.name}) in found.report.remarks
    assert faults(found_in(tmp_path, KIT, witnesses=[WITNESS.key.text])) == [("checkpoints.txt", None, "witness")]
    assert faults(found_in(tmp_path, KIT, witnesses=["no key"])) == [("--witness", None, "key")]
    # Keys that keys.txt does not list, a time by none, a witness before the log's own.
    other = signer(LOG.name, KeyKind.NOTE, 9)
    assert faults(found_in(tmp_path, made(log=other))) == [
        ("checkpoints.txt", 5, "not_listed"),
        ("checkpoints.txt", 5, "order"),
        ("checkpoints.txt", 1, "unsigned"),
    ]
    assert faults(found_in(tmp_path, made(cosigners=()))) == [("checkpoints.txt", 1, "untimed")]
    assert faults(found_in(tmp_path, made(cosigners=(WITNESS, CLOCK)))) == [("checkpoints.txt", 5, "order")]
    # A signature of another text is wrong, unless nothing can check it.
    lines = KIT["checkpoints.txt"].split(b"\n")
    lines[4] = lines[11]
    swapped = {**KIT, "checkpoints.txt": b"\n".join(lines)}
    assert faults(found_in(tmp_path, swapped)) == [("checkpoints.txt", 5, "signature")]
    monkeypatch.setattr(recount, "SIGNATURES", False)
    found = found_in(tmp_path, swapped)
    assert faults(found) == []
    assert ("no_signatures", {}) in found.report.remarks


def test_names_steer_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log.new({**RULES, "name": "\x1b[2JMiss"})
    write(tmp_path, log.kit())
    assert main([str(tmp_path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_both_languages_say_the_same() -> None:
    def places(phrase: Any) -> set[str]:
        return set(re.findall(r"{(\w+)}", str(phrase)))

    assert EN.keys() == FR.keys()
    assert {key for key in EN if places(EN[key]) != places(FR[key])} == set()
    assert {name: decimals for name, decimals in EXPONENTS.items() if decimals} == recount.DECIMALS


def test_many_faults_are_counted() -> None:
    listed = list(recount.Shown(EN, ",").faults([Fault("leaves.ndjson", n, "canonical", {}) for n in range(1, 2000)]))
    assert (len(listed), listed[-1]) == (21, "… and 1,979 more of this kind.")


# Changes

STATED_BY = {
    f"rules/{one.version}.json" if isinstance(one, RulesLeaf) else f"results/{one.number}.json": (line, one.kind)
    for line, one in enumerate(SMALL.leaves, 1)
    if isinstance(one, RulesLeaf | ResultLeaf)
}
OF_LINES = ("leaves.ndjson", "checkpoints.txt", "keys.txt")
BYTE_WAYS = ("put", "change", "cut")
WAYS = (*BYTE_WAYS, "drop", "double", "swap")
# Text, an empty line, two signatures, an empty line.
NOTE_LINES = 7


@dataclass(frozen=True)
class Change:
    """A file of the kit with something changed. `line`: the first one that is another now."""

    file: str
    way: str
    given: bytes
    line: int


@st.composite
def changes(draw: st.DrawFn) -> Change:
    file = draw(st.sampled_from([*OF_LINES, "leaves.ndjson", "hashes", *STATED_BY]))
    whole = KIT[file]
    way = draw(st.sampled_from(WAYS if file in OF_LINES else BYTE_WAYS))
    if way in BYTE_WAYS:
        at = draw(st.integers(0, len(whole) - 1))
        byte = b"" if way == "cut" else bytes([draw(st.integers(0, 255) | st.sampled_from(b"\n \r09azA+=-,"))])
        line = at // recount.HASH if file == "hashes" else whole.count(b"\n", 0, at)
        return Change(file, way, whole[:at] + byte + whole[at + (way != "put") :], line + 1)
    lines = whole.splitlines(keepends=True)
    one, other = sorted(draw(st.tuples(*[st.integers(0, len(lines) - 1)] * 2)))
    if way == "drop":
        del lines[one]
        return Change(file, way, b"".join(lines), min(one + 1, len(lines)))
    if way == "double":
        lines.insert(one, lines[one])
        return Change(file, way, b"".join(lines), one + 2)
    lines[one], lines[other] = lines[other], lines[one]
    return Change(file, way, b"".join(lines), one + 1)


def names(change: Change, found: Found) -> bool:
    """Whether what was found is about what was changed, and blames no line before it."""
    lines = [one.line for one in found.report.faults if one.file == change.file]
    first = min((line for line in lines if line), default=0)
    if change.file in STATED_BY:
        line, kind = STATED_BY[change.file]
        return faults(found) == [("leaves.ndjson", line, f"{kind}_hash")]
    if change.file == "keys.txt":
        # A key that is not there is missed where it signed; of two keys neither is the first.
        return change.way in ("drop", "swap") or change.line <= first <= change.line + 1
    if change.file == "checkpoints.txt":
        return (change.line - 1) // NOTE_LINES * NOTE_LINES < first <= change.line + NOTE_LINES
    if change.file == "hashes":
        return change.line <= first <= change.line + 1 or lines == [None]
    # An empty line that is put before a line's end is the next line.
    return first == change.line or (change.way == "put" and first == change.line + 1 and b"\n\n" in change.given)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("kit"), KIT)


@pytest.mark.fuzz
@fuzzed(per_example=25)
@given(change=changes())
def test_every_change_is_found_and_its_line_is_named(whole: Path, change: Change) -> None:
    assume(change.given != KIT[change.file])
    assume((change.file, change.way) != ("keys.txt", "swap"))
    (whole / change.file).write_bytes(change.given)
    try:
        found = recount.recount(whole)
    except Unreadable:
        assert change.file == "checkpoints.txt"
        assert change.line <= NOTE_LINES
        return
    finally:
        (whole / change.file).write_bytes(KIT[change.file])
    assert found.report.faults
    assert names(change, found), faults(found)
    assert sentences(found)
