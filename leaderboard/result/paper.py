"""A result on paper: the sheet that every PDF of a result is laid out on, and the certified one."""

import io
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Spacer, Table, TableStyle

from gateway.values.drawable import drawable
from leaderboard.result.document import Board, ResultDocument

NIGHT: Final = colors.HexColor("#1d1145")
GOLD: Final = colors.HexColor("#ffc83d")
SOFT: Final = colors.HexColor("#5c5673")
MARGIN: Final = 20 * mm
_LINE: Final = colors.HexColor("#d9d4ea")
_BAND: Final = 26 * mm
_WIDTHS: Final = (14 * mm, 18 * mm, 86 * mm, 32 * mm, 20 * mm)
_WIDTHS_JUDGED: Final = (14 * mm, 16 * mm, 72 * mm, 28 * mm, 18 * mm, 22 * mm)
# A ranking that goes on is in the document.
PLACES_MAX: Final = 500

Say = Callable[..., str]
Number = Callable[[int], str]


@cache
def fonts() -> tuple[str, str]:
    """Names of the plain and the bold font, which hold the letters of French."""
    for name, file in (("Vera", "Vera.ttf"), ("VeraBd", "VeraBd.ttf")):
        data = resources.files("reportlab").joinpath("fonts", file).read_bytes()
        pdfmetrics.registerFont(TTFont(name, io.BytesIO(data)))
    return "Vera", "VeraBd"


def written(text: str, size: float, *, bold: bool = False, colour: Any = NIGHT, kept: bool = False) -> Paragraph:  # noqa: ANN401 # the library has no types
    """What somebody wrote, in letters that the font has, none of it read as marks. `kept`: on one page with what
    follows."""
    plain, strong = fonts()
    style = ParagraphStyle(
        "", fontName=strong if bold else plain, fontSize=size, leading=size * 1.35, textColor=colour, keepWithNext=kept
    )
    return Paragraph(escape(drawable(text)), style)


def space(millimetres: float) -> Flowable:
    """Between two parts of a sheet."""
    return Spacer(1, millimetres * mm)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], widths: Sequence[float]) -> Flowable:
    """A ranking: place, code, name, and figures to the right of them."""
    plain, strong = fonts()
    cells = [[drawable(one) if isinstance(one, str) else one for one in row] for row in (head, *rows)]
    made = Table(cells, colWidths=list(widths), repeatRows=1)
    made.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, -1), plain, 10),
                ("FONT", (0, 0), (-1, 0), strong, 9),
                ("TEXTCOLOR", (0, 0), (-1, 0), SOFT),
                ("TEXTCOLOR", (0, 1), (-1, -1), NIGHT),
                ("ALIGN", (3, 0), (-1, -1), "RIGHT"),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, _LINE),
                ("TOPPADDING", (0, 0), (-1, -1), 5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
            ]
        )
    )
    return made


def sheet(flow: Sequence[Flowable], contest: str, title: str, foot: str) -> bytes:
    """These parts on pages with our band above. `title`: what the paper is; `foot`: who made it, or its hash."""
    out, (plain, strong) = io.BytesIO(), fonts()
    width, height = A4

    def page(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.setFillColor(NIGHT)
        canvas.rect(0, height - _BAND, width, _BAND, stroke=0, fill=1)
        canvas.setFillColor(GOLD)
        canvas.setFont(strong, 13)
        canvas.drawString(MARGIN, height - 16 * mm, "Spotlight")
        canvas.setFillColor(colors.white)
        canvas.setFont(plain, 10)
        canvas.drawRightString(width - MARGIN, height - 16 * mm, drawable(title))
        canvas.setFillColor(SOFT)
        canvas.setFont(plain, 8)
        canvas.drawString(MARGIN, 12 * mm, drawable(foot))
        canvas.drawRightString(width - MARGIN, 12 * mm, str(document.page))

    document = BaseDocTemplate(out, pagesize=A4, title=drawable(f"{contest}: {title}"), author="Spotlight")
    frame = Frame(MARGIN, 18 * mm, width - 2 * MARGIN, height - 18 * mm - _BAND - 8 * mm, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate("page", [frame], onPage=page))
    document.build(list(flow))
    return out.getvalue()


def share(part: int, whole: int, say: Say) -> str:
    """A part of a whole, in tenths of a percent."""
    ones, tenth = divmod(round(1000 * part / whole), 10) if whole else (0, 0)
    return say("per_cent", whole=ones, tenth=tenth)


def certified_paper(
    result: ResultDocument,
    sha256: str,
    signed: Sequence[str],
    facts: Sequence[tuple[str, str]],
    say: Say,
    number: Number,
    replaced: str = "",
) -> bytes:
    """A certified result as PDF. `signed`: who signed, and when; `facts`: what stands under the rankings, each with its
    name; `replaced`: when another one took its place, and why."""
    title = say("title", number=number(result.number))
    flow: list[Flowable] = [
        written(result.name, 22, bold=True),
        written(result.organiser, 11, colour=SOFT),
        space(2),
        written(title, 12, bold=True),
        space(2),
    ]
    if replaced:
        flow += [written(replaced, 10, bold=True), space(2)]
    elif result.replaces:
        flow += [written(say("because", reason=result.replaces.reason), 10), space(2)]
    flow += [written(say("signers"), 9, bold=True, colour=SOFT), *(written(one, 10) for one in signed)]
    for board in result.boards:
        flow += [space(6), *_board(board, say, number)]
    flow.append(space(6))
    for name, fact in facts:
        flow += [written(name, 9, bold=True, colour=SOFT), written(fact, 10), space(1.5)]
    return sheet(flow, result.name, title, f"SHA-256 {sha256}")


def _board(board: Board, say: Say, number: Number) -> Iterable[Flowable]:
    category = say("no_category") if board.category == "" else board.category
    yield written(" · ".join(filter(None, (board.round_name, category))) or say("whole"), 12, bold=True, kept=True)
    judged = board.jury_percent > 0
    head = [say("rank"), say("code"), say("name"), say("votes_head"), say("share")]
    if judged:
        head = [*head[:4], say("points"), say("score")]
    if judged:
        shares = say("jury", votes=100 - board.jury_percent, jury=board.jury_percent)
        yield written(shares, 9, colour=SOFT, kept=True)
    everybody = sum(one.votes for one in board.places)
    rows = []
    for one in board.places[:PLACES_MAX]:
        name = one.name if not one.reinstated else say("reinstated", name=one.name)
        figures = [share(one.votes, everybody, say)]
        if judged:
            figures = [number(one.points or 0), share(one.score or 0, 10_000, say)]
        cells = [
            number(one.rank) if one.votes or one.points else "–",
            one.code,
            written(name, 10, bold=one.rank == 1),
            number(one.votes),
        ]
        rows.append([*cells, *figures])
    yield table(head, rows, _WIDTHS_JUDGED if judged else _WIDTHS)
    if len(board.places) > PLACES_MAX:
        yield written(say("more", many=number(len(board.places) - PLACES_MAX)), 9, colour=SOFT)
    if board.evicted:
        yield space(1)
    for gone in board.evicted:
        yield written(say("evicted", code=gone.code, name=gone.name, votes=number(gone.votes)), 9, colour=SOFT)
