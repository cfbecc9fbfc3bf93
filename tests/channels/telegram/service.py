"""The voting service in memory, as a chat uses it."""

from tests.rails import RAILS_WITH_WAVE
from tests.rigs.voting_service import FakeVotingService, counted_receipt


def chat_service() -> FakeVotingService:
    """With one counted receipt, and a wallet that any number may have."""
    return FakeVotingService(rails=RAILS_WITH_WAVE, receipts=(counted_receipt(),))
