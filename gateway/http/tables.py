"""Tables that small screens show as a list: every cell carries the name of its column, every element its role."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from markupsafe import Markup

_TABLE: Final = '<table class="table">'
_AS_LIST: Final = '<table class="table list" role="table">'
_HEAD: Final = re.compile(r'<th scope="col"[^>]*>(.*?)</th>', re.DOTALL)
_ROW: Final = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL: Final = re.compile(r'<(td|th scope="row")')
_TAG: Final = re.compile(r"<[^>]*>")
# A style that shows a table as a list takes its meaning from it; a role gives it back.
_ROLES: Final = (
    ("<thead", "rowgroup"),
    ("<tbody", "rowgroup"),
    ("<tr", "row"),
    ('<th scope="col"', "columnheader"),
    ('<th scope="row"', "rowheader"),
    ("<td", "cell"),
)


def labelled(table: Markup) -> Markup:
    """The table of a template as a list of small screens, with `data-label` on its cells. No cell holds a table. One of
    another class, which fits on small screens, stays as it is."""
    if _TABLE not in table:
        return table
    names = [_TAG.sub("", head).strip() for head in _HEAD.findall(table)]
    written = _ROW.sub(lambda row: _cells(row[0], iter(names)), str(table).replace(_TABLE, _AS_LIST))
    for opening, role in _ROLES:
        written = re.sub(rf"{opening}(?=[\s>])", f'{opening} role="{role}"', written)
    return Markup(written)  # noqa: S704 - a template's, which escapes, and texts of its own


def _cells(row: str, names: Iterator[str]) -> str:
    return _CELL.sub(lambda cell: "".join((cell[0], *(f' data-label="{name}"' for name in islice(names, 1)))), row)
