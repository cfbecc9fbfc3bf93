#!/usr/bin/env python3
"""Recount a contest from its recount kit. Needs Python 3.9 or newer and nothing else.

    python3 recount.py [DIR] [--checkpoint FILE] [--words SIZE WORD WORD WORD WORD] [--witness KEY] [--fr]

DIR is the folder of the kit, by default the one of this file. With `cryptography` installed signatures are checked too.
Exit status: 0 all is well, 1 something is wrong, 2 the kit cannot be read.

Formats: docs/public-log.md of Spotlight; hashes of RFC 9162 section 2.1; notes, checkpoints, cosignatures and keys of
https://c2sp.org (signed-note, tlog-checkpoint, tlog-cosignature).
"""

from __future__ import annotations

import argparse
import hmac
import json
import re
import sys
from array import array
from base64 import b64decode, b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from fractions import Fraction
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    SIGNATURES = False
else:
    SIGNATURES = True

HASH = 32
BLOCK = 512
LARGEST = 2**53 - 1
LISTED = 20
DECIMALS = {"EUR": 2, "USD": 2, "GHS": 2}
EMPTY_ROOT = sha256(b"").digest()
# What reading a document of another form raises.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
LEAVES, CHECKPOINTS, HASHES, KEYS = "leaves.ndjson", "checkpoints.txt", "hashes", "keys.txt"
NOTE, COSIGNATURE = 1, 4

FIELDS = {
    "rules": ("contest", "kind", "sha256", "time", "v", "version"),
    "vote": (
        *("amount", "candidate", "contest", "currency", "kind", "receipt", "round", "rules", "seq", "time", "v"),
        *("voter", "votes"),
    ),
    "adjustment": (
        *("adjusts", "amount", "candidate", "contest", "currency", "kind", "reason", "round", "rules", "seq", "time"),
        *("v", "votes"),
    ),
    "jury": ("contest", "juror", "kind", "nonce", "points", "round", "rules", "sheet", "time", "v"),
    "result": ("contest", "kind", "number", "sha256", "time", "v"),
    "sealing": ("contest", "kind", "sha256", "time", "v"),
    "sealed": ("cipher", "contest", "kind", "nonce", "v"),
    "opening": ("contest", "key", "kind", "time", "v"),
}
NUMBERS = {"v": (1, 1), "time": (0, LARGEST), "version": (1, LARGEST), "number": (1, LARGEST)}
ENTRY = {**NUMBERS, "seq": (1, LARGEST), "round": (0, LARGEST), "rules": (1, LARGEST)}
BOUNDS = {
    **dict.fromkeys(("rules", "result", "sealing", "sealed", "opening"), NUMBERS),
    "vote": {**ENTRY, "votes": (1, LARGEST), "amount": (1, LARGEST)},
    "adjustment": {**ENTRY, "adjusts": (1, LARGEST), "votes": (-LARGEST, -1), "amount": (-LARGEST, -1)},
    "jury": {**ENTRY, "juror": (1, LARGEST), "sheet": (1, LARGEST)},
}
BOUNDS = {kind: {name: of[name] for name in FIELDS[kind] if name in of} for kind, of in BOUNDS.items()}
TEXTS = {
    kind: [name for name in names if name in ("contest", "candidate", "currency", "reason")]
    for kind, names in FIELDS.items()
}
CODE = re.compile(r"[0-9]{2,6}")
DIGEST = re.compile(r"[0-9a-f]{64}")
NONCE = re.compile(r"[0-9a-f]{32}")
WRITE = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

