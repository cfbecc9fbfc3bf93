"""Numbers as they are typed."""


def whole_number(typed: str, digits: int = 9) -> int | None:
    """A typed whole number of at most so many digits; None for anything else."""
    text = typed.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
