"""What files of candidates say, and what is wrong with them, line by line."""

import io
from dataclasses import replace

import pytest
from openpyxl import Workbook

from gateway.contests.candidate_import import CSV_BYTES_MAX, ROWS_MAX, Line, ReadFile, read_table, unpack
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from tests.demo import candidate_id, demo_contest

SUBMITTED, APPROVED, REJECTED, WITHDRAWN, EVICTED = CandidateStatus


def held(*people: Candidate, check_digits: bool = False) -> Contest:
    return replace(demo_contest(), candidates=people, check_digits=check_digits, _by_code={})


EMPTY = held()
AWA = Candidate(candidate_id(1), "01", "Awa Koné", category="Chant", text="She sings.", photo_url="https://a.example/1")
YAO = Candidate(candidate_id(2), "02", "Yao Brou", WITHDRAWN)
NEW = Candidate(candidate_id(3), "03", "Zita", SUBMITTED)
TWO = held(AWA, YAO, NEW)


def read(text: str, contest: Contest = EMPTY) -> ReadFile:
    return read_file(text.encode(), contest)


def read_file(data: bytes, contest: Contest, encoding: str | None = None) -> ReadFile:
    return read_table(unpack(data, encoding), contest)


def people(found: ReadFile) -> list[tuple[str | None, str, CandidateStatus]]:
    return [(line.entry.code, line.entry.name, line.entry.status) for line in found.lines]


@pytest.mark.parametrize(
    "text",
    [
        "code,name\n01,Awa\n02,Yao\n",
        "name,code\nAwa,01\nYao,02\n",
        "Numéro;Nom\n01;Awa\n02;Yao\n",
        "N°\tNOM ET PRÉNOMS\n01\tAwa\n02\tYao",
        "\ufeffCODE,Full name\r\n01,Awa\r\n\r\n02,Yao\r\n",
        '"Code","Candidat(e)"\n"01"," Awa "\n"02","Yao"\n'.replace("Candidat(e)", "Candidate"),
        "code,name,age\n01,Awa,22\n02,Yao,1,5\n".replace("1,5", '"1,5"'),
        "nom\nAwa\nYao\n",
    ],
)
def test_head_separator_and_order_vary(text: str) -> None:
    found = read(text)
    assert found.faults == []
    assert people(found) == [("01", "Awa", APPROVED), ("02", "Yao", APPROVED)]
    assert [line.entry.id for line in found.lines] == [None, None]


def test_all_that_a_line_may_say() -> None:
    found = read(
        "code;nom;catégorie;présentation;photo;statut;téléphone\n"
        '07;Awa Koné;Chant;"Née à Bouaké.\nElle chante.";https://a.example/7.jpg;en attente;0501020304\n'
    )
    (line,) = found.lines
    entry = line.entry
    assert (entry.code, entry.name, entry.status) == ("07", "Awa Koné", SUBMITTED)
    assert (entry.category, entry.text) == ("Chant", "Née à Bouaké.\nElle chante.")
    assert entry.photo_url == "https://a.example/7.jpg"
    assert (found.rows, found.ignored) == (1, ["téléphone"])


FAULTS = [
    # what stands in the file; line, column and kind of each fault, and what it is about
    ("code,name\n01,\n", [(2, "name", "name_missing", "")]),
    ("code,Nom\n01, \n", [(2, "Nom", "name_missing", "")]),
    ("name\n...\n", [(2, "name", "name_without_letter", "")]),
    (f"name\n{'A' * 201}\n", [(2, "name", "too_long", "200")]),
    ("name\nAwa\u202eKoné\n", [(2, "name", "strange_sign", "")]),
    ("name\nAwa\x07\n", [(2, "name", "strange_sign", "")]),
    ("name,text\nAwa,\u2066x\n", [(2, "text", "strange_sign", "")]),
    (f"name,text\nAwa,{'x' * 1001}\n", [(2, "text", "too_long", "1000")]),
    (f"name,category\nAwa,{'x' * 61}\n", [(2, "category", "too_long", "60")]),
    ("name,photo\nAwa,http://a.example/1.jpg\n", [(2, "photo", "not_an_address", "")]),
    ("name,status\nAwa,maybe\n", [(2, "status", "unknown_status", "maybe")]),
    ("name,status\nAwa,rejected\n", [(2, "status", "move_no_reason", "")]),
    ("code,name\nx1,Awa\n", [(2, "code", "code_not_digits", "x1")]),
    ("code,name\n٠٧,Awa\n", [(2, "code", "code_not_digits", "٠٧")]),
    ("code,name\n7,Awa\n", [(2, "code", "code_menu_choice", "7")]),
    ("code,name\n1234567,Awa\n", [(2, "code", "code_too_long", "1234567")]),
    ("code,name\n001,Awa\n", [(2, "code", "code_home", "001")]),
    ("code,name\n01,Awa\n02,Yao\n01,Zoé\n", [(4, "code", "code_twice", "2")]),
    ("code,name\n01,Awa\n02,AWA\n", [(3, "name", "name_twice", "2")]),
    ("code,name\n01,Awa,x\n", [(2, "name", "too_many_cells", "2")]),
    ("nom complet\n\n\nAwa\n\n??\n", [(6, "nom complet", "name_without_letter", "")]),
    ('name,text\nAwa,"one\ntwo"\n,none\n', [(4, "name", "name_missing", "")]),
    ("code\n01\n", [(1, "name", "no_name_column", "")]),
    ("nom,name\nAwa,Awa\n", [(1, "name", "column_twice", "name")]),
    ("name\n", [(1, "name", "no_rows", "")]),
    ("", [(1, "name", "no_rows", "")]),
    ("name\n" + "".join(f"N{n}\n" for n in range(ROWS_MAX + 1)), [(ROWS_MAX + 2, "name", "too_many_rows", "5000")]),
    (
        "name,category\n" + "".join(f"N{n},C{n}\n" for n in range(41)),
        [(42, "category", "too_many_categories", "40")],
    ),
    ("a\x00b", [(1, "name", "table_not_text", "")]),
]