EN = {
    "line": "{file}, line {line}: ",
    "file": "{file}: ",
    "unreadable": "This is no recount kit, or it cannot be read: {why}",
    "no_checkpoint": "checkpoints.txt has no checkpoint that can be read.",
    "more": "… and {count} more of this kind.",
    "canonical": "this is not a leaf in its one spelling.",
    "field": "the field “{name}” is not as it must be.",
    "no_end": "the line has no end: the file was cut.",
    "other_contest": "this is a leaf of “{found}”; the log is that of “{contest}”.",
    "first": "the first leaf states the rules; this one does not.",
    "version": "this is version {found} of the rules; version {due} was due.",
    "rules_hash": "rules/{version}.json is not the document that this line states.",
    "rules_missing": "rules/{version}.json, which this line states, is not there.",
    "rules_document": "rules/{version}.json states no rules that can be read.",
    "rules_extra": "no line of leaves.ndjson states this document.",
    "result": "this is certified result {found}; number {due} was due.",
    "result_missing": "results/{number}.json, which this line states, is not there.",
    "result_hash": "results/{number}.json is not the document that this line states.",
    "result_document": "results/{number}.json states no result that can be read.",
    "result_ranking": "results/{number}.json has another ranking than the lines before this one give.",
    "result_root": "it names another root for the first {size} lines.",
    "seq": "its number is {found}; {due} was due.",
    "names_rules": "it goes by version {found} of the rules; version {due} was in force.",
    "candidate": "candidate {code} is not in the rules.",
    "round": "round {round} is not in the rules.",
    "currency": "the currency is {found}; by the rules it is {due}.",
    "price": "{amount} is not the price of {votes} votes.",
    "early": "it was counted before the contest opened.",
    "adjusts_nothing": "it takes back entry {seq}, which is no earlier vote.",
    "adjusts_twice": "it takes back entry {seq}, which was taken back before.",
    "adjusts_part": "it does not take back entry {seq} as that was counted: candidate, round, votes and money.",
    "sealed_again": "from here on entries are to be sealed; they are since line {since}.",
    "sealed_outside": "this entry is sealed, and no line before it states the hash of a key for it.",
    "readable": "this entry is readable; since line {since} all entries are to be sealed.",
    "opens_nothing": "this key opens nothing: no entries are sealed here.",
    "opens_other": "this is not the key of which line {since} states the hash.",
    "hides": "what the key opens here is no entry in its one spelling.",
    "no_jury": "by the rules votes alone decide, and this line has points of a jury.",
    "sheet": "this is sheet {found} of the jury; sheet {due} was due.",
    "points": "a juror gives 0 to {most} points by the rules.",
    "formula": "these rules turn votes into a result in another way than those before, and votes were counted already.",
    "changed": "this line is not the one that the log has there.",
    "moved": "this line belongs on line {belongs}: a line before it is missing, doubled or moved.",
    "hash": "this hash is not that of line {line} of leaves.ndjson.",
    "hashes_size": "it has {found} bytes; {due} were due.",
    "short": "the file ends here; by the checkpoint on line {at} of {of} the log has {size} lines.",
    "beyond": "from here on no checkpoint states the lines.",
    "root": (
        "lines {first} to {last} of leaves.ndjson are not what this checkpoint states, or the checkpoint was changed."
    ),
    "root_alone": "this checkpoint is wrong: a later one states the same lines.",
    "kept": (
        "the log is not the one that this checkpoint stated: of its first {last} lines at least one is another now."
    ),
    "kept_words": "the first {last} lines have other words than yours: {words}.",
    "note": "this line is not what a checkpoint has here. The file was read up to it.",
    "size": "the size {found} is not above that of the checkpoint before it.",
    "origin": "the checkpoint is of the log “{found}”; this is the log “{due}”.",
    "unsigned": "the checkpoint has no signature of the log by a key of keys.txt.",
    "untimed": "the checkpoint has no time by a key of keys.txt.",
    "not_listed": "keys.txt has no such key of “{name}”.",
    "twice": "this key has signed before it.",
    "order": "the log's own signatures come first, then its time.",
    "signature": "the signature of “{name}” is wrong.",
    "key": "this is no key, or its name or number is not its own.",
    "witness": "the witness “{name}” signed none of the checkpoints.",
    "no_signatures": (
        "SIGNATURES WERE NOT CHECKED: this Python has no “cryptography”. Numbers, hashes and sums were. To check "
        "signatures too: python3 -m pip install cryptography"
    ),
    "signatures": "Signatures checked: {count}.",
    "witnessed": "The witness “{name}” signed {count} of {all} checkpoints, the largest of {size} lines, at {time}.",
    "strangers": "Signatures of these were not checked: {names}. Give their keys with --witness.",
    "late": (
        "Counted after the closing and its grace: {count} orders, votes: {votes}. They were paid in time, then held or "
        "confirmed late. The first is on line {line} of leaves.ndjson."
    ),
    "sealed": (
        "SEALED: {count} entries, from line {line} of leaves.ndjson on, are readable once the result is announced. The "
        "result below is without them. The checkpoints fix their number and order, and the hash {sha256} fixes what "
        "they say: nobody can change them. Recount again with a kit of after the announcement."
    ),
    "certified": "The lines give the rankings of certified result {number}, signed by {names}.",
    "result_hidden": "Certified result {number} is not in this kit: figures are hidden.",
    "opened": "Entries that were sealed, opened with the key that was fixed before, and counted: {count}.",
    "log": "Log {origin}",
    "head": "Lines: {size}. Checkpoints: {checkpoints}. Root of the newest: {root}",
    "stated": "Stated at {time}.",
    "words": "In four words: {words}",
    "kept_well": "The log begins with what the checkpoint that you kept states. Its size: {size}.",
    "words_well": "The four words that you kept are those of the first {size} lines.",
    "round_title": "Round {number}",
    "before_rounds": "Before the first round",
    "category": "Category {category}",
    "columns": ("Place", "Code", "Candidate", "Votes", "Money"),
    "jury_columns": ("Points", "Score"),
    "jury": (
        "Votes decide {votes} % and the jury {jury} %: a candidate's part of all votes in the table and part of all "
        "points, computed exactly and shown rounded. Sheets of points: {sheets}."
    ),
    "gone": "out",
    "total": "Votes in all: {votes}. Money: {money}. Orders counted: {orders}, taken back: {back}.",
    "shared": "Equal votes share a place.",
    "earliest": "Of equal votes who reached them first is ahead.",
    "jury_shared": "Equal scores share a place.",
    "jury_earliest": "Of equal scores who reached their votes first is ahead.",
    "well": "ALL IS WELL: the lines are those that the checkpoints state, and they add up to the result above.",
    "well_sealed": (
        "ALL IS WELL so far: the lines are those that the checkpoints state, and those that are readable add up to the "
        "result above."
    ),
    "faults": "FAULTS: {count}",
    "proves": (
        "This shows that the published list is whole and unchanged since its checkpoints. To see that all readers were "
        "given the same list, compare with a checkpoint that you or a witness kept. It does not show that every payer "
        "is a person, nor that the operators hold the money."
    ),
}
FR = {
    "line": "{file}, ligne {line} : ",
    "file": "{file} : ",
    "unreadable": "Ce n'est pas un dossier de recomptage, ou il est illisible : {why}",
    "no_checkpoint": "checkpoints.txt ne contient aucun point de contrôle lisible.",
    "more": "… et encore {count} du même genre.",
    "canonical": "ce n'est pas une feuille dans son unique écriture.",
    "field": "le champ « {name} » n'est pas comme il doit être.",
    "no_end": "la ligne n'a pas de fin : le fichier a été coupé.",
    "other_contest": "c'est une feuille de « {found} » ; le registre est celui de « {contest} ».",
    "first": "la première feuille énonce les règles ; celle-ci ne le fait pas.",
    "version": "c'est la version {found} des règles ; la version {due} était attendue.",
    "rules_hash": "rules/{version}.json n'est pas le document que cette ligne énonce.",
    "rules_missing": "rules/{version}.json, que cette ligne énonce, manque.",
    "rules_document": "rules/{version}.json n'énonce pas de règles lisibles.",
    "rules_extra": "aucune ligne de leaves.ndjson n'énonce ce document.",
    "result": "c'est le résultat certifié {found} ; le numéro {due} était attendu.",
    "result_missing": "results/{number}.json, que cette ligne nomme, n'est pas là.",
    "result_hash": "results/{number}.json n'est pas le document que cette ligne nomme.",
    "result_document": "results/{number}.json n'est pas un résultat lisible.",
    "result_ranking": "results/{number}.json a un autre classement que celui des lignes d'avant.",
    "result_root": "il nomme une autre racine pour les {size} premières lignes.",
    "seq": "son numéro est {found} ; {due} était attendu.",
    "names_rules": "elle suit la version {found} des règles ; la version {due} était en vigueur.",
    "candidate": "le candidat {code} n'est pas dans les règles.",
    "round": "le tour {round} n'est pas dans les règles.",
    "currency": "la monnaie est {found} ; selon les règles, c'est {due}.",
    "price": "{amount} n'est pas le prix de {votes} votes.",
    "early": "elle a été comptée avant l'ouverture du concours.",
    "adjusts_nothing": "elle retire l'entrée {seq}, qui n'est pas un vote antérieur.",
    "adjusts_twice": "elle retire l'entrée {seq}, déjà retirée.",
    "adjusts_part": (
        "elle ne retire pas l'entrée {seq} telle qu'elle a été comptée : candidat, tour, votes et argent."
    ),
    "sealed_again": "à partir d'ici, les entrées sont à sceller ; elles le sont depuis la ligne {since}.",
    "sealed_outside": "cette entrée est scellée, et aucune ligne avant elle n'énonce l'empreinte d'une clé pour elle.",
    "readable": "cette entrée est lisible ; depuis la ligne {since}, toutes les entrées sont à sceller.",
    "opens_nothing": "cette clé n'ouvre rien : ici, aucune entrée n'est scellée.",
    "opens_other": "ce n'est pas la clé dont la ligne {since} énonce l'empreinte.",
    "hides": "ce que la clé ouvre ici n'est pas une entrée dans son unique écriture.",
    "no_jury": "selon les règles, les votes seuls décident, et cette ligne a des points d'un jury.",
    "sheet": "c'est la feuille {found} du jury ; la feuille {due} était attendue.",
    "points": "selon les règles, un juré donne de 0 à {most} points.",
    "formula": (
        "ces règles font des votes un résultat d'une autre façon que celles d'avant, et des votes étaient déjà comptés."
    ),
    "changed": "cette ligne n'est pas celle que le registre a à cet endroit.",
    "moved": "cette ligne a sa place à la ligne {belongs} : avant elle, une ligne manque, est double ou déplacée.",
    "hash": "cette empreinte n'est pas celle de la ligne {line} de leaves.ndjson.",
    "hashes_size": "il a {found} octets ; {due} étaient attendus.",
    "short": "le fichier finit ici ; selon le point de contrôle à la ligne {at} de {of}, le registre a {size} lignes.",
    "beyond": "à partir d'ici, aucun point de contrôle n'énonce les lignes.",
    "root": (
        "les lignes {first} à {last} de leaves.ndjson ne sont pas celles que ce point de contrôle énonce, ou bien il a "
        "été modifié."
    ),
    "root_alone": "ce point de contrôle est faux : un autre, plus récent, énonce les mêmes lignes.",
    "kept": (
        "le registre n'est pas celui que ce point de contrôle énonçait : de ses {last} premières lignes, l'une au "
        "moins est autre aujourd'hui."
    ),
    "kept_words": "les {last} premières lignes ont d'autres mots que les vôtres : {words}.",
    "note": "cette ligne n'est pas ce qu'un point de contrôle a ici. Le fichier a été lu jusque-là.",
    "size": "la taille {found} n'est pas supérieure à celle du point de contrôle précédent.",
    "origin": "ce point de contrôle est du registre « {found} » ; celui-ci est « {due} ».",
    "unsigned": "le point de contrôle n'a pas de signature du registre par une clé de keys.txt.",
    "untimed": "le point de contrôle n'a pas d'heure par une clé de keys.txt.",
    "not_listed": "keys.txt n'a pas cette clé de « {name} ».",
    "twice": "cette clé a déjà signé plus haut.",
    "order": "les signatures du registre viennent d'abord, puis son heure.",
    "signature": "la signature de « {name} » est fausse.",
    "key": "ce n'est pas une clé, ou son nom ou son numéro n'est pas le sien.",
    "witness": "le témoin « {name} » n'a signé aucun des points de contrôle.",
    "no_signatures": (
        "LES SIGNATURES N'ONT PAS ÉTÉ VÉRIFIÉES : ce Python n'a pas « cryptography ». Numéros, empreintes et sommes "
        "l'ont été. Pour vérifier aussi les signatures : python3 -m pip install cryptography"
    ),
    "signatures": "Signatures vérifiées : {count}.",
    "witnessed": (
        "Le témoin « {name} » a signé {count} points de contrôle sur {all}, le plus grand de {size} lignes, le {time}."
    ),
    "strangers": "Les signatures de ceux-ci n'ont pas été vérifiées : {names}. Donnez leurs clés avec --witness.",
    "late": (
        "Comptées après la clôture et son délai : {count} commandes, votes : {votes}. Elles ont été payées à temps, "
        "puis retenues ou confirmées tard. La première est à la ligne {line} de leaves.ndjson."
    ),
    "sealed": (
        "SCELLÉ : {count} entrées, à partir de la ligne {line} de leaves.ndjson, seront lisibles une fois le résultat "
        "annoncé. Le résultat ci-dessous est sans elles. Les points de contrôle fixent leur nombre et leur ordre, et "
        "l'empreinte {sha256} fixe ce qu'elles disent : personne ne peut les changer. Recomptez avec un dossier "
        "d'après l'annonce."
    ),
    "certified": "Les lignes donnent les classements du résultat certifié {number}, signé par {names}.",
    "result_hidden": "Le résultat certifié {number} n'est pas dans ce dossier : les chiffres sont cachés.",
    "opened": "Entrées qui étaient scellées, ouvertes avec la clé fixée auparavant, et comptées : {count}.",
    "log": "Registre {origin}",
    "head": "Lignes : {size}. Points de contrôle : {checkpoints}. Racine du plus récent : {root}",
    "stated": "Énoncé le {time}.",
    "words": "En quatre mots : {words}",
    "kept_well": "Le registre commence par ce qu'énonce le point de contrôle que vous aviez gardé. Sa taille : {size}.",
    "words_well": "Les quatre mots que vous aviez gardés sont ceux des {size} premières lignes.",
    "round_title": "Tour {number}",
    "before_rounds": "Avant le premier tour",
    "category": "Catégorie {category}",
    "columns": ("Place", "Code", "Candidat", "Votes", "Argent"),
    "jury_columns": ("Points", "Score"),
    "jury": (
        "Les votes décident {votes} % et le jury {jury} % : la part du candidat dans tous les votes du tableau et sa "
        "part de tous les points, calculées exactement et affichées arrondies. Feuilles de points : {sheets}."
    ),
    "gone": "sorti",
    "total": "Votes en tout : {votes}. Argent : {money}. Commandes comptées : {orders}, retirées : {back}.",
    "shared": "À égalité de votes, la place est partagée.",
    "earliest": "À égalité de votes, qui les a atteints le premier est devant.",
    "jury_shared": "À égalité de score, la place est partagée.",
    "jury_earliest": "À égalité de score, qui a atteint ses votes le premier est devant.",
    "well": "TOUT EST EN ORDRE : les lignes sont celles des points de contrôle, et leur somme est ci-dessus.",
    "well_sealed": (
        "TOUT EST EN ORDRE jusqu'ici : les lignes sont celles des points de contrôle, et la somme de celles qui sont "
        "lisibles est ci-dessus."
    ),
    "faults": "FAUTES : {count}",
    "proves": (
        "Cela montre que la liste publiée est entière et inchangée depuis ses points de contrôle. Pour voir que tous "
        "les lecteurs ont reçu la même liste, comparez avec un point de contrôle gardé par vous ou par un témoin. Cela "
        "ne montre pas que chaque payeur est une personne, ni que les opérateurs détiennent l'argent."
    ),
}


