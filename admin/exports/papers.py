"""A result on paper, and the certificate of who won."""

import io
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Spacer, Table, TableStyle

from admin.exports.result import Result
from channels.web.card import drawable

_NIGHT: Final = colors.HexColor("#1d1145")
_GOLD: Final = colors.HexColor("#ffc83d")
_LINE: Final = colors.HexColor("#d9d4ea")
_SOFT: Final = colors.HexColor("#5c5673")
_MARGIN: Final = 20 * mm
_BAND: Final = 26 * mm

Say = Callable[..., str]
Number = Callable[[int], str]


@cache
def _fonts() -> tuple[str, str]:
    """Names of the plain and the bold font, which hold the letters of French."""
    for name, file in (("Vera", "Vera.ttf"), ("VeraBd", "VeraBd.ttf")):
        data = resources.files("reportlab").joinpath("fonts", file).read_bytes()
        pdfmetrics.registerFont(TTFont(name, io.BytesIO(data)))
    return "Vera", "VeraBd"


def _style(size: float, *, bold: bool = False, colour: Any = _NIGHT, **more: Any) -> ParagraphStyle:  # noqa: ANN401 # the library has no types
    plain, strong = _fonts()
    return ParagraphStyle(
        "", fontName=strong if bold else plain, fontSize=size, leading=size * 1.35, textColor=colour, **more
    )


def _words(words: str, style: ParagraphStyle) -> Paragraph:
    """What somebody wrote, in letters that the font has, none of it read as marks."""
    return Paragraph(escape(drawable(words)), style)


def result_paper(result: Result, say: Say, number: Number, voting: str, made: str, site: str) -> bytes:
    """The result as PDF. `voting`: when voting ended; `made`: who made the paper, and when; `site`: our public
    address."""
    out, (plain, strong) = io.BytesIO(), _fonts()
    title = say("final" if result.final else "provisional")

    def page(canvas: Canvas, document: BaseDocTemplate) -> None:
        width, height = A4
        canvas.setFillColor(_NIGHT)
        canvas.rect(0, height - _BAND, width, _BAND, stroke=0, fill=1)
        canvas.setFillColor(_GOLD)
        canvas.setFont(strong, 13)
        canvas.drawString(_MARGIN, height - 16 * mm, "Spotlight")
        canvas.setFillColor(colors.white)
        canvas.setFont(plain, 10)
        canvas.drawRightString(width - _MARGIN, height - 16 * mm, title)
        canvas.setFillColor(_SOFT)
        canvas.setFont(plain, 8)
        canvas.drawString(_MARGIN, 12 * mm, drawable(made))
        canvas.drawRightString(width - _MARGIN, 12 * mm, str(document.page))

    contest, ranking = result.contest, result.ranking
    flow: list[Flowable] = [_words(contest.name, _style(22, bold=True)), Spacer(1, 2 * mm)]
    if ranking.round_name:
        flow.append(_words(ranking.round_name, _style(12)))
    flow += [_words(voting, _style(10, colour=_SOFT)), Spacer(1, 6 * mm)]
    if not result.final:
        flow += [_words(say("undecided", many=number(result.undecided)), _style(10, bold=True)), Spacer(1, 4 * mm)]
    flow.append(_table(result, say, number))
    if ranking.evicted:
        flow += [Spacer(1, 6 * mm), _words(say("evicted"), _style(12, bold=True)), Spacer(1, 2 * mm)]
        flow += [
            _words(f"{one.code} {one.name}: {_votes(one.votes, say, number)}", _style(10)) for one in ranking.evicted
        ]
    flow += [
        Spacer(1, 6 * mm),
        _words(say("counted", votes=number(ranking.total_votes), entries=number(ranking.version)), _style(10)),
        _words(say("tie_break_" + contest.tie_break.value), _style(10)),
        _words(say("check", address=f"{site}/c/{contest.slug}/log"), _style(10)),
    ]
    document = BaseDocTemplate(out, pagesize=A4, title=drawable(f"{contest.name}: {title}"), author="Spotlight")
    width, height = A4
    frame = Frame(_MARGIN, 18 * mm, width - 2 * _MARGIN, height - 18 * mm - _BAND - 8 * mm, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate("page", [frame], onPage=page))
    document.build(flow)
    return out.getvalue()


def _votes(votes: int, say: Say, number: Number) -> str:
    return say("vote" if votes == 1 else "votes", votes=number(votes))


def _table(result: Result, say: Say, number: Number) -> Flowable:
    plain, strong = _fonts()
    placed = sum(one.votes for one in result.ranking.entries)
    rows: list[Sequence[Any]] = [[say("rank"), say("code"), say("name"), say("votes_head"), say("share")]]
    for one in result.ranking.entries:
        whole, tenth = divmod(round(1000 * one.votes / placed), 10) if placed else (0, 0)
        share = say("per_cent", whole=whole, tenth=tenth)
        name = _words(one.name, _style(10, bold=one.rank == 1))
        rows.append([number(one.rank), one.code, name, number(one.votes), share])
    made = Table(rows, colWidths=[14 * mm, 18 * mm, 86 * mm, 32 * mm, 20 * mm], repeatRows=1)
    made.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), plain, 10),
                ("FONT", (0, 0), (-1, 0), strong, 9),
                ("TEXTCOLOR", (0, 0), (-1, 0), _SOFT),
                ("TEXTCOLOR", (0, 1), (-1, -1), _NIGHT),
                ("ALIGN", (3, 0), (4, -1), "RIGHT"),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, _LINE),
                ("TOPPADDING", (0, 0), (-1, -1), 5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
            ]
        )
    )
    return made


def certificate(result: Result, say: Say, number: Number, voting: str, made: str, site: str) -> bytes:
    """A page for each who stands first. The rest as for `result_paper`."""
    out, (plain, strong) = io.BytesIO(), _fonts()
    width, height = landscape(A4)
    canvas = Canvas(out, pagesize=(width, height))
    canvas.setTitle(drawable(f"{result.contest.name}: {say('certificate')}"))
    for one in result.winners:
        canvas.setFillColor(_NIGHT)
        canvas.rect(0, 0, width, height, stroke=0, fill=1)
        canvas.setStrokeColor(_GOLD)
        canvas.setLineWidth(2)
        canvas.rect(12 * mm, 12 * mm, width - 24 * mm, height - 24 * mm, stroke=1, fill=0)
        lines = (
            (say("certificate"), strong, 20, _GOLD, 158),
            (result.contest.name, plain, 20, colors.white, 140),
            (one.name, strong, 44, colors.white, 102),
            (say("first" if len(result.winners) == 1 else "first_shared"), plain, 18, colors.white, 80),
            (_votes(one.votes, say, number), strong, 22, _GOLD, 64),
            (voting, plain, 12, colors.white, 46),
            (say("check", address=f"{site}/c/{result.contest.slug}/log"), plain, 9, colors.white, 28),
            (made, plain, 8, colors.HexColor("#b9aee0"), 20),
        )
        for words, font, size, colour, up in lines:
            _centred(canvas, drawable(words), font, size, width, up * mm, colour)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _centred(canvas: Canvas, words: str, font: str, size: float, width: float, up: float, colour: Any) -> None:  # noqa: ANN401 # the same
    """In the middle of the page, smaller where it is too long."""
    width_left = width - 2 * _MARGIN
    wide = pdfmetrics.stringWidth(words, font, size)
    fitting = size if wide <= width_left else max(6.0, size * width_left / wide)
    canvas.setFillColor(colour)
    canvas.setFont(font, fitting)
    canvas.drawCentredString(width / 2, up, words)
