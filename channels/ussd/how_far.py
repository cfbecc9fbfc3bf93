"""How far a dialogue came on its way to an order: a plain function of its place."""

from typing import Final

from channels.messages.dialogue_steps import DialogueStep
from channels.ussd.menu.session import Node, Session

STEPS: Final = (DialogueStep.DIALLED, DialogueStep.CHOSEN, DialogueStep.CONFIRMING)


def how_far(session: Session | None, *, bought: bool = False) -> int:
    """How many of `STEPS` are behind a dialogue at this place. What an offer to resume holds was chosen in another
    dialogue."""
    if bought:
        return len(STEPS)
    if session is None or session.node is Node.CONTESTS:
        return 0
    if session.code is None or session.node is Node.RESUME:
        return 1
    return 3 if session.votes else 2