class Unreadable(Exception):
    """Why there is nothing to recount."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, by the key of its sentence. `line`: from 1, None for a whole file."""

    file: str
    line: int | None
    key: str
    values: dict[str, object]


@dataclass
class Report:
    """What was found. `remarks`: worth knowing, and not wrong."""

    faults: list[Fault] = field(default_factory=list)
    remarks: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def fault(self, file: str, line: int | None, key: str, **values: object) -> None:
        """Note what is wrong."""
        self.faults.append(Fault(file, line, key, values))

    def remark(self, key: str, **values: object) -> None:
        """Note what is worth knowing."""
        self.remarks.append((key, values))


class Tree:
    """A Merkle tree that grows (RFC 9162), as the hashes of its complete subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        subtrees, size = self._subtrees, self.size
        while size & 1:
            leaf = sha256(b"\x01" + subtrees.pop() + leaf).digest()
            size >>= 1
        subtrees.append(leaf)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root as the tree is now."""
        if not self._subtrees:
            return EMPTY_ROOT
        made = self._subtrees[-1]
        for left in reversed(self._subtrees[:-1]):
            made = sha256(b"\x01" + left + made).digest()
        return made


# Keys, notes and checkpoints


@dataclass(frozen=True)
class Key:
    """A key that signs (`NOTE`) or states a time (`COSIGNATURE`). `ours`: from keys.txt, else a witness's."""

    name: str
    kind: int
    public: bytes
    ours: bool

    @property
    def number(self) -> bytes:
        """How a signature names its key, beside the name."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def signed(self, text: str, made: bytes) -> bool:
        """Whether this key made a signature over the text of a note."""
        if self.kind == COSIGNATURE:
            text = f"cosignature/v1\ntime {int.from_bytes(made[:8], 'big')}\n{text}"
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(made[-64:], text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


Keys = dict[tuple[str, bytes], Key]


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement. `line`: of its first line. `signatures`: name, number of the key, what it made."""

    file: str
    line: int
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def decoded(text: str) -> bytes:
    """What base64 spells. ValueError for any other spelling."""
    made = b64decode(text, validate=True)
    if b64encode(made).decode() != text:
        raise ValueError
    return made


def read_key(line: str, *, ours: bool) -> Key:
    """A key of one line. ValueError where it is none."""
    name, number, rest = line.split("+", 2)
    made = decoded(rest)
    key = Key(name, made[0] if made else 0, made[1:], ours)
    if key.kind not in (NOTE, COSIGNATURE) or len(key.public) != HASH or key.number.hex() != number or not name:
        raise ValueError
    return key


def read_keys(folder: Path, witnesses: Iterable[str], report: Report) -> Keys:
    """The keys of the kit, and those of witnesses."""
    keys: Keys = {}
    for line, text in enumerate(lines_of(folder / KEYS), 1):
        try:
            key = read_key(text, ours=True)
        except ValueError:
            report.fault(KEYS, line, "key")
            continue
        if (key.name, key.number) in keys:
            report.fault(KEYS, line, "twice")
        keys[key.name, key.number] = key
    for text in witnesses:
        try:
            key = read_key(text, ours=False)
        except ValueError:
            report.fault("--witness", None, "key")
            continue
        keys.setdefault((key.name, key.number), key)
    return keys


