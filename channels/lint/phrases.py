"""Is a language fit for screens and texts: its phrases, placeholders, alphabet and lengths."""

from collections.abc import Iterator, Mapping
from typing import Final

from channels import gsm
from channels.lint import samples
from channels.lint.findings import Finding, Level, error
from channels.phrases import DEFAULT_LANGUAGE, catalogue
from channels.sms.texts import TEXT_SEPTETS
from channels.ussd.menu import SEPTETS_MAX
from gateway.contests.contest import Contest
from gateway.http.phrases import PhraseFile, faults

# Section → the most septets that one of its phrases may have once filled in. Sections that are not
# named here are for smartphones.
BUDGETS: Final[Mapping[str, int]] = {
    "ussd": SEPTETS_MAX,
    "refusal": SEPTETS_MAX,
    "wallet": 20,
    "reason": TEXT_SEPTETS,
    "sms": TEXT_SEPTETS,
}
# On a screen names give way; with this much left of them they can still be told apart.
SCREEN_NAME_SEPTETS: Final = 12


def check(file: PhraseFile, model: PhraseFile, contest: Contest, public_url: str) -> Iterator[Finding]:
    """Every fault of a language's file. `model`: the default language; `contest`: gives the values whose
    lengths count. Faults of a language that has a neighbour are warnings, as the neighbour stands in;
    those that would reach a screen are errors."""
    lacking = Level.WARNING if file.neighbour else Level.ERROR
    wrong = set()
    for fault in faults(model.phrases, file):
        wrong.add(fault.key)
        yield Finding(lacking, "phrases", f"{file.language}.toml: {fault.key} {fault.what}")
    spoken = file.language if file.language in catalogue() else DEFAULT_LANGUAGE
    values = samples.values(contest, spoken, public_url)
    for key, text in file.phrases.items():
        section = key.partition(".")[0]
        if section in BUDGETS and key not in wrong:
            yield from _on_a_keypad_phone(f"{file.language}.toml: {key}", text, section, values)


def _on_a_keypad_phone(named: str, text: str, section: str, values: Mapping[str, object]) -> Iterator[Finding]:
    held = dict(values)
    if section == "ussd":
        held |= {"votes": values["maximum"], "number": samples.PAYER_MASKED}
        for name in ("name", "contest"):
            held[name] = gsm.cut_on_word(str(values[name]), SCREEN_NAME_SEPTETS)
    for character, stand_in in gsm.replaced(text).items():
        if stand_in == "?":
            yield error("phrases", f"{named} has {character!r}, which phones cannot show")
    try:
        length = gsm.septets(gsm.fold(samples.filled(text, held)))
    except (ValueError, AttributeError, IndexError, TypeError) as fault:
        yield error("phrases", f"{named} cannot be filled in: {fault}")
        return
    if length > BUDGETS[section]:
        yield error("phrases", f"{named} is {length} septets long when filled in, {BUDGETS[section]} at most")


def check_all(files: Mapping[str, PhraseFile], contest: Contest, public_url: str) -> Iterator[Finding]:
    """The same for every language."""
    for file in files.values():
        yield from check(file, files[DEFAULT_LANGUAGE], contest, public_url)
