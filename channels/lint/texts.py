"""Every phrase and every text that we send, filled in at its longest: its alphabet, length, parts and cost."""

from collections.abc import Iterator, Mapping
from typing import Final

from channels import gsm
from channels.buying import one_dial, wallet_name
from channels.lint.findings import Finding, Level, NameSeen, TextSeen, error, warning
from channels.phrases import DEFAULT_LANGUAGE, catalogue, say
from channels.sms.texts import KINDS, NAME_SEPTETS, TEXT_SEPTETS, render
from channels.ussd.menu.lists import LIST_NAME_SEPTETS
from channels.ussd.menu.session import SEPTETS_MAX
from gateway.contests.contest import Contest
from gateway.http.phrases import PhraseFile, faults
from gateway.orders.receipt import make_receipt
from gateway.orders.wallet import PaymentMethod, example_number
from gateway.values.money import Money
from gateway.values.time_zones import digits

RECEIPT = make_receipt((1 << 45) - 1)
# As long as operators make them.
REFERENCE = "00000000-0000-4000-8000-000000000000"
PAYER_MASKED = "05..0304"
# A hosted payment page's address is long and never cut.
PAYMENT_URL = "https://webpayment.orange-money.com/ci/pay_token/" + "a1b2" * 16
OTHERWISE = "x" * 12


def widest(texts: list[str], fallback: str) -> str:
    """The text of most septets once folded."""
    return max((gsm.fold(text) for text in texts), key=gsm.septets, default=fallback)


def values_of(contest: Contest, language: str, public_url: str) -> dict[str, object]:
    """Placeholder → its widest value in this contest."""
    phrases = catalogue()[language]
    code = widest([c.code for c in contest.candidates], "07")
    name = gsm.cut_on_word(widest([c.name for c in contest.eligible], "Awa Koné"), NAME_SEPTETS)
    quantity = contest.quantity_max
    dial = one_dial(contest.dial_code, code, quantity)
    return {
        "contest": gsm.cut_on_word(gsm.fold(contest.name), NAME_SEPTETS),
        "price": contest.price.spoken(),
        "amount": contest.price.times(quantity).spoken(),
        "code": code,
        "name": name,
        "votes": say(language, "sms.votes_many", count=quantity),
        "count": quantity,
        "maximum": quantity,
        "service_code": contest.dial_code,
        "short_code": contest.short_code,
        "keywords": contest.keyword,
        "orders": ", ".join(f"VOTE {code} {quantity}" for _ in range(3)),
        "options": ", ".join(f"{c.code} {gsm.fold(c.name)}" for c in contest.eligible[:3]),
        "dial": dial,
        "how": say(language, "sms.how", dial=dial, code=code, votes=quantity, short_code=contest.short_code),
        "hint": say(language, "sms.payment_link_code", dialled="#144*82#"),
        "dialled": "#144*82#",
        "example": example_number(contest.country),
        "number": 9_999_999,
        "back": 9_999_999,
        "why": "x" * NAME_SEPTETS,
        "ways": ", ".join(gsm.fold(wallet_name(language, method)) for method in PaymentMethod),
        "wallet": widest([wallet_name(language, method) for method in PaymentMethod], OTHERWISE),
        "status": widest([text for key, text in phrases.items() if key.startswith("ussd.status_")], OTHERWISE),
        "receipt": RECEIPT,
        "reference": REFERENCE,
        "url": f"{public_url}/verify/{RECEIPT}",
        "rank": 10,
        "word": contest.keyword or "VOTE",
        "contact": contest.contact,
        "opens": digits(contest.opens_at, contest.time_zone),
        "closes": digits(contest.closes_at, contest.time_zone),
        "minutes": contest.late_seconds // 60,
        "typed": RECEIPT,
    }


class Otherwise(dict[str, object]):
    """Values that also fill a placeholder which is not listed here: with twelve letters."""

    def __missing__(self, key: str) -> object:
        return OTHERWISE


def filled(phrase: str, values: dict[str, object]) -> str:
    """The phrase filled in. ValueError for one that cannot be."""
    return phrase.format_map(Otherwise(values))


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
            "payment_held",
            "payment_link",
            "payment_link_code",
            "status_line",
            "top_line",
        ),
        *("resume", "stop_hint", "given_back", "votes_withdrawn"),
        *("nomination_link", "nomination_approved", "nomination_rejected"),
        *("nomination_change_taken", "nomination_change_refused"),
        *("nomination_video_taken", "nomination_video_refused"),
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
        (
            kind if word is None else f"{kind}: {word}",
            render(kind, language, facts if word is None else {**facts, "reason": word}),
        )
        for kind in KINDS
        if kind != "reply"
        for word in _words(kind)
    ]
    values = values_of(contest, language, public_url)
    for key, phrase in catalogue()[language].items():
        reply = key.startswith(("sms.", "refusal.")) and key not in _FRAGMENTS
        if reply and not key.startswith(_REASONS["refund_pending"]):
            made.append((f"reply: {key}", gsm.fold(filled(phrase, dict(values)))))
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
    values = values_of(contest, language, public_url)
    return Otherwise(
        {
            **values,
            "candidate_code": values["code"],
            "candidate_name": values["name"],
            "contest_name": contest.name,
            "country": contest.country,
            "quantity": contest.quantity_max,
            "wallet": "ORANGE_MONEY",
            "verify_url": values["url"],
            "payment_url": PAYMENT_URL,
            "reason": OTHERWISE,
            "hours": 24,
            "link": f"{public_url}/nominations/{'x' * 43}",
        }
    )