def lines_of(path: Path) -> list[str]:
    """The lines of a file of text. Bytes that are no UTF-8 are kept, and equal to nothing."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return text[:-1].split("\n") if text.endswith("\n") else [*text.split("\n"), "\udcff"] if text else []


class NoNote(Exception):
    """The line at which a file of notes is not one."""


def read_checkpoints(path: Path, report: Report) -> list[Checkpoint]:
    """The notes of a file, with an empty line between two. What follows a line that fits nowhere is not read."""
    lines, at, found = lines_of(path), 0, []
    while at < len(lines):
        try:
            one, at = read_checkpoint(path.name, lines, at)
        except NoNote as wrong:
            report.fault(path.name, min(wrong.args[0] + 1, len(lines)), "note")
            break
        found.append(one)
    return found


def read_checkpoint(file: str, lines: list[str], at: int) -> tuple[Checkpoint, int]:
    """The note that begins at a line, from 0, and where the next one does. NoNote."""

    def line(number: int, pattern: str) -> str:
        if number >= len(lines) or not re.fullmatch(pattern, lines[number]):
            raise NoNote(number)
        return lines[number]

    def made(number: int, text: str) -> bytes:
        try:
            return decoded(text)
        except ValueError:
            raise NoNote(number) from None

    origin = line(at, r"[^\s\udc80-\udcff]+")
    size = int(line(at + 1, r"0|[1-9][0-9]{0,15}"))
    root = made(at + 2, line(at + 2, r"[A-Za-z0-9+/]{43}="))
    line(at + 3, "")
    signatures: list[tuple[str, bytes, bytes]] = []
    end = at + 4
    while not signatures or (end < len(lines) and lines[end]):
        name, _, encoded = line(end, r"— [^\s+\udc80-\udcff]+ [A-Za-z0-9+/=]+")[2:].partition(" ")
        given = made(end, encoded)
        signatures.append((name, given[:4], given[4:]))
        end += 1
    # An empty line stands between two notes, and none at the end.
    if end == len(lines) - 1:
        raise NoNote(end)
    return Checkpoint(file, at + 1, origin, size, root, tuple(signatures)), end + 1


class Signatures:
    """Checks who signed checkpoints."""

    def __init__(self, keys: Keys, report: Report) -> None:
        self._keys = keys
        self._report = report
        self._names = {key.name for key in keys.values() if key.ours}
        self._count = 0
        self._strangers: set[str] = set()
        self._witnessed: dict[Key, list[tuple[int, int]]] = {key: [] for key in keys.values() if not key.ours}

    def check(self, checkpoint: Checkpoint) -> datetime | None:
        """Check the lines of a checkpoint; when the log says that it was made."""
        ranks, seen, time = [], set(), None
        for line, (name, number, made) in enumerate(checkpoint.signatures, checkpoint.line + 4):
            key = self._keys.get((name, number))
            if (name, number) in seen:
                self._report.fault(checkpoint.file, line, "twice")
            seen.add((name, number))
            if key is None:
                self._stranger(checkpoint, line, name)
                ranks.append(2)
                continue
            if not self._signed(key, checkpoint, made):
                self._report.fault(checkpoint.file, line, "signature", name=name)
                continue
            ranks.append((0 if key.kind == NOTE else 1) if key.ours else 2)
            seconds = int.from_bytes(made[:8], "big") if key.kind == COSIGNATURE else 0
            if not key.ours:
                self._witnessed[key].append((checkpoint.size, seconds))
            elif key.kind == COSIGNATURE:
                time = instant(seconds * 1000)
        if ranks != sorted(ranks):
            self._report.fault(checkpoint.file, checkpoint.line + 4, "order")
        named = {name for name, number in seen if (name, number) in self._keys}
        if checkpoint.origin not in named:
            self._report.fault(checkpoint.file, checkpoint.line, "unsigned")
        if not any(self._keys[one].kind == COSIGNATURE and self._keys[one].ours for one in seen if one in self._keys):
            self._report.fault(checkpoint.file, checkpoint.line, "untimed")
        return time

    def _stranger(self, checkpoint: Checkpoint, line: int, name: str) -> None:
        if name in self._names:
            self._report.fault(checkpoint.file, line, "not_listed", name=name)
        else:
            self._strangers.add(name)

    def _signed(self, key: Key, checkpoint: Checkpoint, made: bytes) -> bool:
        if len(made) != (72 if key.kind == COSIGNATURE else 64):
            return False
        if not SIGNATURES:
            return True
        self._count += 1
        return key.signed(checkpoint.text, made)

    def conclude(self, checkpoints: int) -> None:
        """Say who signed, once all are checked. `checkpoints`: how many there were."""
        if SIGNATURES:
            self._report.remark("signatures", count=self._count)
        else:
            self._report.remark("no_signatures")
        for key, signed in self._witnessed.items():
            if not signed:
                self._report.fault(CHECKPOINTS, None, "witness", name=key.name)
            elif SIGNATURES:
                size, seconds = max(signed)
                values = {"name": key.name, "count": len(signed), "all": checkpoints, "size": size}
                self._report.remark("witnessed", **values, time=instant(seconds * 1000))
        if self._strangers:
            self._report.remark("strangers", names=", ".join(sorted(self._strangers)))


# Leaves


class Wrong(Exception):
    """Why a line is no leaf: a key of its sentence, and the name of a field."""


def read_leaf(line: bytes) -> dict[str, Any]:
    """The leaf that a line without its end is. Raises Wrong."""
    try:
        text = line.decode()
        leaf = json.loads(text)
        if not isinstance(leaf, dict) or WRITE(leaf) != text:
            raise Wrong("canonical", "")
    except (ValueError, RecursionError):
        raise Wrong("canonical", "") from None
    kind = leaf.get("kind")
    if not isinstance(kind, str) or tuple(leaf) != FIELDS.get(kind):
        raise Wrong("canonical", "")
    for name, (lowest, highest) in BOUNDS[kind].items():
        value = leaf[name]
        if type(value) is not int or not lowest <= value <= highest:
            raise Wrong("field", name)
    for name in TEXTS[kind]:
        if type(leaf[name]) is not str or not leaf[name]:
            raise Wrong("field", name)
    for name in ("sha256", "receipt", "voter", "key"):
        value = leaf.get(name, leaf)
        if value is leaf or (value is None and name == "voter"):
            continue
        if type(value) is not str or not DIGEST.fullmatch(value):
            raise Wrong("field", name)
    check = {"sealed": check_sealed, "jury": check_points}.get(kind)
    if check:
        check(leaf)
    return leaf


def check_nonce(leaf: dict[str, Any]) -> None:
    """Whether a leaf has a nonce. Raises Wrong."""
    if type(leaf["nonce"]) is not str or not NONCE.fullmatch(leaf["nonce"]):
        raise Wrong("field", "nonce")


def check_sealed(leaf: dict[str, Any]) -> None:
    """Whether a sealed leaf has a nonce and whole blocks. Raises Wrong."""
    check_nonce(leaf)
    cipher = leaf["cipher"]
    try:
        size = len(decoded(cipher)) if type(cipher) is str else 0
    except ValueError:
        size = 0
    if not size or size % BLOCK:
        raise Wrong("field", "cipher")


def check_points(leaf: dict[str, Any]) -> None:
    """Whether a juror's leaf has a nonce and points by code, in order. Raises Wrong."""
    check_nonce(leaf)
    points = leaf["points"]
    if type(points) is not dict or not points or not all(map(CODE.fullmatch, points)):
        raise Wrong("field", "points")
    if not all(type(given) is int and 0 <= given <= LARGEST for given in points.values()):
        raise Wrong("field", "points")
    if list(points) != sorted(points):
        raise Wrong("canonical", "")


