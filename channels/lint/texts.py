"""Every text that we send, at its longest, with its parts and what they cost."""

from collections.abc import Iterator, Mapping
from typing import Final

from channels import gsm
from channels.lint import samples
from channels.lint.findings import Finding, NameSeen, TextSeen, error, warning
from channels.phrases import DEFAULT_LANGUAGE, catalogue
from channels.sms.texts import KINDS, NAME_SEPTETS, render
from channels.ussd.menu import LIST_NAME_SEPTETS
from gateway.contests.contest import Contest
from gateway.values.money import Money

# Phrases that are parts of a text, or that a kind of text is made of.
_FRAGMENTS: Final = frozenset(
    f"sms.{name}"
    for name in (
        *("receipt", "receipt_short", "receipt_bare", "counted_one", "counted_many", "votes_one", "votes_many"),
        *(
            "how",
            "how_dial",
            "how_text",
            "how_code",
            "how_code_elsewhere",
            "not_confirmed",
            "payment_link",
            "payment_link_code",
            "status_line",
            "top_line",
        ),
        *("resume", "stop_hint", "given_back", "votes_withdrawn"),
        *("dispute", "debited_hint", "ask_readings", "ask_reading_yes", "ask_reading"),
        *("help_dial", "help_words", "contact", "info_codes", "info_codes_by_name", "info_rules"),
    )
)
# Kinds that are several sentences, by the word that chooses: prefix of their phrases.
_REASONS: Final[Mapping[str, str]] = {"payment_failed": "reason.", "refund_pending": "sms.refund_"}
_PARTS_MAX: Final = 2


def all_texts(contest: Contest, language: str, public_url: str, price: Money | None) -> tuple[TextSeen, ...]:
    """Every kind of text, then every answer to a text. `price`: of one part."""
    facts = _facts(contest, language, public_url)
    made = [
        (kind if word is None else f"{kind}: {word}", render(kind, language, {**facts, "reason": word}))
        for kind in KINDS
        if kind != "reply"
        for word in _words(kind)
    ]
    values = samples.values(contest, language, public_url)
    for key, phrase in catalogue()[language].items():
        reply = key.startswith(("sms.", "refusal.")) and key not in _FRAGMENTS
        if reply and not key.startswith(_REASONS["refund_pending"]):
            made.append((f"reply: {key}", gsm.fold(samples.filled(phrase, dict(values)))))
    return tuple(_seen(kind, text, price) for kind, text in made)


def _words(kind: str) -> tuple[str | None, ...]:
    if kind not in _REASONS:
        return (None,)
    prefix = _REASONS[kind]
    return tuple(key.removeprefix(prefix) for key in catalogue()[DEFAULT_LANGUAGE] if key.startswith(prefix))


def _seen(kind: str, text: str, price: Money | None) -> TextSeen:
    parts = gsm.parts(text)
    return TextSeen(kind, text, parts, None if price is None else price.times(parts))


def _facts(contest: Contest, language: str, public_url: str) -> dict[str, object]:
    """All that any kind of text may ask for."""
    values = samples.values(contest, language, public_url)
    return samples.Otherwise(
        {
            **values,
            "candidate_code": values["code"],
            "candidate_name": values["name"],
            "contest_name": contest.name,
            "country": contest.country,
            "quantity": contest.quantity_max,
            "wallet": "ORANGE_MONEY",
            "verify_url": values["url"],
            "payment_url": samples.PAYMENT_URL,
        }
    )


def findings(language: str, seen: tuple[TextSeen, ...]) -> Iterator[Finding]:
    """Texts that cost more than they should."""
    for text in seen:
        if text.kind == "receipt" and text.parts > 1:
            yield error("texts", f"{language}: a receipt has {text.parts} parts, not one")
        elif text.parts > _PARTS_MAX:
            yield warning("texts", f"{language}: {text.kind} has {text.parts} parts")


def names(contest: Contest) -> tuple[NameSeen, ...]:
    """Names of the contest (without a code) and of those who stand, as phones show them."""
    held = [("", contest.name), *((c.code, c.name) for c in contest.eligible)]
    return tuple(
        NameSeen(
            code,
            name,
            gsm.cut_on_word(gsm.fold(name), NAME_SEPTETS),
            gsm.cut_on_word(gsm.fold(name), LIST_NAME_SEPTETS),
            gsm.replaced(name),
        )
        for code, name in held
    )


def name_findings(seen: tuple[NameSeen, ...]) -> Iterator[Finding]:
    """Names of which too little is left, and names that become alike."""
    listed: dict[str, list[str]] = {}
    for name in seen:
        unreadable = "?" in name.replaced.values() or not name.shown.strip()
        if unreadable:
            yield error("names", f"{name.code} {name.name!r} cannot be read on a phone: {name.shown!r}".strip())
        elif not name.code and name.shown != gsm.fold(name.name):
            yield warning("names", f"the contest's name is cut to {name.shown!r}")
        if name.code:
            listed.setdefault(name.listed.casefold(), []).append(name.code)
    for text, codes in listed.items():
        if len(codes) > 1:
            yield warning("names", f"in a list {' and '.join(codes)} look alike: {text!r}")
