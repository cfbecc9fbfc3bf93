"""Messages for whoever was debited: pure."""

from channels.telegram.callbacks import OpenMenu
from channels.telegram.texts import amount, name, plain, say, votes
from channels.telegram.views import Button, View
from gateway.contests.contest import Contest
from gateway.values.msisdn import Msisdn
from payments.rescue.rules import DISPUTABLE, Rescue


def found(language: str, what: Rescue, number: Msisdn | None, public_url: str) -> View:
    """What became of the payments. `number`: the one that the chat has proved to hold."""
    attempt = what.attempt
    if attempt is None:
        return _nothing(language, number)
    facts = {
        "votes": votes(language, attempt.quantity),
        "code": attempt.candidate_code,
        "name": name(attempt.candidate_name),
        "amount": amount(attempt.amount),
    }
    head = say(language, "order.what", **facts)
    told = say(
        language,
        f"debited.{what.outcome.value}",
        amount=amount(attempt.amount),
        receipt=attempt.receipt,
        link=f"{public_url}/verify/{attempt.receipt}",
    )
    lines = [head, told]
    if what.ticket:
        lines.append(say(language, "debited.ticket", ticket=what.ticket))
    return View("\n\n".join(lines), _dispute(language) if what.outcome in DISPUTABLE else ())


def _nothing(language: str, number: Msisdn | None) -> View:
    """No order. Without a number there is nothing that a person could look for."""
    if number is None:
        share = plain(language, "ask.share")
        return View(say(language, "debited.nothing_here", share=share), asks_contact=share)
    return View(say(language, "debited.nothing", number=number.masked()), _dispute(language))


def _dispute(language: str) -> tuple[tuple[Button, ...], ...]:
    return ((Button(plain(language, "button.dispute"), OpenMenu(what="ticket").pack()),),)


def ticket(language: str, number: str | None, contest: Contest | None) -> View:
    """The ticket that was opened, and whom to ask where the contest says so."""
    if number is None:
        return View(say(language, "debited.no_ticket"))
    lines = [say(language, "debited.ticket", ticket=number)]
    if contest is not None and contest.contact:
        lines.append(say(language, "rules.contact", contact=contest.contact))
    return View("\n\n".join(lines))
