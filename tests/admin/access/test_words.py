"""What staff read where a service refuses, or tells what it did."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from admin.access.words import REASONS, Reasons
from gateway.contests.codes import FormFault
from gateway.runtime.process import pages_of_staff

PAGES = pages_of_staff()
FRENCH = Reasons(PAGES, "fr", "Africa/Abidjan")
RAISED = {
    "ActRefused",
    "AmountUnreadable",
    "ChangeRefused",
    "CodesUsedUp",
    "Found",
    "MoneyRefused",
    "RoundsFixed",
    "StatementUnreadable",
    "TableUnreadable",
    "UnknownName",
    "_Fault",
    "missing_here",
}
# What is no sentence there: it passes on what another one wrote, or a name of ours gives it.
PASSED_ON = {
    "'\\n'.join([*faults[:_FAULTS_SHOWN], *more])",
    "'\\n'.join(faults)",
    "'; '.join(against)",
    "PAST",
    "TAKEN",
    "_REFUSED[step]",
    "_TAKEN[what]",
    "against",
    "detail",
    "fault",
    "sentence_of(fault, number)",
    "str(error)",
    "str(fixed)",
    "str(refused)",
    "text",
    "why",
}
# Where further sentences stand: constants, functions that return them, and documents that are checked.
WRITTEN = {
    "admin/approvals/staff_acts.py": ("decide", "_run"),
    "admin/announcement/announce.py": ("_announce",),
    "admin/contests/store.py": ("_TAKEN", "save"),
    "admin/fraud/store.py": ("_set",),
    "admin/result/store.py": ("carry_out", "_certify"),
    "gateway/contests/changes.py": ("plan", "_moved", "_meant", "take", "_add", "_move"),
    "gateway/contests/document.py": ("_stored", "_name", "_readable", "_sound", "planned"),
    "gateway/contests/rounds.py": ("_TEXTS",),
    "gateway/contests/steps.py": ("_REFUSED",),
    "gateway/contests/store.py": ("_OF_RANKING",),
    "payments/disbursement/payouts/acts.py": ("_pay", "_finish"),
    "payments/disbursement/payouts/beneficiaries.py": ("_confirm",),
    "payments/disbursement/payouts/rules.py": ("refusals", "end_refusal", "confirmation_refusal"),
    "payments/disbursement/refunds/acts.py": (
        "_owe_refund",
        "_refunded_by_hand",
        "_release_held",
        "_replay_callback",
        "_retry_refund",
        "_void_window",
    ),
    "payments/disbursement/refunds/held.py": ("decide_held",),
    "payments/disbursement/refunds/voids.py": ("preview_window",),
    "payments/ledger/fees.py": ("PAST", "TAKEN", "_write"),
    "payments/reconciliation/balances.py": ("keep_check",),
    "payments/reconciliation/difference_acts.py": ("decide",),
    "payments/reconciliation/matching.py": ("compare",),
    "payments/reconciliation/reader.py": ("read_statement", "_read"),
    "payments/reconciliation/undo_import.py": ("_undo",),
    "payments/request_store.py": ("did_before",),
}


# Facts that are no number: part of a sentence, or a name of which there are few.
FACTS = {
    "did": "7 votes counted",
    "end": "done",
    "error": "it names no currency",
    "fault": "it names no currency",
    "fault.value": FormFault.TOO_LONG.value,
    "outcome": "7 of 7 differences decided: accept",
    "word": "country",
}
# Parts of sentences, and texts that stand in records alone.
MEMOS = {", 7 votes removed", ", their payers kept out for 7 days", "; ", "7 7", "7 to be refunded7", "7, 7"}
MEMOS |= {"refund request 7", "request 7"}
# Made of such parts, or by PostgreSQL.
MADE = (
    "3 payments to be refunded, their payers kept out for 7 days; 2 were decided about before",
    "500 XOF to be refunded",
    "500 XOF to be refunded, 5 votes removed",
    "no statement of its time has collection 7 of 2026-11-21 18:00",
    "no statement of its time has what was taken back of 7 of 2026-11-21 18:00",
    "payout 7: again",
    "payout 7: failed",
    "the currency of a contest cannot change: make a new contest",
)


def sentence_of(node: ast.expr) -> str | None:
    """The sentence of a literal, each fact of it as something that it may be."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(sentence_of(part) or "" for part in parts)
        case ast.FormattedValue(value=value, conversion=conversion, format_spec=form):
            dated = form is not None and "%Y" in ast.unparse(form)
            shown = "2026-11-21 18:00" if dated else FACTS.get(ast.unparse(value), "7")
            return repr(shown) if conversion == ord("r") else shown
    return None


