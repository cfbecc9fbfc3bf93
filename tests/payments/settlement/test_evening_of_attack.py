"""An evening of attack from the first vote to the last refund, with every fraud rule on."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from admin.fraud.store import Fraud, Limits
from gateway.orders.fraud import FraudLimits
from payments.requests import Act, RequestStatus
from tests.engines import Database
from tests.rigs.evening import CARRIER, Evening
from tests.rigs.money_rig import ASKER, CHECKER, REASON
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Evening]:
    made = Evening(database.app_url, owner_url=database.owner_url)
    yield await made.open()
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def test_what_an_attack_paid_for_is_held_decided_about_and_refunded_and_money_is_votes(rig: Evening) -> None:
    usual: list[tuple[float, dict[str, Any]]] = [
        (n * 50.0, {"number": 20_000_000 + 1_370 * n, "code": f"0{1 + n % 9}"}) for n in range(72)
    ]
    program = [(4_200.0 + n, {"number": 40_000_000 + 1_370 * (n % 8), "code": "07"}) for n in range(48)]
    bot = [
        (5_000.0 + n * 5.5, {"number": 50_000_000 + 1_370 * n, "code": "03", "device": "bot", "address": CARRIER})
        for n in range(12)
    ]
    assert await rig.evening(usual + program + bot) == {"settled": 72 + 24, "burst": 24, "web_votes": 12}
    fraud = Fraud(rig.engine, rig.vault, FraudLimits())
    organiser = await rig.one("select organiser_id from contests where slug = 'star'")
    review = await fraud.review("star", organiser)
    assert {one.findings[0].rule for one in review.held} == {"burst", "web_votes"}
    # The program alone made a candidate rise far above its own share.
    (rise,) = review.rises
    assert (rise.candidate_code, rise.orders, rise.share, rise.usual) == ("07", 48, 100.0, 11.5)
    released, *refused = [str(one.reference) for one in review.held]
    # All of the rest is asked for at once; the preview says what it would do, and nothing is done before it is agreed.
    params = {"step": "refuse", "payments": " ".join(refused), "block_days": 7}
    asked = await rig.acts.ask(Act.DECIDE_HELD, "star", params, REASON, ASKER)
    request = await rig.acts.requests.read(asked, organiser)
    assert request is not None
    assert (request.preview["payments"], request.preview["held_votes"]) == (35, 175)
    assert request.preview["currencies"] == {"XOF": {"payments": 35, "votes": 175, "money_minor": 17_500}}
    assert await rig.one("select count(*) from payments where status = 'held'") == 36
    await rig.agreed(Act.DECIDE_HELD, "star", {"step": "release", "payments": released})
    assert (await rig.acts.decide(asked, CHECKER, approve=True)).status is RequestStatus.DONE
    await rig.refund()
    rig.provider.outgoing_script = [paid()]
    await rig.refund_again()
    states = await rig.rows("select status, count(*) as many from payments group by 1 order by 1")
    assert [tuple(row) for row in states] == [("refunded", 35), ("settled", 97)]
    counted = await rig.one("select cast(sum(votes) as bigint) from candidate_totals")
    taken = "select cast(sum(amount_minor) as bigint) from payments where status = 'settled'"
    assert (counted, counted * 100) == (97 * 5, await rig.one(taken))
    # Who paid for what was refused is kept out; the hour judged again shows what other limits would have held.
    assert await rig.one("select count(*) from fraud_entries where list = 'deny'") == 20
    hour = rig.began + timedelta(hours=1)
    for limits, held in ((Limits(), 36), (Limits(burst_each=6), 20), (Limits(burst_orders=0, web_votes=0), 0)):
        (again,) = await fraud.what_if("star", hour, organiser, limits)
        assert (again.orders, again.held) == (60, held)
