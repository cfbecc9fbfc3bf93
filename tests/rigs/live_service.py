"""The real voting service over a rig's database."""

from typing import Any, cast

from channels.messages.dialogue_steps import DialogueSteps
from channels.messages.languages import Languages
from channels.messages.unfinished import UnfinishedDialogues
from gateway.runtime.connections import utc_now
from gateway.runtime.voting_service import LiveVotingService
from leaderboard.log.inclusion import Inclusions
from leaderboard.scores import Rankings
from payments.accounts.calls import Unlimited
from payments.rescue.attempts import Attempts
from payments.rescue.rescue import Rescuer
from tests.rails import RAILS
from tests.rigs.fixed_accounts import FixedAccounts
from tests.rigs.rig import Rig


def live_service(rig: Rig, rankings: Rankings) -> LiveVotingService:
    """Without Redis, which only keeps what a voter chose at hand for the next dialogue."""
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    attempts = Attempts(rig.engine, rig.vault)
    return LiveVotingService(
        rankings=rankings,
        accounts=FixedAccounts(RAILS),
        orders=rig.orders,
        views=rig.views,
        inclusions=Inclusions(rig.engine, rig.vault),
        rescuer=Rescuer(attempts, rig.payments, rig.providers, Unlimited(), rig.doorbell),
        inbox=rig.inbox,
        outbox=rig.outbox,
        languages=Languages(auto, rig.vault, cast(Any, None)),
        unfinished=UnfinishedDialogues(rig.engine, rig.vault),
        steps=DialogueSteps(rig.engine, utc_now),
        doorbell=rig.doorbell,
        clock=utc_now,
    )
