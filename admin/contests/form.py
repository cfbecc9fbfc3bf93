"""A contest as a form: what stands in its fields, and what typed fields mean or why they cannot be. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from channels.grammar import words
from gateway.contests.contest import Contest, TieBreak
from gateway.contests.document import RESERVED_SLUGS, ContestPart, rounds_of
from gateway.contests.rounds import order_faults
from gateway.values.money import CURRENCY_OF, Money, parse_amount
from gateway.values.names import is_readable
from gateway.values.numbers import whole_number
from gateway.values.time_zones import known_zone, local

NAME_MAX: Final = 80
RULES_MAX: Final = 1_000
CONTACT_MAX: Final = 60
PACKS_MAX: Final = 9
KEYWORD_MAX: Final = 20
_SLUG_MAX: Final = 50
_VOTES_MAX: Final = 1_000_000
_MINUTES_MAX: Final = 1_440
_DAYS_MAX: Final = 3_650
_INSTANT: Final = "%Y-%m-%dT%H:%M"
_SERVICE_CODE: Final = re.compile(r"\*\d{1,6}(\*\d{1,6})*#")
_SEPARATORS: Final = re.compile(r"[,;\s]+")
# Texts that begin with one of these are read as something else than a vote.
_OTHER_WORDS: Final = frozenset(
    {*words.COMMANDS, *words.DEBITED, *words.CHECKS, *words.AGREED, *words.NO, *words.INTENT}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the field of a name cannot be what was typed. `kind`: its phrase, filled with `values`."""

    name: str
    kind: str
    values: Mapping[str, object] = field(default_factory=dict)


Fields = Mapping[str, str]