def derived(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt."""
    secret, made, part = hmac.digest(bytes(HASH), key, "sha256"), b"", b""
    for number in range(1, length // HASH + 1):
        part = hmac.digest(secret, part + info + bytes([number]), "sha256")
        made += part
    return made


def unsealed(key: bytes, leaf: dict[str, Any]) -> dict[str, Any]:
    """The entry that a sealed leaf hides. Raises Wrong."""
    of_leaf, given = derived(key, b"leaf " + bytes.fromhex(leaf["nonce"]), HASH), decoded(leaf["cipher"])
    pad = b"".join(derived(of_leaf, b"block %d" % n, BLOCK) for n in range(len(given) // BLOCK))
    padded = (int.from_bytes(given, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(given), "big")
    plain = padded.rstrip(b" ")
    entry = read_leaf(plain)
    if entry["kind"] not in ("vote", "adjustment", "jury") or len(padded) - len(plain) >= BLOCK:
        raise Wrong("hides", "")
    return entry


def published_keys(path: Path) -> dict[str, bytes]:
    """The keys that leaves publish, by their hashes."""
    keys = {}
    with path.open("rb") as file:
        for line in file:
            if b'"kind":"opening"' not in line:
                continue
            try:
                key = bytes.fromhex(read_leaf(line.rstrip(b"\n"))["key"])
            except Wrong:  # reported where it is counted
                continue
            keys[sha256(key).hexdigest()] = key
    return keys


def instant(milliseconds: int) -> datetime:
    """A moment in UTC; the last one that can be written for any later one."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Round:
    """A round. Times in Unix milliseconds."""

    number: int
    opens: int
    closes: int
    fresh: bool


@dataclass(frozen=True)
class Rules:
    """A version of the rules. `time`: when it was logged; times in Unix milliseconds. `candidates`: by code, with name,
    category and status. `jury`: how much of the result a jury decides, in percent; `most`: the most points that a juror
    gives; both 0 where votes alone decide."""

    time: int
    name: str
    price: int
    currency: str
    opens: int
    until: int
    earliest: bool
    jury: int
    most: int
    rounds: tuple[Round, ...]
    candidates: dict[str, tuple[str, str, str]]

    @classmethod
    def read(cls, given: bytes, time: int) -> Rules:
        """The rules of a document. An exception of one kind or another where they are none."""
        from_json = json.loads(given.decode())

        def moment(text: str) -> int:
            return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)

        formula = from_json["formula"]
        jury, most = (0, 0) if formula == "votes" else (int(formula["jury_percent"]), int(formula["points_max"]))
        if jury and (not 0 < jury < 100 or formula["votes_percent"] != 100 - jury):
            raise ValueError
        return cls(
            time,
            str(from_json["name"]),
            int(from_json["price_minor"]),
            str(from_json["currency"]),
            moment(from_json["opens_at"]),
            moment(from_json["closes_at"]) + int(from_json.get("late_seconds", 0)) * 1000,
            from_json["tie_break"] == "earliest",
            jury,
            most,
            tuple(
                Round(int(one["number"]), moment(one["opens_at"]), moment(one["closes_at"]), bool(one["fresh"]))
                for one in from_json.get("rounds", ())
            ),
            {
                str(one["code"]): (str(one["name"]), str(one.get("category", "")), str(one["status"]))
                for one in from_json["candidates"]
            },
        )


@dataclass(frozen=True)
class Result:
    """A result that two persons certified. `entries`: how many it counts; `money`: in minor units by currency; `size`,
    `root`: of the log that it counts; `boards`: round, category and rows, each with place, code, name, votes and
    points; `names`: who signed."""

    number: int
    entries: int
    votes: int
    money: dict[str, int]
    size: int
    root: bytes
    boards: tuple[tuple[int, str | None, list[tuple[object, ...]]], ...]
    names: tuple[str, ...]

    @classmethod
    def read(cls, given: bytes) -> Result:
        """The result of a document. An exception of one kind or another where it is none."""
        of = json.loads(given.decode())
        return cls(
            int(of["number"]),
            int(of["entries"]),
            int(of["votes"]),
            {str(currency): int(minor) for currency, minor in of["amounts"].items()},
            int(of["log"]["size"]),
            bytes.fromhex(of["log"]["root"]),
            tuple((int(one.get("round", 0)), one.get("category"), cls._rows(one)) for one in of["boards"]),
            tuple(str(one["name"]) for one in of["signed_by"]),
        )

    @staticmethod
    def _rows(board: dict[str, Any]) -> list[tuple[object, ...]]:
        placed = [
            (int(one["rank"]), one["code"], one["name"], int(one["votes"]), int(one.get("points", 0)))
            for one in board["places"]
        ]
        return placed + sorted((None, one["code"], one["name"], int(one["votes"])) for one in board.get("evicted", ()))


def certified_sizes(folder: Path) -> set[int]:
    """How much of the log each certified result counts, of those that can be read."""
    sizes = set()
    for path in (folder / "results").glob("*.json"):
        with suppress(*UNREADABLE):
            sizes.add(Result.read(path.read_bytes()).size)
    return sizes


