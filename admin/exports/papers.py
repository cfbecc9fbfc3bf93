"""A result on paper as staff take it away, and the certificate of who won."""

import io
from typing import Any, Final

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from admin.exports.result import Result
from gateway.values.drawable import drawable
from leaderboard.final import FinalPlace, FinalRanking
from leaderboard.jury import shown_share
from leaderboard.ranking import Ranked, Ranking
from leaderboard.result.paper import GOLD, MARGIN, NIGHT, SOFT, Number, Say, fonts, share, sheet, space, table, written

_WIDTHS: Final = (14 * mm, 18 * mm, 86 * mm, 32 * mm, 20 * mm)
_WIDTHS_JUDGED: Final = (14 * mm, 16 * mm, 72 * mm, 28 * mm, 18 * mm, 22 * mm)


def result_paper(result: Result, say: Say, number: Number, voting: str, made: str, site: str) -> bytes:
    """The result as PDF. `voting`: when voting ended; `made`: who made the paper, and when; `site`: our public
    address."""
    contest, ranking = result.contest, result.ranking
    flow: list[Flowable] = [written(contest.name, 22, bold=True), space(2)]
    if ranking.round_name:
        flow.append(written(ranking.round_name, 12))
    flow += [written(voting, 10, colour=SOFT), space(6)]
    if result.undecided:
        flow += [written(say("undecided", many=number(result.undecided)), 10, bold=True), space(4)]
    if result.unjudged:
        flow += [written(say("unjudged"), 10, bold=True), space(4)]
    flow.append(_judged(result.judged, say, number) if result.judged else _by_votes(ranking, say, number))
    if ranking.evicted:
        flow += [space(6), written(say("evicted"), 12, bold=True), space(2)]
        flow += [written(f"{one.code} {one.name}: {_votes(one.votes, say, number)}", 10) for one in ranking.evicted]
    flow += [
        space(6),
        written(say("counted", votes=number(ranking.total_votes), entries=number(ranking.version)), 10),
        *(
            [written(say("formula", votes=100 - contest.jury_percent, jury=contest.jury_percent), 10)]
            if contest.jury_percent
            else []
        ),
        written(say("tie_break_" + contest.tie_break.value), 10),
        written(say("check", address=f"{site}/c/{contest.slug}/log"), 10),
    ]
    return sheet(flow, contest.name, say("final" if result.final else "provisional"), made)


def _by_votes(ranking: Ranking, say: Say, number: Number) -> Flowable:
    placed = sum(one.votes for one in ranking.entries)
    head = [say("rank"), say("code"), say("name"), say("votes_head"), say("share")]
    rows = (
        [
            number(one.rank),
            one.code,
            written(one.name, 10, bold=one.rank == 1),
            number(one.votes),
            share(one.votes, placed, say),
        ]
        for one in ranking.entries
    )
    return table(head, rows, _WIDTHS)


def _judged(ranking: FinalRanking, say: Say, number: Number) -> Flowable:
    head = [say("rank"), say("code"), say("name"), say("votes_head"), say("points"), say("score")]
    rows = (
        [
            number(one.rank),
            one.code,
            written(one.name, 10, bold=one.rank == 1),
            number(one.votes),
            number(one.points),
            share(shown_share(one.score), 10_000, say),
        ]
        for one in ranking.places
        if one.rank is not None
    )
    return table(head, rows, _WIDTHS_JUDGED)


def _votes(votes: int, say: Say, number: Number) -> str:
    return say("vote" if votes == 1 else "votes", votes=number(votes))


def certificate(result: Result, say: Say, number: Number, voting: str, made: str, site: str) -> bytes:
    """A page for each who stands first. The rest as for `result_paper`."""
    out, (plain, strong) = io.BytesIO(), fonts()
    width, height = landscape(A4)
    canvas = Canvas(out, pagesize=(width, height))
    canvas.setTitle(drawable(f"{result.contest.name}: {say('certificate')}"))
    for one in result.winners:
        canvas.setFillColor(NIGHT)
        canvas.rect(0, 0, width, height, stroke=0, fill=1)
        canvas.setStrokeColor(GOLD)
        canvas.setLineWidth(2)
        canvas.rect(12 * mm, 12 * mm, width - 24 * mm, height - 24 * mm, stroke=1, fill=0)
        lines = (
            (say("certificate"), strong, 20, GOLD, 158),
            (result.contest.name, plain, 20, colors.white, 140),
            (one.name, strong, 44, colors.white, 102),
            (say("first" if len(result.winners) == 1 else "first_shared"), plain, 18, colors.white, 80),
            (_given(one, say, number), strong, 22, GOLD, 64),
            (voting, plain, 12, colors.white, 46),
            (say("check", address=f"{site}/c/{result.contest.slug}/log"), plain, 9, colors.white, 28),
            (made, plain, 8, colors.HexColor("#b9aee0"), 20),
        )
        for words, font, size, colour, up in lines:
            _centred(canvas, drawable(words), font, size, width, up * mm, colour)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _given(one: Ranked | FinalPlace, say: Say, number: Number) -> str:
    """The votes, and the jury's points where it has a share."""
    votes = _votes(one.votes, say, number)
    return say("judged", votes=votes, points=number(one.points)) if isinstance(one, FinalPlace) else votes


def _centred(canvas: Canvas, words: str, font: str, size: float, width: float, up: float, colour: Any) -> None:  # noqa: ANN401 # the same
    """In the middle of the page, smaller where it is too long."""
    width_left = width - 2 * MARGIN
    wide = pdfmetrics.stringWidth(words, font, size)
    fitting = size if wide <= width_left else max(6.0, size * width_left / wide)
    canvas.setFillColor(colour)
    canvas.setFont(font, fitting)
    canvas.drawCentredString(width / 2, up, words)
