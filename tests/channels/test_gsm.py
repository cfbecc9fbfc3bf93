"""Screens and texts in the GSM alphabet."""

import pytest

from channels.gsm import ONE_SEPTET, TWO_SEPTETS, cut_on_word, fold, parts, septets


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Koné, déjà là où", "Koné, déjà là où"),
        ("Ça coûte 500 F", "Ça coute 500 F"),
        ("façade", "facade"),
        ("âêîôûëïÿ ÀÂÈÊ", "aeioueiy AAEE"),
        ("œuvre « belle » d’été…", 'oeuvre " belle " d\'été...'),
        ("N°7 – 1\u202f500\u00a0F", "No7 - 1 500 F"),
        ("ɛɔŋ ɲama", "eon nyama"),
        ("🔥 vote 🇨🇮", " vote "),
        ("prix 5€ [a]", "prix 5€ [a]"),
        ("1️⃣ 👍🏽 ♥️", "1  "),
        ("投票", "??"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded
    assert all(c in ONE_SEPTET or c in TWO_SEPTETS for c in fold(text))


def test_the_alphabet_has_its_128_places() -> None:
    assert {"@", "£", "é", "è", "à", "ù", "ì", "ò", "Ç", "É", "Ω", "\n"} <= ONE_SEPTET
    assert {"^", "{", "}", "\\", "[", "~", "]", "|", "€"} == TWO_SEPTETS
    assert not {"ç", "ê", "ô", "î", "À"} & (ONE_SEPTET | TWO_SEPTETS)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("ê" * 134, 2),
        ("ê" * 135, 3),
        ("🔥" * 35, 1),
        ("🔥" * 36, 2),
        ("", 1),
    ],
)
def test_parts(text: str, count: int) -> None:
    assert parts(text) == count


def test_septets() -> None:
    assert septets("abc€[") == 7


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("Awa Koné", 20, "Awa Koné"),
        ("Jean-Marc N'Guessan Kouadio", 20, "Jean-Marc N'Guessan"),
        ("Supercalifragilistic", 5, "Super"),
        ("€€€ x", 4, "€€"),
    ],
)
def test_cut(text: str, limit: int, cut: str) -> None:
    assert cut_on_word(text, limit) == cut