class Count:
    """What the leaves say and add up to, leaf by leaf."""

    def __init__(self, folder: Path, contest: str, report: Report, keys: dict[str, bytes]) -> None:
        self.known: list[Rules] = []
        # Of sealed entries how many are not readable, since which line, and the hash of their key.
        self.closed = 0
        self.sealing: tuple[int, str] | None = None
        self._opened = 0
        self._keys = keys
        self.sold: Counter[tuple[int, str]] = Counter()
        self.money: Counter[tuple[int, str]] = Counter()
        self.reached: dict[tuple[int, str], int] = {}
        self.orders = self.back = 0
        self._folder = folder
        self._contest = contest
        self._report = report
        # What each juror gave last, by round, juror and candidate, and the sums by round and candidate.
        self.given: dict[tuple[int, int, str], int] = {}
        self.points: Counter[tuple[int, str]] = Counter()
        self.sheets = 0
        # Certified results that the lines give, with the line that names each.
        self.certified: list[tuple[int, Result]] = []
        self._unseen: list[tuple[int, int]] = []
        self._last = self._version = self._sheet = self._result = 0
        self._versions: set[int] = set()
        self._late: list[tuple[int, int]] = []
        self._adjusted: set[int] = set()
        # An entry is its number, its place among `_places`, votes and money; as numbers, since there may be millions.
        self._places: dict[tuple[int, str], int] = {}
        self._entries = (array("q"), array("q"), array("q"), array("q"))

    def add(self, line: int, text: bytes) -> None:
        """Count a line, by its number from 1 and without its end."""
        try:
            leaf = read_leaf(text)
        except Wrong as wrong:
            key, name = wrong.args
            self._report.fault(LEAVES, line, key, name=name)
            return
        self._check_contest(line, leaf)
        if leaf["kind"] == "rules":
            self._add_rules(line, leaf)
            return
        if line == 1:
            self._report.fault(LEAVES, line, "first")
        if leaf["kind"] == "result":
            self._add_result(line, leaf)
            return
        if leaf["kind"] in ("sealing", "opening"):
            self._turn_key(line, leaf)
            return
        entry = self._readable(line, leaf)
        if entry is None:
            self._last += 1
            return
        if entry["rules"] != self._version:
            self._report.fault(LEAVES, line, "names_rules", found=entry["rules"], due=self._version)
        if entry["kind"] == "jury":
            self._add_sheet(line, entry)
            return
        if entry["seq"] != self._last + 1:
            self._report.fault(LEAVES, line, "seq", found=entry["seq"], due=self._last + 1)
        self._last = entry["seq"]
        if entry["kind"] == "vote":
            self._check_vote(line, entry)
        else:
            self._check_adjustment(line, entry)
        self._keep(entry)

    def _add_result(self, line: int, leaf: dict[str, Any]) -> None:
        """A result that two persons certified: it is that of the lines before."""
        number = leaf["number"]
        if number != self._result + 1:
            self._report.fault(LEAVES, line, "result", found=number, due=self._result + 1)
        self._result = number
        try:
            given = (self._folder / "results" / f"{number}.json").read_bytes()
        except OSError:
            self._unseen.append((line, number))
            return
        if sha256(given).hexdigest() != leaf["sha256"]:
            self._report.fault(LEAVES, line, "result_hash", number=number)
            return
        try:
            result = Result.read(given)
        except UNREADABLE:
            self._report.fault(LEAVES, line, "result_document", number=number)
            return
        if self._report.faults or not self.known or self.closed:  # it cannot be compared
            return
        if self._gives(result, number):
            self.certified.append((line, result))
        else:
            self._report.fault(LEAVES, line, "result_ranking", number=number)

    def _gives(self, result: Result, number: int) -> bool:
        """Whether the lines up to here give this result."""
        sums = {self.newest.currency: sum(self.money.values())}
        stated = (number, self._last, sum(self.sold.values()), sums)
        if stated != (result.number, result.entries, result.votes, result.money):
            return False
        last = max((of_round for of_round, _, _ in result.boards), default=0)
        for of_round, category, rows in result.boards:
            found = ranking(self, of_round, last=of_round == last, category=category)
            placed = [(one.place, one.code, one.name, one.votes, one.points) for one in found if one.place]
            gone = sorted((None, one.code, one.name, one.votes) for one in found if not one.place)
            if [*placed, *gone] != rows:
                return False
        return True

    def _add_sheet(self, line: int, leaf: dict[str, Any]) -> None:
        """A juror's points, in place of what these candidates had of the juror in this round."""
        if leaf["sheet"] != self._sheet + 1:
            self._report.fault(LEAVES, line, "sheet", found=leaf["sheet"], due=self._sheet + 1)
        self._sheet = leaf["sheet"]
        self.sheets += 1
        for code, given in leaf["points"].items():
            place = (leaf["round"], leaf["juror"], code)
            self.points[leaf["round"], code] += given - self.given.get(place, 0)
            self.given[place] = given
        if not self.known or len(self.known) < self._version:  # the fault of the rules is reported already
            return
        newest = self.newest
        if not newest.jury:
            self._report.fault(LEAVES, line, "no_jury")
        elif max(leaf["points"].values()) > newest.most:
            self._report.fault(LEAVES, line, "points", most=newest.most)
        for code in leaf["points"]:
            if all(code not in one.candidates for one in self.known):
                self._report.fault(LEAVES, line, "candidate", code=code)
        if leaf["round"] and all(leaf["round"] != has.number for one in self.known for has in one.rounds):
            self._report.fault(LEAVES, line, "round", round=leaf["round"])

    def _check_contest(self, line: int, leaf: dict[str, Any]) -> None:
        if leaf["contest"] != self._contest:
            self._report.fault(LEAVES, line, "other_contest", found=leaf["contest"], contest=self._contest)

    def _turn_key(self, line: int, leaf: dict[str, Any]) -> None:
        """From here on entries are sealed, or no longer."""
        if leaf["kind"] == "sealing":
            if self.sealing:
                self._report.fault(LEAVES, line, "sealed_again", since=self.sealing[0])
            self.sealing = line, leaf["sha256"]
        elif self.sealing is None:
            self._report.fault(LEAVES, line, "opens_nothing")
        else:
            if sha256(bytes.fromhex(leaf["key"])).hexdigest() != self.sealing[1]:
                self._report.fault(LEAVES, line, "opens_other", since=self.sealing[0])
            self.sealing = None

    def _readable(self, line: int, leaf: dict[str, Any]) -> dict[str, Any] | None:
        """The entry that a leaf is, or hides; None where it is not readable."""
        if leaf["kind"] != "sealed":
            if self.sealing:
                self._report.fault(LEAVES, line, "readable", since=self.sealing[0])
            return leaf
        if self.sealing is None:
            self._report.fault(LEAVES, line, "sealed_outside")
            return None
        key = self._keys.get(self.sealing[1])
        if key is None:
            self.closed += 1
            return None
        try:
            entry = unsealed(key, leaf)
        except Wrong:
            self._report.fault(LEAVES, line, "hides")
            return None
        self._opened += 1
        self._check_contest(line, entry)
        return entry

    def _add_rules(self, line: int, leaf: dict[str, Any]) -> None:
        version = leaf["version"]
        if version != self._version + 1:
            self._report.fault(LEAVES, line, "version", found=version, due=self._version + 1)
        self._version = version
        self._versions.add(version)
        try:
            given = (self._folder / "rules" / f"{version}.json").read_bytes()
        except OSError:
            self._report.fault(LEAVES, line, "rules_missing", version=version)
            return
        if sha256(given).hexdigest() != leaf["sha256"]:
            self._report.fault(LEAVES, line, "rules_hash", version=version)
            return
        try:
            rules = Rules.read(given, leaf["time"])
        except UNREADABLE:
            self._report.fault(LEAVES, line, "rules_document", version=version)
            return
        if self._last and self.known and (rules.jury, rules.earliest) != (self.newest.jury, self.newest.earliest):
            self._report.fault(LEAVES, line, "formula")
        self.known.append(rules)

    def _check_vote(self, line: int, leaf: dict[str, Any]) -> None:
        """A vote goes by the rules under which it was ordered: those in force, or earlier ones."""
        self.orders += 1
        known = self.known
        if not known or len(known) < self._version:  # the fault of the rules is reported already
            return
        newest = known[-1]
        if leaf["candidate"] not in newest.candidates:
            self._report.fault(LEAVES, line, "candidate", code=leaf["candidate"])
        if leaf["currency"] != newest.currency:
            self._report.fault(LEAVES, line, "currency", found=leaf["currency"], due=newest.currency)
        if leaf["amount"] != leaf["votes"] * newest.price and all(
            leaf["amount"] != leaf["votes"] * one.price for one in known
        ):
            self._report.fault(LEAVES, line, "price", amount=leaf["amount"], votes=leaf["votes"])
        if leaf["round"] and all(leaf["round"] != has.number for one in known for has in one.rounds):
            self._report.fault(LEAVES, line, "round", round=leaf["round"])
        if leaf["time"] < newest.opens and all(leaf["time"] < one.opens for one in known):
            self._report.fault(LEAVES, line, "early")
        if leaf["time"] > newest.until and all(leaf["time"] > one.until for one in known):
            self._late.append((line, leaf["votes"]))

    def _check_adjustment(self, line: int, leaf: dict[str, Any]) -> None:
        self.back += 1
        adjusts = leaf["adjusts"]
        entry = self._entry(adjusts)
        if adjusts in self._adjusted:
            self._report.fault(LEAVES, line, "adjusts_twice", seq=adjusts)
        elif entry is None or entry[1] < 0:
            self._report.fault(LEAVES, line, "adjusts_nothing", seq=adjusts)
        elif entry != (self._places.get((leaf["round"], leaf["candidate"])), -leaf["votes"], -leaf["amount"]):
            self._report.fault(LEAVES, line, "adjusts_part", seq=adjusts)
        self._adjusted.add(adjusts)

    def _entry(self, seq: int) -> tuple[int, int, int] | None:
        seqs, places, votes, money = self._entries
        at = seq - 1
        if at >= len(seqs) or seqs[at] != seq:
            try:
                at = seqs.index(seq)
            except ValueError:
                return None
        return places[at], votes[at], money[at]

    def _keep(self, leaf: dict[str, Any]) -> None:
        where = (leaf["round"], leaf["candidate"])
        self.sold[where] += leaf["votes"]
        self.money[where] += leaf["amount"]
        self.reached[where] = leaf["seq"]
        place = self._places.setdefault(where, len(self._places))
        for kept, value in zip(self._entries, (leaf["seq"], place, leaf["votes"], leaf["amount"])):
            kept.append(value)

    @property
    def newest(self) -> Rules:
        """The last rules that could be read."""
        return self.known[-1]

    @property
    def evicted(self) -> dict[str, int]:
        """Since when candidates are out, by code, in Unix milliseconds: when it was logged."""
        since: dict[str, int] = {}
        for rules in self.known:
            for code, (_, _, status) in rules.candidates.items():
                if status == "evicted":
                    since.setdefault(code, rules.time)
                else:
                    since.pop(code, None)
        return since

    def conclude(self) -> None:
        """Say what is known once all leaves were read."""
        if self._opened:
            self._report.remark("opened", count=self._opened)
        if self._late:
            line = self._late[0][0]
            self._report.remark("late", count=len(self._late), votes=sum(n for _, n in self._late), line=line)
        for line, number in self._unseen:
            if self.sealing:
                self._report.remark("result_hidden", number=number)
            else:
                self._report.fault(LEAVES, line, "result_missing", number=number)
        for folder, stated in (("rules", self._versions), ("results", set(range(1, self._result + 1)))):
            for path in sorted((self._folder / folder).glob("*")):
                if path.name not in {f"{number}.json" for number in stated}:
                    self._report.fault(f"{folder}/{path.name}", None, "rules_extra")


