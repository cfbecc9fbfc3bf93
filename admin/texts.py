"""Texts that programs send us."""

from typing import Annotated

from pydantic import AfterValidator


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are refused")
    return text


Line = Annotated[str, AfterValidator(_printable)]
"""One line without control characters, which no database takes and no record should hold."""