def fields_of(part: ContestPart, languages: Iterable[str]) -> dict[str, str]:
    """What stands in the form. `languages`: in which rules are written."""
    price = Money(part.price.amount_minor, part.price.currency)
    return {
        "name": part.name,
        "country": part.country,
        "opens_at": f"{local(part.opens_at, part.time_zone):{_INSTANT}}",
        "closes_at": f"{local(part.closes_at, part.time_zone):{_INSTANT}}",
        "time_zone": part.time_zone,
        "late_minutes": str(part.late_seconds // 60),
        "price": price.plain(),
        "packs": ", ".join(map(str, part.packs)),
        "quantity_max": str(part.quantity_max),
        "confirm_above": "" if part.confirm_above is None else str(part.confirm_above),
        "tie_break": part.tie_break.value,
        "refund_days": "" if part.refund_days is None else str(part.refund_days),
        "jury_percent": "" if part.jury_percent is None else str(part.jury_percent),
        "service_code": part.service_code,
        "short_code": part.short_code,
        "keyword": part.keyword,
        "check_digits": "1" if part.check_digits else "",
        "language": part.language,
        "contact": part.contact,
        **{f"rules_{language}": part.rules.get(language, "") for language in languages},
    }


class _Reading:
    """One pass over typed fields: values, and faults beside."""

    def __init__(self, typed: Fields, held: ContestPart, shown: Fields) -> None:
        self.typed, self.held, self.shown = typed, held, shown
        self.faults: list[Fault] = []

    def text(self, name: str) -> str:
        """What was typed, spaces in order; of a field that was not sent, what is there."""
        return " ".join(self.typed.get(name, self.shown.get(name, "")).split())

    def fault(self, name: str, kind: str, **values: object) -> None:
        self.faults.append(Fault(name, kind, values))

    def number(self, name: str, least: int, most: int) -> int:
        """A whole number between two."""
        number = whole_number(self.text(name).replace(" ", ""))
        if number is None or not least <= number <= most:
            self.fault(name, "number", least=least, most=most)
            return least
        return number

    def instant(self, name: str, zone: str) -> datetime:
        """An instant as the clocks of a zone show it; what is there, to its second, while nothing else was typed."""
        held: datetime = getattr(self.held, name)
        if (self.text(name), zone) == (self.shown[name], self.held.time_zone):
            return held
        try:
            read = datetime.fromisoformat(self.text(name))
        except ValueError:
            self.fault(name, "instant")
            return held
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def read_fields(typed: Fields, held: ContestPart, languages: Sequence[str]) -> tuple[ContestPart, list[Fault]]:
    """The contest that typed fields mean, and what is wrong with them; with a fault, the contest as it is. `held`: what
    stays of a field that was not sent. `languages`: that have phrases."""
    shown = fields_of(held, languages)
    reading = _Reading(typed, held, shown)
    values: dict[str, Any] = held.model_dump()
    values["name"] = reading.text("name")
    if not is_readable(values["name"]) or len(values["name"]) > NAME_MAX:
        reading.fault("name", "name", most=NAME_MAX)
    _times(reading, values)
    _prices(reading, values)
    _codes(reading, values)
    values["language"] = reading.text("language")
    if values["language"] not in languages:
        reading.fault("language", "choice")
    values["rules"] = {code: text for code in languages if (text := reading.text(f"rules_{code}"))}
    for code, text in values["rules"].items():
        if len(text) > RULES_MAX:
            reading.fault(f"rules_{code}", "long", most=RULES_MAX)
    values["contact"] = reading.text("contact")
    if len(values["contact"]) > CONTACT_MAX:
        reading.fault("contact", "long", most=CONTACT_MAX)
    if reading.faults:
        return held, reading.faults
    try:
        return ContestPart.model_validate(values), []
    except ValidationError as error:
        return held, [Fault(str(e["loc"][0]) if e["loc"] else "name", "unreadable") for e in error.errors()]


def _times(reading: _Reading, values: dict[str, Any]) -> None:
    zone = reading.text("time_zone")
    if not known_zone(zone):
        reading.fault("time_zone", "choice")
        zone = reading.held.time_zone
    values["time_zone"] = zone
    values["opens_at"], values["closes_at"] = reading.instant("opens_at", zone), reading.instant("closes_at", zone)
    if values["opens_at"] >= values["closes_at"] and not reading.faults:
        reading.fault("closes_at", "closes_first")
    elif any(True for _ in order_faults(rounds_of(reading.held), values["opens_at"], values["closes_at"])):
        reading.fault("closes_at", "rounds_outside")
    if reading.text("late_minutes") != reading.shown["late_minutes"]:
        values["late_seconds"] = 60 * reading.number("late_minutes", 0, _MINUTES_MAX)


def _prices(reading: _Reading, values: dict[str, Any]) -> None:
    # Another country brings its currency. What is published keeps both, see `gateway.contests.changes`.
    country, currency = reading.text("country"), reading.held.price.currency
    if country != reading.held.country:
        currency = CURRENCY_OF.get(country, currency)
        if country not in CURRENCY_OF:
            reading.fault("country", "choice")
    values["country"] = country
    price = parse_amount(reading.text("price").replace(" ", ""), currency)
    if price is None or not 0 < price.amount_minor <= 10**9:
        reading.fault("price", "price")
    else:
        values["price"] = {"amount_minor": price.amount_minor, "currency": currency}
    values["quantity_max"] = reading.number("quantity_max", 1, _VOTES_MAX)
    asked = reading.text("confirm_above")
    values["confirm_above"] = reading.number("confirm_above", 1, _VOTES_MAX) if asked else None
    asked = reading.text("refund_days")
    values["refund_days"] = reading.number("refund_days", 0, _DAYS_MAX) if asked else None
    asked = reading.text("jury_percent")
    values["jury_percent"] = reading.number("jury_percent", 1, 99) if asked else None
    values["tie_break"] = reading.text("tie_break")
    if values["tie_break"] not in set(TieBreak):
        reading.fault("tie_break", "choice")
    packs = [pack for pack in _SEPARATORS.split(reading.text("packs")) if pack]
    if len(packs) > PACKS_MAX or not all(p.isascii() and p.isdigit() and len(p) <= 6 and int(p) > 0 for p in packs):
        reading.fault("packs", "packs", most=PACKS_MAX)
        return
    values["packs"] = sorted({int(pack) for pack in packs})
    if values["packs"] and values["packs"][-1] > values["quantity_max"]:
        reading.fault("packs", "pack_above", most=values["quantity_max"])


def _codes(reading: _Reading, values: dict[str, Any]) -> None:
    service_code = reading.text("service_code").replace(" ", "")
    if service_code and not _SERVICE_CODE.fullmatch(service_code):
        reading.fault("service_code", "service_code")
    short_code = reading.text("short_code").replace(" ", "")
    if not (short_code.isascii() and (not short_code or short_code.isdigit()) and len(short_code) <= 10):
        reading.fault("short_code", "short_code")
    keyword = reading.text("keyword").upper()
    if keyword and not (keyword.isascii() and keyword.isalnum() and len(keyword) <= KEYWORD_MAX):
        reading.fault("keyword", "keyword", most=KEYWORD_MAX)
    elif keyword in _OTHER_WORDS and short_code:
        reading.fault("keyword", "keyword_word", word=keyword)
    elif short_code and not keyword:
        reading.fault("keyword", "keyword_missing")
    values |= {"service_code": service_code, "short_code": short_code, "keyword": keyword}
    # A box that is not ticked is not sent; the form says by another field that it was there.
    if "has_check_digits" in reading.typed:
        values["check_digits"] = reading.typed.get("check_digits") == "1"


def ascii_words(name: str) -> list[str]:
    """The words of a name in plain letters and digits."""
    decomposed = unicodedata.normalize("NFKD", name)
    return re.findall(r"[a-z0-9]+", "".join(c for c in decomposed if not unicodedata.combining(c)).lower())


def free_slugs(name: str) -> list[str]:
    """Addresses for a contest of this name, in the order in which they are tried."""
    first = "-".join(ascii_words(name))[:_SLUG_MAX].strip("-") or "contest"
    return [slug for slug in (first, *(f"{first}-{n}" for n in range(2, 30))) if slug not in RESERVED_SLUGS]


def free_keyword(name: str, contests: Iterable[Contest], also: Collection[str] = ()) -> str:
    """A keyword of this name that no contest has. `contests`: those of its short code; `also`: further ones that
    are taken."""
    taken = {contest.keyword.upper() for contest in contests} | set(also) | _OTHER_WORDS
    named = [word.upper()[: KEYWORD_MAX - 2] for word in ascii_words(name)]
    bases = [*(word for word in named if len(word) > 2 and not word.isdigit()), "".join(named)[: KEYWORD_MAX - 2]]
    bases = [base for base in bases if base and base not in _OTHER_WORDS]
    tries = [*bases, *(f"{base}{n}" for base in bases for n in range(2, 100))]
    tries += ["CONTEST", *(f"CONTEST{n}" for n in range(2, 1_000))]
    return next(word for word in tries if word not in taken)
