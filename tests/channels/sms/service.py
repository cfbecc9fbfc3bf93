"""Texts to the voting service in memory."""

from channels import gsm
from channels.messages.carrier import IncomingText
from channels.sms.inbound import Reply, answer
from channels.sms.texts import render
from gateway.contests.contest import Contest
from tests.rigs.voting_service import FakeVotingService, counted_receipt

MTN = "+2250501020304"


def texted_service(*shown: Contest) -> FakeVotingService:
    """With one counted receipt."""
    return FakeVotingService(*shown, receipts=(counted_receipt(shown[0] if shown else None),))


async def send(
    service: FakeVotingService,
    words: str,
    *,
    sender: str = MTN,
    to: str = "7890",
    network: str | None = None,
    carrier_id: str = "m1",
    first_id: str | None = None,
    language: str | None = None,
) -> Reply:
    text = IncomingText("africastalking", carrier_id, sender, to, words, network)
    return await answer(text, service, first_id=first_id or carrier_id, language=language)


def written(reply: Reply) -> str:
    """The text as it goes out."""
    text = render("reply", reply.language, {"lines": list(reply.lines)})
    assert gsm.parts(text) <= 2
    assert "{" not in text
    return text
