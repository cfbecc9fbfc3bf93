"""Whose name a text bears, by the country of its recipient."""

import pytest
from pydantic import BaseModel, ValidationError

from channels.sms.carrier import Senders, sender_to

IVORIAN, CAMEROONIAN = "+2250501020304", "+237671110001"


class Settings(BaseModel):
    sender: Senders


@pytest.mark.parametrize(
    ("text", "ivorian", "cameroonian"),
    [
        ("", None, None),
        ("7890", "7890", "7890"),
        ("7890,CM:7800", "7890", "7800"),
        (" cm : 7800 , 7890 ,", "7890", "7800"),
        ("CM:7800", None, "7800"),
        ("CI:VOTE,CM:7800", "VOTE", "7800"),
    ],
)
def test_a_sender_for_each_country(text: str, ivorian: str | None, cameroonian: str | None) -> None:
    senders = Settings.model_validate({"sender": text}).sender
    assert sender_to(senders, IVORIAN) == ivorian
    assert sender_to(senders, CAMEROONIAN) == cameroonian


@pytest.mark.parametrize("text", ["7890,7800", "CM:7800,cm:1", "CM:", ":7890", "Cameroon:7800"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"sender": text})
