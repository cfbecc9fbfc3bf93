"""What small screens show tables by."""

import pytest
from markupsafe import Markup

from gateway.http.pages import money
from gateway.http.tables import labelled
from gateway.values.money import Money

HEAD = '<thead><tr><th scope="col">Name <i>x</i></th><th scope="col" class="figure">Votes &amp; more</th></tr></thead>'
HEAD_SHOWN = (
    '<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Name <i>x</i></th>'
    '<th scope="col" role="columnheader" class="figure">Votes &amp; more</th></tr></thead>'
)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (
            '<tr><th scope="row">Awa</th><td class="figure"><time>5</time></td></tr>',
            '<tr role="row"><th scope="row" role="rowheader" data-label="Name x">Awa</th>'
            '<td role="cell" data-label="Votes &amp; more" class="figure"><time>5</time></td></tr>',
        ),
        # More cells than columns, and fewer.
        (
            "<tr><td>1</td><td>2</td><td>3</td></tr><tr><td>4</td></tr>",
            '<tr role="row"><td role="cell" data-label="Name x">1</td>'
            '<td role="cell" data-label="Votes &amp; more">2</td><td role="cell">3</td></tr>'
            '<tr role="row"><td role="cell" data-label="Name x">4</td></tr>',
        ),
        # A voter's text is no element.
        (
            "<tr><td>&lt;td&gt;</td></tr>",
            '<tr role="row"><td role="cell" data-label="Name x">&lt;td&gt;</td></tr>',
        ),
    ],
)
def test_cells_carry_the_name_of_their_column(row: str, shown: str) -> None:
    table = Markup(f'<table class="table">{HEAD}<tbody>{row}</tbody></table>')
    expected = f'<table class="table list" role="table">{HEAD_SHOWN}<tbody role="rowgroup">{shown}</tbody></table>'
    assert labelled(table) == expected
    other = Markup(str(table).replace('"table"', '"table fits"'))
    assert labelled(other) == other


@pytest.mark.parametrize(
    ("minor", "currency", "french", "english"),
    [
        (0, "XOF", "0\u00a0FCFA", "0\u00a0FCFA"),
        (1_500_000, "XOF", "1\u202f500\u202f000\u00a0FCFA", "1,500,000\u00a0FCFA"),
        (-1_500, "XAF", "-1\u202f500\u00a0FCFA", "-1,500\u00a0FCFA"),
        (150_005, "EUR", "1\u202f500,05\u00a0EUR", "1,500.05\u00a0EUR"),
        (-5, "GHS", "-0,05\u00a0GHS", "-0.05\u00a0GHS"),
    ],
)
def test_money_reads_as_the_language_writes_it(minor: int, currency: str, french: str, english: str) -> None:
    assert (money(Money(minor, currency), "fr"), money(Money(minor, currency), "en")) == (french, english)
