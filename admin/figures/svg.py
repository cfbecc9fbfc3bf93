"""Charts as SVG without words: a page writes its labels around them, so that they stay readable at every width.

A chart fills a box that is a hundred units high and as many units wide as it has values. Colours are classes of the
style sheet.
"""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

HEIGHT: Final = 100
_OPEN: Final = Markup(
    '<svg viewBox="0 0 {wide} {high}" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
)
_CLOSE: Final = Markup("</svg>")


def _y(value: int, top: int) -> str:
    """How far below the upper edge a value stands."""
    return f"{HEIGHT - HEIGHT * max(0, min(value, top)) / max(top, 1):.4g}"


def columns(values: Sequence[int], top: int) -> Markup:
    """A column for each value; `top`: the value that fills the height. The highest is marked."""
    highest = max(values, default=0)
    drawn = Markup("").join(
        Markup('<path class="{kind}" d="M{x} {low}H{right:.4g}V{y}H{x}Z"/>').format(
            kind="peak" if value == highest else "col", x=x, low=HEIGHT, right=x + 0.86, y=_y(value, top)
        )
        for x, value in enumerate(values)
        if value > 0
    )
    return _OPEN.format(wide=max(1, len(values)), high=HEIGHT) + drawn + _CLOSE


def lines(series: Sequence[Sequence[int]], top: int) -> Markup:
    """A line for each series, all of the same length; `top`: as `columns` has it."""
    wide = max((len(values) for values in series), default=0)
    drawn = Markup("").join(
        Markup('<polyline class="s{n}" points="{points}"/>').format(
            n=n, points=" ".join(f"{x},{_y(value, top)}" for x, value in enumerate(values))
        )
        for n, values in enumerate(series, start=1)
    )
    return _OPEN.format(wide=max(1, wide - 1), high=HEIGHT) + drawn + _CLOSE


def bar(value: int, top: int) -> Markup:
    """One bar from the left; `top`: the value that fills the width."""
    wide = 100 * max(0, min(value, top)) / max(top, 1)
    return _OPEN.format(wide=100, high=1) + Markup('<path class="col" d="M0 0H{w:.4g}V1H0Z"/>').format(w=wide) + _CLOSE