class Listed:
    """The hashes that the kit lists, beside those of its lines: they show which line is another one."""

    def __init__(self, given: bytes) -> None:
        self._given = given
        self._places: dict[bytes, int] = {}
        self._shift = 0
        self.found: list[tuple[int, str, int]] = []

    @property
    def size(self) -> int:
        """How many bytes they are."""
        return len(self._given)

    @property
    def root(self) -> bytes:
        """The root over them."""
        tree = Tree()
        for one in self.hashes:
            tree.append(one)
        return tree.root

    @property
    def hashes(self) -> Iterator[bytes]:
        """All of them in order."""
        return (self._given[at : at + HASH] for at in range(0, len(self._given), HASH))

    def compare(self, at: int, made: bytes) -> None:
        """Compare the hash of a line, from 0."""
        if not self._shift and self._given[at * HASH : (at + 1) * HASH] == made:
            return
        if not self._places:
            self._places = {one: place for place, one in enumerate(self.hashes)}
        place = self._places.get(made)
        if place is None:
            self.found.append((at + 1, "changed", 0))
        elif place - at != self._shift:
            self._shift = place - at
            if self._shift:
                self.found.append((at + 1, "moved", place + 1))


@dataclass
class Read:
    """What one pass over the leaves found. `roots`: by size of the tree, of the sizes that were asked for."""

    size: int
    roots: dict[int, bytes]
    listed: Listed


def read_leaves(folder: Path, sizes: set[int], count: Count, report: Report) -> Read:
    """Read every line once."""
    tree, listed = Tree(), Listed((folder / HASHES).read_bytes())
    roots = {0: EMPTY_ROOT}
    with (folder / LEAVES).open("rb") as file:
        for line, text in enumerate(file, 1):
            if text.endswith(b"\n"):
                text = text[:-1]
            else:
                report.fault(LEAVES, line, "no_end")
            made = sha256(b"\x00" + text).digest()
            tree.append(made)
            listed.compare(line - 1, made)
            if line in sizes:
                roots[line] = tree.root
            count.add(line, text)
    count.conclude()
    return Read(tree.size, roots, listed)


def compare(read: Read, checkpoints: list[Checkpoint], report: Report) -> None:
    """Whether the lines are those that checkpoints state, and which are not."""
    newest = max(checkpoints, key=lambda one: one.size)
    good = max((one.size for one in checkpoints if read.roots.get(one.size) == one.root), default=0)
    if read.listed.size != newest.size * HASH:
        report.fault(HASHES, None, "hashes_size", found=read.listed.size, due=newest.size * HASH)
    if good == newest.size:
        for line in (line for line, _, _ in read.listed.found if line <= newest.size):
            report.fault(HASHES, line, "hash")
    else:
        for line, key, belongs in read.listed.found:
            report.fault(LEAVES, line, key, belongs=belongs)
    if read.size > newest.size:
        report.fault(LEAVES, newest.size + 1, "beyond")
    if read.size < newest.size:
        report.fault(LEAVES, max(read.size, 1), "short", at=newest.line + 1, of=newest.file, size=newest.size)
    known = good < newest.size and read.listed.root == newest.root
    for one in checkpoints:
        if one.size > read.size or read.roots[one.size] == one.root:
            continue
        if one.size < good:
            report.fault(one.file, one.line + 2, "root_alone")
        elif not known:
            report.fault(one.file, one.line + 2, "root", first=good + 1, last=one.size)
            break


def compare_kept(read: Read, origin: str, kept: list[Checkpoint], report: Report) -> None:
    """Whether the log begins as the checkpoints state that somebody kept."""
    for one in kept:
        if one.origin != origin:
            report.fault(one.file, one.line, "origin", found=one.origin, due=origin)
        elif one.size > read.size:
            report.fault(LEAVES, max(read.size, 1), "short", at=one.line + 1, of=one.file, size=one.size)
        elif read.roots[one.size] != one.root:
            report.fault(one.file, one.line + 2, "kept", last=one.size)
        else:
            report.remark("kept_well", size=one.size)


def compare_results(read: Read, certified: list[tuple[int, Result]], report: Report) -> None:
    """Whether each certified result names the root of the lines that it counts."""
    for line, result in certified:
        if result.size >= line or read.roots.get(result.size) != result.root:
            report.fault(f"results/{result.number}.json", None, "result_root", size=result.size)
        else:
            report.remark("certified", number=result.number, names=", ".join(result.names))


def compare_words(folder: Path, read: Read, noted: tuple[int, list[str]], report: Report) -> None:
    """Whether the log begins with the lines that four words stood for. `noted`: their number and the words."""
    size, words = noted
    found = words_of(folder, read.roots[size]) if size in read.roots else []
    if found == [one.lower() for one in words]:
        report.remark("words_well", size=size)
    else:
        report.fault(LEAVES, None, "kept_words", last=size, words=" ".join(found) or "–")


# The result


@dataclass(frozen=True)
class Standing:
    """A candidate in a ranking. `place`: None for one who is out. `score`: a part of 1."""

    place: int | None
    code: str
    name: str
    category: str
    votes: int
    money: int
    points: int = 0
    score: Fraction = Fraction(0)


def scored(rows: list[Standing], jury: int) -> list[Standing]:
    """The candidates of a table with their scores: the jury's percent of their part of all points, and the rest of
    their part of all votes. A part of nothing is 0."""
    votes, points = sum(row.votes for row in rows) or 1, sum(row.points for row in rows) or 1
    return [
        replace(row, score=((100 - jury) * Fraction(row.votes, votes) + jury * Fraction(row.points, points)) / 100)
        for row in rows
    ]


def ranking(count: Count, number: int, *, last: bool, category: str | None = None) -> list[Standing]:
    """The ranking of a round, with the votes that it carries on; 0 where there is none. `last`: whether it is the last
    one: in the others who went out since keeps a place."""
    rules = count.newest
    fresh = [one.number for one in rules.rounds if one.fresh and one.number <= number]
    counted_in = range(max(fresh, default=0), number + 1)
    closes = next((one.closes for one in rules.rounds if one.number == number and not last), 0)
    placed, gone = [], []
    reached: dict[str, int] = {}
    for code, (name, of, status) in rules.candidates.items():
        if category not in (None, of):
            continue
        where = [(one, code) for one in counted_in]
        votes, money = sum(count.sold[one] for one in where), sum(count.money[one] for one in where)
        if votes and rules.earliest:
            reached[code] = max((count.reached.get(one, 0) for one in where), default=0)
        points = sum(count.points[one] for one in where) if rules.jury else 0
        row = Standing(None, code, name, of, votes, money, points)
        if status == "evicted" and (not closes or count.evicted[code] < closes):
            gone.append(row)
        elif votes or status in ("approved", "evicted"):
            placed.append(row)
    ordered = sorted((-row.score, reached.get(row.code, 0), row.code, row) for row in scored(placed, rules.jury))
    rows: list[Standing] = []
    for position, (score, first, _, row) in enumerate(ordered):
        tied = position and ordered[position - 1][:2] == (score, first)
        rows.append(replace(row, place=rows[-1].place if tied else position + 1))
    return rows + sorted(gone, key=lambda row: count.evicted[row.code], reverse=True)


