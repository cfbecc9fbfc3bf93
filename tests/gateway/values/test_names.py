"""Which names are the same, which look alike, and which signs none of them holds."""

import pytest

from gateway.values.names import is_readable, outline, same_name, spaced, strange_sign


@pytest.mark.parametrize(
    ("one", "other", "same", "alike"),
    [
        ("Awa Koné", "awa  KONÉ ", True, True),
        ("Awa Koné", "Awa Kone", False, True),
        ("Awa Koné", "Koné Awa", False, True),
        ("Awa Koné", "Аwа Коné", False, True),  # Cyrillic А, а, К, о
        ("Awa Koné", "Awa K0né", False, True),
        ("Jean-Luc", "Jean Luc", False, True),
        ("N'Guessan", "N’Guessan", False, True),
        ("Cafe\u0301", "Café", True, True),
        ("Awa Koné", "Awa Konan", False, False),
        ("Candidate 1", "Candidate 11", False, False),
        ("Candidate 1", "Candidate l", False, False),
        ("Candidate 10", "Candidate 01", False, False),
        ("أوا", "أوى", False, False),
    ],
)
def test_names_that_are_or_look_the_same(one: str, other: str, same: bool, alike: bool) -> None:
    assert (same_name(one) == same_name(other)) is same
    assert (outline(one) == outline(other)) is alike


@pytest.mark.parametrize(
    ("text", "lines", "strange"),
    [
        ("Awa Koné", False, None),
        ("Yémalin Agbodjèlou 🎤", False, None),
        ("نجمة", False, None),
        ("A\u200dB", False, None),
        ("Awa\u202eénoK", False, "\u202e"),
        ("Awa\u2066Koné", False, "\u2066"),
        ("Awa\x00", False, "\x00"),
        ("Awa\u200b", False, "\u200b"),
        ("one\ntwo", False, "\n"),
        ("one\ntwo", True, None),
        ("one\ttwo", True, "\t"),
        ("one\u2028two", True, "\u2028"),
    ],
)
def test_strange_signs(text: str, lines: bool, strange: str | None) -> None:
    assert strange_sign(text, lines=lines) == strange


def test_one_space_between_words() -> None:
    assert spaced(" Awa \u00a0\t Kone\u0301 ") == "Awa Koné"


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("Awa", True),
        ("7", True),
        ("أوا", True),
        ("!Awa!", True),
        ("!", False),
        ("– …", False),
        ("", False),
        ("🎤", False),
    ],
)
def test_a_name_has_a_letter_or_a_digit(name: str, readable: bool) -> None:
    assert is_readable(name) is readable