@pytest.mark.parametrize(("text", "faults"), FAULTS)
def test_every_fault_has_its_line_and_column(text: str, faults: list[tuple[int, str, str, str]]) -> None:
    assert [(fault.line, fault.column, fault.kind, fault.about) for fault in read(text).faults] == faults


def test_faulty_lines_do_not_hide_each_other_nor_the_sound_ones() -> None:
    found = read("code,name\n01,Awa\n1,Yao\n03,\n04,Léa\n04,Zoé\n,Ama\n")
    assert [(fault.line, fault.kind) for fault in found.faults] == [
        (3, "code_menu_choice"),
        (4, "name_missing"),
        (6, "code_twice"),
    ]
    # A code that a faulty line names is not given to another one.
    assert people(found) == [("01", "Awa", APPROVED), ("04", "Léa", APPROVED), ("02", "Ama", APPROVED)]
    assert found.rows == 6


@pytest.mark.parametrize(
    ("text", "contest", "kind", "about"),
    [
        ("code,name\n01,Zoé\n", TWO, "code_taken", "01 Awa Koné"),
        ("code,name\n02,Zoé\n", TWO, "code_taken", "02 Yao Brou"),
        ("code,name\n09,Awa Koné\n", TWO, "name_held", "01 Awa Koné"),
        ("name,status\nAwa Koné,rejected\n", TWO, "move_has_votes", ""),
        ("name,status\nAwa Koné,submitted\n", TWO, "move_not_submitted", ""),
        ("name,status\nAwa Koné,éliminée\n", TWO, "move_no_reason", ""),
        ("name,status\nYao Brou,evicted\n", TWO, "move_not_in_the_contest", ""),
        ("code,name\n12,Zoé\n", held(check_digits=True), "code_check_digit", "12"),
    ],
)
def test_what_does_not_agree_with_the_contest(text: str, contest: Contest, kind: str, about: str) -> None:
    (fault,) = read(text, contest).faults
    assert (fault.line, fault.kind, fault.about) == (2, kind, about)


@pytest.mark.parametrize("text", ["code,name\n01,AWA KONÉ\n", "name\nawa  koné\n"])
def test_a_line_may_be_about_an_existing_candidate(text: str) -> None:
    (line,) = read(text, TWO).lines
    entry = line.entry
    assert (line.new, line.alike, entry.id, entry.code, entry.status) == (False, "", AWA.id, "01", APPROVED)
    assert (entry.photo_url, entry.category, entry.text) == (AWA.photo_url, None, None)


def test_what_a_cell_leaves_empty_stays() -> None:
    (one,) = read("name,category,photo,text,status\nYao Brou,Danse,,,approuvé\n", TWO).lines
    assert (one.entry.category, one.entry.text, one.entry.photo_url, one.entry.status) == (
        "Danse",
        None,
        None,
        APPROVED,
    )


def test_new_lines_without_a_code_get_the_next_free_ones() -> None:
    found = read("code,name\n,Léa\n04,Zoé\n,Ama\n", TWO)
    assert people(found) == [("05", "Léa", APPROVED), ("04", "Zoé", APPROVED), ("06", "Ama", APPROVED)]
    many = read("name\n" + "".join(f"N{n}\n" for n in range(150)))
    assert [len(line.entry.code or "") for line in many.lines] == [3] * 150
    checked = read("name\nAwa\nYao\n", held(check_digits=True))
    assert [line.entry.code for line in checked.lines] == ["013", "021"]


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("name\nKoné Awa\n", "01 Awa Koné"),
        ("name\nAwa Kone\n", "01 Awa Koné"),
        ("name\nАwa Коné\n", "01 Awa Koné"),
        ("name\nLéa\nLea\n", "Léa"),
        ("name\nCandidate 1\nCandidate 11\n", ""),
    ],
)
def test_a_name_that_looks_like_another_waits_for_a_person(text: str, alike: str) -> None:
    last: Line = read(text, TWO).lines[-1]
    assert (last.alike, last.entry.status) == (alike, SUBMITTED if alike else APPROVED)


def test_an_encoding_is_declared_or_utf_8() -> None:
    data = "nom\nKoné\n".encode("cp1252")
    assert [fault.kind for fault in read_file(data, EMPTY).faults] == ["table_not_utf8"]
    assert read_file(data, EMPTY, "cp1252").lines[0].entry.name == "Koné"


def test_a_sheet_keeps_leading_zeros_as_numbers() -> None:
    book, file = Workbook(), io.BytesIO()
    for row in (("Code", "Nom"), (1, "Awa"), (12.0, "Yao"), ("03", "Zoé"), (None, "Ama")):
        book.active.append(row)
    book.save(file)
    found = read_file(file.getvalue(), EMPTY)
    assert [line.entry.code for line in found.lines] == ["01", "12", "03", "02"]


def test_a_file_that_is_too_large_is_not_read() -> None:
    assert [fault.kind for fault in read_file(b"name\n" + b"x" * CSV_BYTES_MAX, EMPTY).faults] == ["table_too_large"]
    assert [fault.kind for fault in read_file(b"PK\x03\x04x", EMPTY).faults] == ["table_not_xlsx"]


def test_the_largest_file() -> None:
    found = read("code,name,text\n" + "".join(f",N{n},{'x' * 200}\n" for n in range(ROWS_MAX)))
    assert (len(found.lines), found.lines[-1].entry.code) == (ROWS_MAX, "5099")