@dataclass(frozen=True)
class Shown:
    """How a language writes what was found."""

    phrases: dict[str, Any]
    space: str

    def number(self, value: int) -> str:
        """A whole number."""
        return f"{value:,}".replace(",", self.space)

    def money(self, minor: int, currency: str) -> str:
        """An amount in minor units."""
        decimals = DECIMALS.get(currency, 0)
        whole, part = divmod(abs(minor), 10**decimals)
        sign, point = "-" if minor < 0 else "", "," if self.phrases is FR else "."
        return f"{sign}{self.number(whole)}{f'{point}{part:0{decimals}d}' if decimals else ''} {currency}"

    def say(self, key: str, **values: object) -> str:
        """A sentence."""
        shown = {
            name: self.number(value)
            if type(value) is int and name in ("count", "votes", "size", "orders", "back")
            else f"{value:%Y-%m-%d %H:%M:%S} UTC"
            if isinstance(value, datetime)
            else value
            for name, value in values.items()
        }
        return str(self.phrases[key].format(**shown))

    def fault(self, fault: Fault) -> str:
        """What is wrong, with file and line."""
        where = self.say("file", file=fault.file)
        if fault.line is not None:
            where = self.say("line", file=fault.file, line=fault.line)
        return where + self.say(fault.key, line=fault.line, **fault.values)

    def faults(self, faults: list[Fault]) -> Iterator[str]:
        """All that is wrong, some of each kind."""
        kinds: dict[tuple[str, str], list[Fault]] = defaultdict(list)
        for one in faults:
            kinds[one.file, one.key].append(one)
        for of_kind in kinds.values():
            yield from map(self.fault, of_kind[:LISTED])
            if len(of_kind) > LISTED:
                yield self.say("more", count=len(of_kind) - LISTED)

    def share(self, part: Fraction) -> str:
        """A part of 1 in percent with two decimals, halves upwards."""
        hundredths = (20_000 * part.numerator + part.denominator) // (2 * part.denominator)
        whole, rest = divmod(hundredths, 100)
        return f"{whole}{',' if self.phrases is FR else '.'}{rest:02d} %"

    def table(self, rows: list[Standing], rules: Rules) -> Iterator[str]:
        """A ranking."""
        cells = [(*self.phrases["columns"], *(self.phrases["jury_columns"] if rules.jury else ()))]
        for row in rows:
            place = self.say("gone") if row.place is None else str(row.place)
            judged = (self.number(row.points), self.share(row.score) if row.place else "") if rules.jury else ()
            money = self.money(row.money, rules.currency)
            cells.append((place, row.code, row.name, self.number(row.votes), money, *judged))
        widths = [max(map(len, column)) for column in zip(*cells)]
        for line in cells:
            left = [f"{cell:<{width}}" for cell, width in zip(line[:3], widths)]
            right = [f"{cell:>{width}}" for cell, width in zip(line[3:], widths[3:])]
            yield "  " + "  ".join(left + right)

    def result(self, count: Count) -> Iterator[str]:
        """The result of a contest, round by round and category by category."""
        rules = count.newest
        yield from ("", rules.name)
        numbers = sorted({number for number, _ in count.sold} | {number for number, _ in count.points} or {0})
        categories = sorted({category for _, category, _ in rules.candidates.values() if category})
        for number in numbers:
            if rules.rounds:
                yield from ("", self.say("round_title", number=number) if number else self.say("before_rounds"))
            for category in (None, *categories):
                yield "" if category is None else "\n" + self.say("category", category=category)
                yield from self.table(ranking(count, number, last=number == numbers[-1], category=category), rules)
        sums = sum(count.sold.values()), self.money(sum(count.money.values()), rules.currency)
        yield ""
        yield self.say("total", votes=sums[0], money=sums[1], orders=count.orders, back=count.back)
        if rules.jury:
            yield self.say("jury", votes=100 - rules.jury, jury=rules.jury, sheets=count.sheets)
        yield self.say(("jury_" if rules.jury else "") + ("earliest" if rules.earliest else "shared"))

    def report(self, found: Found) -> Iterator[str]:
        """All that was found."""
        newest = found.newest
        yield self.say("log", origin=newest.origin)
        root = b64encode(newest.root).decode()
        yield self.say("head", size=newest.size, checkpoints=found.checkpoints, root=root)
        if found.time:
            yield self.say("stated", time=found.time)
        if found.words:
            yield self.say("words", words=" ".join(found.words))
        count = found.count
        if count.sealing and count.closed:
            line, hashed = count.sealing
            yield from ("", self.say("sealed", count=count.closed, line=line, sha256=hashed))
        if count.known:
            yield from self.result(count)
        yield ""
        yield from (self.say(key, **values) for key, values in found.report.remarks)
        faults = found.report.faults
        well = self.say("well_sealed" if count.closed else "well")
        yield from ("", self.say("faults", count=len(faults)) if faults else well)
        yield from self.faults(faults)
        yield from ("", self.say("proves"))


@dataclass(frozen=True)
class Found:
    """All that was found. `time`: when the newest checkpoint was made, as the log says."""

    report: Report
    count: Count
    newest: Checkpoint
    checkpoints: int
    time: datetime | None
    words: list[str]


def recount(
    folder: Path,
    kept: Path | None = None,
    witnesses: Iterable[str] = (),
    noted: tuple[int, list[str]] | None = None,
) -> Found:
    """Recount a kit. `kept`: a file of checkpoints that somebody kept; `noted`: a number of lines and its four words.
    Raises Unreadable, OSError."""
    report = Report()
    keys = read_keys(folder, witnesses, report)
    checkpoints = read_checkpoints(folder / CHECKPOINTS, report)
    if not checkpoints:
        raise Unreadable("no_checkpoint")
    kept_ones = read_checkpoints(kept, report) if kept else []
    if kept and not kept_ones:
        raise Unreadable("no_checkpoint")
    signatures, newest, time = Signatures(keys, report), checkpoints[0], None
    for before, one in zip([None, *checkpoints], checkpoints):
        if before and one.size <= before.size:
            report.fault(one.file, one.line + 1, "size", found=one.size)
        if one.origin != checkpoints[0].origin:
            report.fault(one.file, one.line, "origin", found=one.origin, due=checkpoints[0].origin)
        made = signatures.check(one)
        if one.size >= newest.size:
            newest, time = one, made
    for one in kept_ones:
        signatures.check(one)
    signatures.conclude(len(checkpoints))
    contest = newest.origin.removesuffix("/log").rpartition("/")[2]
    count = Count(folder, contest, report, published_keys(folder / LEAVES))
    sizes = {one.size for one in (*checkpoints, *kept_ones)} | certified_sizes(folder)
    read = read_leaves(folder, sizes | {noted[0]} if noted else sizes, count, report)
    compare(read, checkpoints, report)
    compare_kept(read, newest.origin, kept_ones, report)
    compare_results(read, count.certified, report)
    if noted:
        compare_words(folder, read, noted, report)
    return Found(report, count, newest, len(checkpoints), time, words_of(folder, newest.root))


def words_of(folder: Path, root: bytes) -> list[str]:
    """The four words of a root: 11 bits each, as numbers of lines in words.txt; none without that file."""
    path = folder / "words.txt"
    words = path.read_text("utf-8").split() if path.is_file() else []
    bits = int.from_bytes(root, "big") >> HASH * 8 - 44
    return [words[bits >> 11 * n & 2047] for n in (3, 2, 1, 0)] if len(words) == 2048 else []


def main(arguments: list[str] | None = None) -> int:
    """Recount, say what was found, and return the exit status."""
    parser = argparse.ArgumentParser(description="Recount a contest from its recount kit.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent, metavar="DIR")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="checkpoints that you kept earlier")
    parser.add_argument("--words", nargs=5, metavar=("SIZE", *["WORD"] * 4), help="four words that you noted")
    parser.add_argument("--witness", action="append", default=[], metavar="KEY", help="the key of a witness")
    parser.add_argument("--fr", action="store_true", help="en français")
    asked = parser.parse_args(arguments)
    if asked.words and not asked.words[0].isdecimal():
        parser.error("--words begins with the number of lines")
    noted = (int(asked.words[0]), asked.words[1:]) if asked.words else None
    shown = Shown(FR, " ") if asked.fr else Shown(EN, ",")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        found = recount(asked.folder, asked.checkpoint, asked.witness, noted)
    except (OSError, Unreadable) as error:
        why = shown.say(str(error)) if isinstance(error, Unreadable) else str(error)
        print(shown.say("unreadable", why=why))
        return 2
    for line in shown.report(found):
        # Names come from the kit: none of them may steer a terminal.
        print("".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in line))
    return 1 if found.report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
