"""`spotlight money`: where is my money? For a contest, and for a voter's number."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.failures import report_failures
from gateway.cli.formats import AsJson, example, shown, table
from gateway.cli.running import running_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from payments.ledger.money_places import Place
    from payments.ledger.money_story import Attempt

money_app = typer.Typer(help="Where is my money?", no_args_is_help=True, rich_markup_mode=None)
Language = Annotated[str, typer.Option("--language", help="fr or en.")]


@money_app.command("contest", epilog=example("spotlight money contest star"))
def contest(
    slug: Annotated[str, typer.Argument(help="The contest's slug.")], language: Language = "en", as_json: AsJson = False
) -> None:
    """Print where each franc of a contest is, and since when."""
    with report_failures():
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command
        from payments.ledger.story_phrases import place_name

        _known(language)

        async def run() -> "Sequence[Place]":
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                return await container.places.of_contest(slug)

        places = asyncio.run(run())
        if as_json:
            print(json.dumps([asdict(place) for place in places], indent=2, default=str))
            return
        rows = [
            (
                place_name(p.place, p.provider, language),
                shown(p.amount.amount_minor, p.amount.currency),
                str(p.pieces),
                f"{p.oldest:%Y-%m-%d %H:%M}" if p.oldest else "-",
                f"{p.newest:%Y-%m-%d %H:%M}" if p.newest else "-",
            )
            for p in places
        ]
        print(table(("place", "amount", "pieces", "oldest (UTC)", "newest (UTC)"), rows, right=(1, 2)))


@money_app.command("number", epilog=example("spotlight money number +2250501020304 --language fr"))
def number(
    phone: Annotated[str, typer.Argument(help="The voter's number, with + and country code.")],
    language: Language = "en",
    full: Annotated[bool, typer.Option("--full", help="Print the number in full.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what became of each attempt of a number, in plain words, the newest attempt first."""
    with report_failures():
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command
        from gateway.values.msisdn import mask
        from payments.ledger.money_story import sentences_of
        from payments.ledger.story_phrases import nothing_known, story_lines

        _known(language)
        e164 = _e164(phone)

        async def run() -> "Sequence[Attempt]":
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                return await container.places.of_number(e164)

        attempts = asyncio.run(run())
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
