"""`spotlight money`: where is my money? For a contest, and for a voter's number."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.formats import Columns, print_rows, shown
from gateway.cli.running import in_container

money_app = group("Where is my money?")
Language = Annotated[str, typer.Option("--language", help="fr or en.")]


@command(money_app, "contest", "spotlight money contest star")
def contest(
    slug: Annotated[str, typer.Argument(help="The contest's slug.")], language: Language = "en", as_json: AsJson = False
) -> None:
    """Print where each franc of a contest is, and since when."""
    from payments.ledger.story_phrases import place_name

    _known(language)

    places = in_container(lambda container: container.places.of_contest(slug))
    columns: Columns = {
        "place": lambda row: place_name(row["place"], row["provider"], language),
        "amount": lambda row: shown(row["amount"]["amount_minor"], row["amount"]["currency"]),
        "pieces": "pieces",
        "oldest (UTC)": lambda row: f"{row['oldest']:%Y-%m-%d %H:%M}" if row["oldest"] else "-",
        "newest (UTC)": lambda row: f"{row['newest']:%Y-%m-%d %H:%M}" if row["newest"] else "-",
    }
    print_rows([asdict(place) for place in places], columns, as_json=as_json, right=(1, 2))


@command(money_app, "number", "spotlight money number +2250501020304 --language fr")
def number(
    phone: Annotated[str, typer.Argument(help="The voter's number, with + and country code.")],
    language: Language = "en",
    full: Annotated[bool, typer.Option("--full", help="Print the number in full.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what became of each attempt of a number, in plain words, the newest attempt first."""
    from gateway.values.msisdn import mask
    from payments.ledger.money_story import sentences_of
    from payments.ledger.story_phrases import nothing_known, story_lines

    _known(language)
    e164 = _e164(phone)

    attempts = in_container(lambda container: container.places.of_number(e164))
    stories = [story_lines(sentences_of(attempt), language) for attempt in attempts]
    if as_json:
        found = [
            {"vote": a.vote_id, "status": a.status, "amount": asdict(a.amount), "story": story}
            for a, story in zip(attempts, stories, strict=True)
        ]
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    print(e164 if full else mask(e164))
    if not attempts:
        print(nothing_known(language))
    for story in stories:
        print()
        print("\n".join(story))


def _e164(typed: str) -> str:
    import phonenumbers

    try:
        read = phonenumbers.parse(typed, None)
    except phonenumbers.NumberParseException:
        raise typer.BadParameter(f"{typed!r} is no number; write it with + and the country code") from None
    return phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164)


def _known(language: str) -> None:
    from payments.ledger.story_phrases import languages

    if language not in languages():
        raise typer.BadParameter(f"no words in {language!r}; there are {', '.join(languages())}")
