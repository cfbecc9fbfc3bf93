"""Everything that voters of a contest will read, and everything about it that may go wrong.

Pure: the same contest gives the same report. The command line reads the contests and prints it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from channels.lint import contests, screens, texts
from channels.lint.findings import Finding, LanguageSeen, Level, Report
from channels.phrases import files, languages, languages_for
from gateway.contests.contest import Contest
from gateway.orders.routing import Rails
from gateway.values.money import Money

__all__ = ["Finding", "LanguageSeen", "Level", "Report", "lint"]


def lint(
    contest: Contest,
    *,
    others: Sequence[Contest],
    rails: Rails,
    now: datetime,
    public_url: str,
    in_languages: Sequence[str] = (),
    sms_price: Money | None = None,
    walked: bool = True,
) -> Report:
    """Look at a contest from every side.

    `others`: the other contests that still sell or will sell. `rails`: what takes money.
    `in_languages`: only these (they must be spoken); none: those that its voters may choose.
    `sms_price`: of one part. `walked`: every screen that a voter can reach is looked at, which takes
    seconds, and minutes where there are hundreds of candidates.
    """
    # Who waits has no code, and voters read nothing of them.
    people = tuple(candidate for candidate in contest.candidates if candidate.has_code or candidate.eligible)
    contest = replace(contest, candidates=people, _by_code={})
    chosen = tuple(in_languages) or languages_for(contest)
    found = [
        *contests.times(contest, now),
        *contests.rounds(contest, now),
        *contests.codes(contest),
        *contests.dialling(contest, others),
        *contests.texts(contest, others),
        *contests.prices(contest, rails),
        *contests.words(contest),
    ]
    named = texts.names(contest)
    found += texts.name_findings(named)
    seen = []
    for language in (language for language in chosen if language in languages()):
        shown = screens.walk(contest, language) if walked else ()
        sent = texts.all_texts(contest, language, public_url, sms_price)
        seen.append(LanguageSeen(language, shown, sent))
        if walked:
            found += screens.findings(contest, language, shown)
        found += texts.findings(language, sent)
        found += texts.check_phrases(files()[language], files()["fr"], contest, public_url)
    ordered = sorted(found, key=lambda finding: finding.level is not Level.ERROR)
    return Report(contest.slug, named, tuple(seen), tuple(dict.fromkeys(ordered)))
