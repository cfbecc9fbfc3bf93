"""Texts as they come in, and what went before them."""

from dataclasses import dataclass

from gateway.values.money import Money


@dataclass(frozen=True, slots=True)
class IncomingText:
    """A text as a carrier handed it over. `sender` is raw: it may be a word or a short code."""

    carrier: str
    carrier_id: str
    sender: str
    recipient: str
    text: str
    network: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """An order that a voter was asked about by text; YES places it under `key`, once. `quantity` 0: the question
    is how many votes."""

    contest_slug: str
    candidate_code: str
    quantity: int
    amount: Money
    key: str


@dataclass(frozen=True, slots=True)
class Talk:
    """What went before a text. `replies`: texts that answered its sender in the last hour. `opted_out`:
    whether the sender said STOP. `bought`: whether an equal text of theirs placed an order within three
    minutes. `question`: the one that is open."""

    replies: int = 0
    opted_out: bool = False
    bought: bool = False
    question: Question | None = None