def raised(tree: ast.Module) -> Iterator[str]:
    """The sentences with which this module refuses."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in RAISED:
            sentence = call.args[-1] if call.args else call
            sentences = list(literals(sentence))
            assert sentences or ast.unparse(sentence) in PASSED_ON, ast.unparse(call)
            yield from sentences


def literals(node: ast.AST) -> Iterator[str]:
    """Texts with a space in what a node consists of, without those that are written for machines."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        sentence = sentence_of(node)
        if sentence and " " in sentence.strip() and sentence not in MEMOS:
            yield sentence
        return
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Change", "LedgerEntry", "Observation", "text"):
        return
    for child in ast.iter_child_nodes(node):
        yield from literals(child)


def written(tree: ast.Module, names: Collection[str]) -> Iterator[str]:
    """The sentences in these constants and functions of a module."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name in names:
                body = node.body[1:] if ast.get_docstring(node) else node.body
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]) if name in names:
                body = [node]
            case _:
                continue
        found.add(name)
        for part in body:
            yield from literals(part)
    assert found == set(names)


def every_sentence() -> Iterator[str]:
    for package in ("admin", "channels", "gateway", "payments"):
        for path in Path(package).rglob("*.py"):
            source = path.read_text()
            if str(path) not in WRITTEN and not any(name in source for name in RAISED):
                continue
            tree = ast.parse(source)
            yield from raised(tree)
            yield from written(tree, WRITTEN.get(str(path), ()))
    discarding = Path("gateway/storage/schema/functions.sql").read_text()
    yield from re.findall(r"return '([^']+ [^']+)';", discarding)
    yield from (f"code 7 (Awa) {fault.value}" for fault in FormFault)
    yield from MADE


class Noting(Reasons):
    """Notes which phrases it found."""

    used: ClassVar[set[str]] = set()

    def matched(self, written: str) -> list[tuple[str, Mapping[str, str]]]:
        found = super().matched(written)
        self.used.update(sentence for sentence, _ in found[:1])
        return found


def test_every_sentence_of_a_service_has_words() -> None:
    """Each has a phrase, in both languages, and no phrase is for a sentence that no service writes."""
    sentences = set(every_sentence())
    assert len(sentences) > len(MADE)
    for language in PAGES.languages:
        reasons = Noting(PAGES, language, "Africa/Abidjan")
        assert [sentence for sentence in sentences if reasons.words(sentence) is None] == []
    assert set(PAGES.keys(REASONS)) - Noting.used == set()


def test_a_phrase_is_found_by_its_own_sentence() -> None:
    for sentence in PAGES.keys(REASONS):
        found, facts = FRENCH.matched(re.sub(r"\{\w+\}", "x-y", sentence))[0]
        assert (found, set(facts.values()) <= {"x-y"}) == (sentence, True)


@pytest.mark.parametrize(
    ("sentence", "french"),
    [
        ("ticket 7 is closed", "Le ticket 7 est déjà clos."),
        ("the payment is held by now", "Ce paiement en est maintenant là\u00a0: «\u00a0retenu\u00a0»."),
        ('there is no contest "l\'or"', "Vous n'avez pas de concours «\u00a0l'or\u00a0»."),
        (
            "1500 XOF to be refunded, 2000 votes removed",
            "1\u202f500\u00a0FCFA repartent au payeur. Votes annulés\u00a0: 2\u202f000.",
        ),
        (
            "can be paid from 2026-11-21 18:00 UTC on",
            "Il peut être payé à partir du 21 novembre 2026 à 18:00\u00a0GMT.",
        ),
        ("mtn_momo pays no one in CI", "MTN MoMo ne verse pas d'argent dans ce pays. Choisissez un autre opérateur."),
        ("juin.csv, line 1200: 'x' is no amount", "juin.csv, ligne 1200\u00a0: «\u00a0x\u00a0» n'est pas un montant."),
        (
            "these are the limits already; publish the contest first",
            "Ce sont déjà les limites. Publiez d'abord le concours.",
        ),
        ("the beneficiary is retired; err 17", None),
        ("an operator's own words", None),
    ],
)
def test_facts_are_written_as_the_language_does(sentence: str, french: str | None) -> None:
    assert FRENCH.words(sentence) == french
