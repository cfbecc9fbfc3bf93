"""Why a vote was taken back, told to whoever holds its receipt."""

import pytest

from channels.adjusted import why_taken_back
from channels.gsm import fold
from channels.phrases import languages
from payments.settlement.adjusted import Adjusted


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("reason", Adjusted)
def test_our_own_reasons_are_told_in_every_language(language: str, reason: Adjusted) -> None:
    told = why_taken_back(language, reason.value)
    assert told == fold(told)
    if language == "fr":
        assert told != why_taken_back("en", reason.value)


@pytest.mark.parametrize("reason", ["Panne du 12 mars", "", "refunds"])
def test_what_a_person_wrote_stays_as_it_was_written(reason: str) -> None:
    assert why_taken_back("fr", reason) == reason
