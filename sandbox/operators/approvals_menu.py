"""An operator's own USSD menu in which a payer approves by hand what was not pushed, or got lost.

MTN Côte d'Ivoire: `*133#`. The screens are the operator's, in French.
"""

from sandbox.operators.approvals import PIN, Approvals
from sandbox.operators.book import Entry
from sandbox.phones.handset import Turn

_LINES_MAX = 5
_NOTHING_OPEN = "Aucun paiement en attente."
_BYE = "Merci. A bientot."


def open_menu(approvals: Approvals, merchant: str, msisdn: str) -> Turn:
    """Start the dialogue of one payer. Choices stay what they were on her screen, whatever arrives meanwhile."""
    listed: list[Entry] = []
    chosen: list[Entry] = []

    async def turn(typed: str) -> tuple[str, bool]:
        if chosen:
            return await _approve(approvals, chosen[0], typed)
        if not listed:
            listed.extend(approvals.waiting(msisdn)[:_LINES_MAX])
            return (_list(listed, merchant), True) if listed else (_NOTHING_OPEN, False)
        if typed == "0":
            return _BYE, False
        if not typed.isdecimal() or not 1 <= int(typed) <= len(listed):
            return f"Choix incorrect.\n{_list(listed, merchant)}", True
        chosen.append(listed[int(typed) - 1])
        entry = chosen[0]
        return f"Payer {entry.whole} {entry.currency} a {merchant}.\nEntrez votre code PIN\n0 Refuser", True

    return turn


def _list(entries: list[Entry], merchant: str) -> str:
    lines = [f"{number} {merchant} {entry.whole} {entry.currency}" for number, entry in enumerate(entries, 1)]
    return "\n".join(("Paiements en attente:", *lines, "0 Quitter"))


async def _approve(approvals: Approvals, entry: Entry, typed: str) -> tuple[str, bool]:
    answer = await approvals.answer(entry.our_reference, None if typed == "0" else typed)
    if answer.get("error") == "wrong_pin":
        left = answer["attempts_left"]
        return (f"Code PIN incorrect. Essais restants: {left}\nEntrez votre code PIN\n0 Refuser", left != 0)
    if answer.get("error"):
        return "Ce paiement n'est plus en attente.", False
    if answer.get("reason") == approvals.words.no_funds:
        return "Solde insuffisant.", False
    if typed != PIN:
        return "Paiement refuse.", False
    return f"Paiement de {entry.whole} {entry.currency} valide.", False
