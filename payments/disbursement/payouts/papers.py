"""The statement of a payout, for an organiser: as CSV for a spreadsheet and as text to read."""

from gateway.values.csv_text import csv_line
from gateway.values.money import Money
from payments.disbursement.payouts.port import PayoutStatement


def statement_csv(statement: PayoutStatement) -> str:
    """What the payout was made of, then a line for each day of the tally. Amounts are minor units."""
    payout = statement.payout
    head = ("payout", "contest", "organiser", "what", "from", "to", "tally_first", "tally_last", "votes", "currency")
    lines = [csv_line((*head, "amount_minor"))]
    common = (str(payout.reference), payout.contest, payout.organiser)
    period = (statement.period_from, statement.period_to)
    for what, minor in _parts(statement):
        lines.append(csv_line((*common, what, *period, None, None, None, payout.amount.currency, minor)))
    for day in statement.tally:
        cells = (day.day.isoformat(), day.day.isoformat(), day.first, day.last, day.votes)
        lines.append(csv_line((*common, "tally of the day", *cells, payout.amount.currency, day.amount_minor)))
    return "".join(lines)


def _parts(statement: PayoutStatement) -> list[tuple[str, int]]:
    return [
        ("brought forward", statement.brought_forward_minor),
        ("gross", statement.gross_minor),
        ("taken back", -statement.refunded_minor),
        ("fees", -statement.fees_minor),
        ("net", statement.net_minor),
        ("payouts returned", statement.returned_minor),
        ("paid out", -statement.payout.amount.amount_minor),
        ("still owed", statement.left_minor),
    ]


def statement_text(statement: PayoutStatement) -> str:
    """The same for people."""
    payout, currency = statement.payout, statement.payout.amount.currency
    since = f"{statement.period_from:%Y-%m-%d %H:%M}" if statement.period_from else "the first vote"
    lines = [
        f"Payout {payout.reference}",
        f"Contest {payout.contest}, organiser {payout.organiser}",
        f"To {payout.beneficiary} by {payout.provider}: {payout.status.value}",
        f"Period: from {since} to {statement.period_to:%Y-%m-%d %H:%M} UTC",
        "",
        *(f"{what:<18}{Money(minor, currency).spoken():>20}" for what, minor in _parts(statement)),
        "",
        "Public tally entries that it pays for:",
        *(
            f"  {day.day.isoformat()}  {day.first} to {day.last}: {day.votes} votes, "
            f"{Money(day.amount_minor, currency).spoken()}"
            for day in statement.tally
        ),
    ]
    if payout.provider_reference:
        lines.insert(3, f"The operator's reference: {payout.provider_reference}")
    return "\n".join(lines)
