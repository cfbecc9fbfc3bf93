"""Generated attacks are held when they are to be counted, and honest crowds are not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.contests.versions import RulesVersions
from gateway.orders.fraud import FraudLimits
from payments.requests import Act
from payments.settlement.settle import Settlement
from sandbox.crowd.plan import Group
from tests.engines import Database
from tests.rigs.evening import CARRIER, Evening
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Evening]:
    made = Evening(database.app_url, owner_url=database.owner_url)
    yield await made.open()
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


def many(count: int, apart: float, **vote: Any) -> list[tuple[float, dict[str, Any]]]:
    """Votes of different wallets in no block, so many seconds apart."""
    return [(n * apart, {"number": 1_000_000 + 137 * n, **vote}) for n in range(count)]


ATTACKS: dict[str, tuple[list[tuple[float, dict[str, Any]]], dict[str, int]]] = {
    "a bot on one address": (many(12, 2, address="41.66.0.9"), {"web_votes": 12}),
    "a bot on one device behind a carrier": (many(12, 5.4, device="bot", address=CARRIER), {"web_votes": 12}),
    "a wallet that a program drives": (
        [(n * 2.0, {"number": 7, "code": "07"}) for n in range(5)],
        {"settled": 1, "too_fast": 4},
    ),
    "a device that votes for everybody": (
        [(n * 10.0, {"number": 137 * n, "device": "d", "code": f"0{n + 1}"}) for n in range(4)],
        {"settled": 2, "many_candidates": 2},
    ),
    "a bought block of numbers": (
        [(n * 30.0, {"number": 44_100 + n}) for n in range(12)],
        {"settled": 9, "number_block": 3},
    ),
}
HONEST: dict[str, list[tuple[float, dict[str, Any]]]] = {
    "a crowd behind one carrier address": [
        (n * 0.5, {"number": 5_000_000 + 137 * n, "device": f"phone {n}", "address": CARRIER, "code": f"0{1 + n % 9}"})
        for n in range(40)
    ],
    "a family on one phone": [(n * 45.0, {"number": 8_123_456, "code": f"0{n + 1}"}) for n in range(6)],
    "a fan who votes 200 times": [(n * 30.0, {"number": 9_123_456}) for n in range(200)],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_held(rig: Evening, attack: str) -> None:
    votes, expected = ATTACKS[attack]
    assert await rig.evening(votes) == expected


async def test_honest_voters_are_not_held(rig: Evening) -> None:
    everybody = [vote for votes in HONEST.values() for vote in votes]
    assert await rig.evening(everybody) == {"settled": len(everybody)}
    assert await rig.rows("select * from fraud_findings") == []


# An hour of votes for nine candidates.
USUAL: list[tuple[float, dict[str, Any]]] = [
    (n * 50.0, {"number": 20_000_000 + 1_370 * n, "code": f"0{1 + n % 9}"}) for n in range(72)
]


async def test_one_card_or_name_for_many_is_held_and_a_family_on_one_card_is_not(rig: Evening) -> None:
    rig.settlement = Settlement(rig.engine, replace(FraudLimits(), payer_others=4, payer_others_hold=6))
    family: dict[str, Any] = {"card": "family", "holder": "Aya Koné", "address": CARRIER}
    home = [(n * 60.0, {"number": 1_370 * n, "device": f"home {n}", **family}) for n in range(4)]
    again = [(300.0 + n * 60.0, {"number": 1_370 * n, "device": f"home {n}", **family}) for n in range(4)]
    # Who writes the name in another way has the same one, and who has only one word has none.
    bought = [
        (n * 60.0 + 7, {"number": 50_000_000 + 1_370 * n, "device": f"a{n}", "address": CARRIER, "card": "stolen"})
        for n in range(8)
    ]
    names = ("Yao KOUASSI", "kouassi yao", "Yao Kouassi", "Yào Kouassi")
    named = [
        (
            n * 60.0 + 9,
            {"number": 60_000_000 + 1_370 * n, "device": f"b{n}", "holder": names[n % 4], "address": CARRIER},
        )
        for n in range(8)
    ]
    one_word = [(n * 60.0 + 11, {"number": 70_000_000 + 1_370 * n, "holder": "Yao"}) for n in range(8)]
    found = await rig.evening(home + again + bought + named + one_word)
    assert found == {"settled": 8 + 6 + 6 + 8, "one_card": 2, "one_holder": 2}
    rows = await rig.rows("select rule, verdict, count(*) as many from fraud_findings group by 1, 2 order by 1, 2")
    assert [tuple(row) for row in rows] == [
        (rule, verdict, 2) for rule in ("one_card", "one_holder") for verdict in ("flag", "hold")
    ]


async def test_one_wallet_for_many_is_held_and_a_new_number_with_many_votes_and_the_contests_own_are_shown(
    rig: Evening,
) -> None:
    rig.settlement = Settlement(rig.engine, replace(FraudLimits(), payer_others=4, payer_others_hold=6))
    await rig.change(
        "insert into beneficiaries (id, organiser_id, provider, country, name, registered_by,"
        " phone_index, phone_cipher) select gen_random_uuid(), organiser_id, 'mtn_momo', 'CI', 'Star', 'awa', :i, :i"
        " from contests where slug = 'star'",
        i=rig.vault.index("+2250509000000"),
    )
    await rig.change(
        "insert into candidate_links (candidate_id, token_hash, language, contact_index, contact_cipher, consented_at)"
        " select id, :i, 'fr', :i, :i, now() from candidates where code = '03'"
        " and contest_id = (select id from contests where slug = 'star')",
        i=rig.vault.index("+2250509001370"),
    )
    await rig.change(
        "insert into fraud_entries (id, contest_id, list, kind, origin, shown, reason, made_by, subject, until)"
        " select gen_random_uuid(), id, 'own', 'number', 'person', '', 'jury', 'awa', :i, now() + interval '1 day'"
        " from contests where slug = 'star'",
        i=rig.vault.index("+2250509002740"),
    )
    payer = [(n * 30.0, {"number": 8, "device": f"d{n}", "address": CARRIER}) for n in range(8)]
    known = [(0.0, {"number": 1_370, "quantity": 5}), (900.0, {"number": 1_370, "quantity": 200})]
    new = [(950.0, {"number": 2_740, "quantity": 200}), (960.0, {"number": 4_110, "quantity": 199})]
    own = [(970.0 + n, {"number": 9_000_000 + 1_370 * n}) for n in range(3)]
    found = await rig.evening(payer + known + new + own)
    assert found == {"settled": 6 + 2 + 2 + 3, "one_payer": 2}
    seen = await rig.rows("select seen->>'seen' as seen from fraud_findings where rule = 'own_number'")
    assert {row.seen for row in seen} == {"organiser", "candidate", "staff"}
    rows = await rig.rows("select rule, verdict, count(*) as many from fraud_findings group by 1, 2 order by 1, 2")
    assert [tuple(row) for row in rows] == [
        ("new_number", "flag", 1),
        ("one_payer", "flag", 2),
        ("one_payer", "hold", 2),
        ("own_number", "flag", 3),
    ]


async def test_what_an_operator_shows_of_a_payer_is_kept_as_keyed_hashes(rig: Evening) -> None:
    order = await rig.placed()
    await rig.collect()
    rig.provider.query_script = [replace(paid(), card="Xt5EWLLDS7FJjR1c", holder="Aya Koné")]
    await rig.make_due()
    await rig.verify()
    (kept,) = await rig.rows(
        "select card_index, holder_index from payments where reference = :r", r=order.payment_reference
    )
    assert (kept.card_index, kept.holder_index) == (
        rig.vault.index("card Xt5EWLLDS7FJjR1c"),
        rig.vault.index("holder aya kone"),
    )


async def test_a_call_on_television_is_not_held_and_wallets_that_order_again_and_again_in_a_burst_are(
    rig: Evening,
) -> None:
    """Both lift one candidate as suddenly: many people with a vote or two, and eight wallets with six orders each."""
    call = [(3_600.0 + n, {"number": 30_000_000 + 1_370 * n, "code": "05"}) for n in range(45)]
    again = [(3_650.0 + n, {"number": 30_000_000 + 1_370 * n, "code": "05"}) for n in range(5)]
    program = [(4_200.0 + n, {"number": 40_000_000 + 1_370 * (n % 8), "code": "07"}) for n in range(48)]
    assert await rig.evening(USUAL + call + again + program) == {"settled": 72 + 50 + 24, "burst": 24}
    found = await rig.rows(
        "select k.code, f.verdict, f.weight, f.seen, count(*) as many from fraud_findings f"
        " join payments p using (reference) join votes v on v.id = p.vote_id join candidates k on k.id = v.candidate_id"
        " group by 1, 2, 3, 4 order by 1, 2, f.seen->>'seen'"
    )
    assert [(one.code, one.verdict, one.weight, one.seen["seen"], one.many) for one in found] == [
        ("05", "flag", 30, 2, 5),
        *(("07", "flag", 30, seen, 8) for seen in (2, 3)),
        *(("07", "hold", 100, seen, 8) for seen in (4, 5, 6)),
    ]


async def test_a_held_vote_waits_for_a_person_and_goes_back_when_none_decides(rig: Evening) -> None:
    """Its voter learns that it is checked; what is released counts, what nobody decided about in time is refunded."""
    votes = [(n * 1.0, {"number": 7}) for n in range(3)]
    assert await rig.evening(votes) == {"settled": 1, "too_fast": 2}
    found = await rig.rows("select rule, verdict, seen, limits_version from fraud_findings")
    assert [tuple(one) for one in found] == [("too_fast", "hold", {"seen": 1, "limit": 5}, 0)] * 2
    (noted,) = await rig.rows("select * from audit_log where act = 'fraud.found'")
    assert (noted.contest_id, noted.detail["rules"]) == (rig.contest.id, {"too_fast": 2})
    texts = await rig.rows("select kind, params from messages_out order by kind, key")
    assert [one.kind for one in texts] == ["payment_held", "payment_held", "receipt"]
    assert texts[0].params == {"reason": "too_fast", "hours": 24}
    assert await RulesVersions(rig.engine).held_votes(rig.contest.id) == 10
    released, late = await rig.rows("select reference from payments where status = 'held' order by placed_at")
    await rig.agreed(Act.RELEASE_HELD, released.reference)
    assert await rig.votes_for("07") == 10
    assert await rig.settle_all() == 0
    await rig.change("update payments set decide_by = now() where reference = :r", r=late.reference)
    assert await rig.settle_all() == 1
    assert await rig.one("select status from payments where reference = :r", r=late.reference) == "refund_due"
    assert await rig.one("select params->>'reason' from messages_out where kind = 'refund_pending'") == "undecided"
    assert await rig.votes_for("07") == 10


async def test_a_generated_crowd_is_left_alone_and_its_cheats_are_held(rig: Evening) -> None:
    """Of honest votes one in a thousand may be held at most."""
    found = await rig.crowd(voters=250, seconds=600.0, seed=7)
    honest = [found[group] for group in (Group.HONEST, Group.FAN)]
    paid, held = (sum(figures) for figures in zip(*honest, strict=True))
    assert paid > 150
    assert held * 1000 <= paid
    for group, free in ((Group.BURST, 3), (Group.BLOCK, 9)):
        bought, caught = found[group]
        assert bought - caught <= free < bought, group