def findings(language: str, seen: tuple[TextSeen, ...]) -> Iterator[Finding]:
    """Texts that cost more than they should."""
    for text in seen:
        if text.kind == "receipt" and text.parts > 1:
            yield error("texts", f"{language}: a receipt has {text.parts} parts, not one", "long_texts")
        elif text.parts > _PARTS_MAX:
            yield warning("texts", f"{language}: {text.kind} has {text.parts} parts", "long_texts")


def names(contest: Contest) -> tuple[NameSeen, ...]:
    """Names of the contest (without a code) and of its eligible candidates, as phones show them."""
    found = [("", contest.name), *((c.code, c.name) for c in contest.eligible)]
    return tuple(
        NameSeen(
            code,
            name,
            gsm.cut_on_word(gsm.fold(name), NAME_SEPTETS),
            gsm.cut_on_word(gsm.fold(name), LIST_NAME_SEPTETS),
            gsm.replaced(name),
        )
        for code, name in found
    )


def name_findings(seen: tuple[NameSeen, ...]) -> Iterator[Finding]:
    """Names of which too little is left, and names that become alike."""
    listed: dict[str, list[str]] = {}
    for name in seen:
        unreadable = "?" in name.replaced.values() or not name.shown.strip()
        if unreadable:
            yield error(
                "names",
                f"{name.code} {name.name!r} cannot be read on a phone: {name.shown!r}".strip(),
                "name_unreadable",
                name=name.name,
            )
        elif not name.code and name.shown != gsm.fold(name.name):
            yield warning("names", f"the contest's name is cut to {name.shown!r}", "name_cut", shown=name.shown)
        if name.code:
            listed.setdefault(name.listed.casefold(), []).append(name.code)
    for text, codes in listed.items():
        if len(codes) > 1:
            yield warning(
                "names", f"in a list {' and '.join(codes)} look alike: {text!r}", "names_alike", codes=", ".join(codes)
            )


# Section → the most septets that one of its phrases may have once filled in. Sections that are not
# named here are for smartphones.
BUDGETS: Final[Mapping[str, int]] = {
    "ussd": SEPTETS_MAX,
    "refusal": SEPTETS_MAX,
    "wallet": 20,
    "reason": TEXT_SEPTETS,
    "sms": TEXT_SEPTETS,
}
# On a screen names are cut; with this much left of them they still differ.
SCREEN_NAME_SEPTETS: Final = 12


def check_phrases(file: PhraseFile, model: PhraseFile, contest: Contest, public_url: str) -> Iterator[Finding]:
    """Every fault of a language's file. `model`: the default language; `contest`: gives the values whose
    lengths count. Faults of a language that has a neighbour are warnings, as the neighbour stands in;
    those that would reach a screen are errors."""
    lacking = Level.WARNING if file.neighbour else Level.ERROR
    wrong = set()
    for fault in faults(model.phrases, file):
        wrong.add(fault.key)
        yield Finding(lacking, "phrases", f"{file.language}.toml: {fault.key} {fault.what}", "phrases")
    spoken = file.language if file.language in catalogue() else DEFAULT_LANGUAGE
    values = values_of(contest, spoken, public_url)
    for key, text in file.phrases.items():
        section = key.partition(".")[0]
        if section in BUDGETS and key not in wrong:
            yield from _on_a_keypad_phone(f"{file.language}.toml: {key}", text, section, values)


def _on_a_keypad_phone(named: str, text: str, section: str, values: Mapping[str, object]) -> Iterator[Finding]:
    shown = dict(values)
    if section == "ussd":
        shown |= {"votes": values["maximum"], "number": PAYER_MASKED}
        for name in ("name", "contest"):
            shown[name] = gsm.cut_on_word(str(values[name]), SCREEN_NAME_SEPTETS)
    for character, stand_in in gsm.replaced(text).items():
        if stand_in == "?":
            yield error("phrases", f"{named} has {character!r}, which phones cannot show", "phrases")
    try:
        length = gsm.septets(gsm.fold(filled(text, shown)))
    except (ValueError, AttributeError, IndexError, TypeError) as fault:
        yield error("phrases", f"{named} cannot be filled in: {fault}", "phrases")
        return
    if length > BUDGETS[section]:
        yield error(
            "phrases", f"{named} is {length} septets long when filled in, {BUDGETS[section]} at most", "phrases"
        )
