"""By which sender id or short code a text goes to whom: they are registered country by country."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from channels.messages.rules import country_of


def read_senders(text: object) -> object:
    """`7890`, or `7890,CM:7800`: one for everybody, others for the numbers of a country, which is then their
    key. ValueError when it is neither."""
    if not isinstance(text, str):
        return text
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        country, colon, sender = entry.rpartition(":")
        country, sender = country.strip().upper(), sender.strip()
        if bool(colon) != (len(country) == 2) or not sender:
            raise ValueError("write a sender, or several as 7890,CM:7800")
        if country in found:
            raise ValueError(f"two senders for {country or 'everybody'}")
        found[country] = sender
    return found


Senders = Annotated[Mapping[str, str], BeforeValidator(read_senders)]
"""Country → sender; the empty word stands for every other country. See `read_senders`."""


def sender_to(senders: Mapping[str, str], number: str) -> str | None:
    """Whose name a text to this number bears; None leaves it to the carrier."""
    if not senders:
        return None
    # To tell a number's country takes its time, and most installations have one sender.
    own = senders.get(country_of(number) or "") if senders.keys() != {""} else None
    return own or senders.get("")
